"""The files of pages/ that browsers load: the style sheet and the modules, with an ETag each."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PAGES = Path(__file__).parents[1] / "pages"
CONTENT_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file, and the version that its URL may name. `version`: the SHA-256 of the file, shortened."""

    content: bytes
    content_type: str
    version: str


@cache
def asset(name: str) -> Asset:
    """Return the file with this name. It is read once: it is part of the deployment."""
    content = (PAGES / name).read_bytes()
    return Asset(content, CONTENT_TYPES[name.rpartition(".")[2]], hashlib.sha256(content).hexdigest()[:16])


def asset_url(name: str) -> str:
    """Return the URL of a file as our pages name it: with its version, so that it can be cached without end."""
    return f"/pages/{name}?v={asset(name).version}"

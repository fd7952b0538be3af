"""The files of pages/ that browsers load: the style sheet and the modules.

Modules import each other by relative paths. With the version in the path, they import those of their own version.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PAGES = Path(__file__).parents[1] / "pages"
CONTENT_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
EMBED = "embed.js"  # for pages of other sites, at a URL that never changes
# What our own pages load. Nothing else is served below /pages.
PAGE_ASSETS = sorted(file.name for file in PAGES.iterdir() if file.suffix in CONTENT_TYPES and file.name != EMBED)

_IMPORT = re.compile(r' from "\./(\w+\.js)";$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Asset:
    """A file. `digest`: its SHA-256, shortened."""

    content: bytes
    content_type: str
    digest: str


@cache
def asset(name: str) -> Asset:
    """Return the file with this name. It is read once: it is part of the deployment."""
    path = PAGES / name
    content = path.read_bytes()
    return Asset(content, CONTENT_TYPES[path.suffix], _digest(content))


@cache
def current_version() -> str:
    """Return the version of all files that our pages load: the SHA-256 of their names and digests, shortened."""
    return _digest("\n".join(f"{name} {asset(name).digest}" for name in PAGE_ASSETS).encode())


def asset_url(name: str) -> str:
    """Return the URL of a file as our pages name it: with the version, so that it can be cached without end."""
    return f"/pages/{current_version()}/{name}"


@cache
def imported(module: str) -> list[str]:
    """Return the modules that a browser needs for this one: those that it imports, and those that they import."""
    names = _IMPORT.findall(asset(module).content.decode())
    return sorted({*names, *(further for name in names for further in imported(name))})


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]

"""The image files of `batch`, named by row and prompt: `0002-a-red-fox.png`."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from functions.cli.client import PublicJob
from functions.cli.errors import SaveFailed
from functions.cli.files import EXTENSIONS, fetch_image, slug


def save_row(http: httpx.Client, job: PublicJob, row: int, folder: Path) -> list[Path]:
    """Write every stored image of a row's job, and return the paths. A file that is there already is kept. Blocks.

    Raises FetchFailed if an image cannot be fetched or verified, and SaveFailed if it cannot be written.
    """
    return [_save(http, image, folder, _name(job, row, image)) for image in job["images"] if image["url"]]


def _name(job: PublicJob, row: int, image: Mapping[str, Any]) -> str:
    number = f"-{image['index'] + 1}" if image["index"] else ""
    return f"{row:04}-{slug(job['prompt'])}{number}.{EXTENSIONS.get(image['contentType'], 'img')}"


def _save(http: httpx.Client, image: Mapping[str, Any], folder: Path, name: str) -> Path:
    """Write one image under a name of its own first: a file with its final name is complete, whatever happens."""
    path, number = folder / name, 1
    part = folder / f".{name}.part"
    try:
        while path.exists():
            if _sha256(path) == image["sha256"]:
                return path
            path = folder / f"{Path(name).stem}-again{number}{path.suffix}"
            number += 1
        with part.open("wb") as file:
            fetch_image(http, image, file)
        part.replace(path)
    except OSError as error:
        raise SaveFailed(f"Cannot write {path}: {error.strerror}.") from error
    finally:
        part.unlink(missing_ok=True)
    return path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""Write images to files. A file is named after its prompt, verified by its checksum, and never overwrites another."""

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import httpx

from functions.cli.client import PublicJob
from functions.cli.errors import FetchFailed, SaveFailed
from shared.images.formats import FORMATS

EXTENSIONS = {kind.content_type: kind.extension for kind in FORMATS}
NAME_LENGTH = 40  # characters of the prompt
ID_LENGTH = 6
FETCH_SECONDS = 60.0


def save_images(job: PublicJob, folder: Path) -> list[Path]:
    """Write every stored image of the job to `folder` and return the paths. Blocks.

    Raises SaveFailed if an image cannot be fetched, verified, or written.
    """
    with httpx.Client(trust_env=False, timeout=FETCH_SECONDS) as http:
        return [_save(http, image, folder, _stem(job, image)) for image in job["images"] if image["url"]]


def _stem(job: PublicJob, image: Mapping[str, Any]) -> str:
    """Return the file name without its extension: `a-red-fox-1f3a9c`, for the second image `a-red-fox-1f3a9c-2`."""
    number = f"-{image['index'] + 1}" if image["index"] else ""
    return f"{slug(job['prompt'])}-{job['id'][:ID_LENGTH]}{number}"


def slug(prompt: str) -> str:
    """Return the first words of a prompt for use in a file name: letters and digits of any script, with hyphens."""
    text = unicodedata.normalize("NFKC", prompt).lower()
    words = re.sub(r"[\W_]+", "-", text).strip("-")
    if len(words) > NAME_LENGTH:
        words = words[: NAME_LENGTH + 1].rpartition("-")[0] or words[:NAME_LENGTH]
    return words or "image"


def _save(http: httpx.Client, image: Mapping[str, Any], folder: Path, stem: str) -> Path:
    try:
        path, file = _new_file(folder, stem, EXTENSIONS.get(image["contentType"], "img"))
    except OSError as error:
        raise SaveFailed(f"Cannot create a file in {folder}: {error.strerror}.") from error
    try:
        with file:
            fetch_image(http, image, file)
    except BaseException as error:
        path.unlink()
        if isinstance(error, OSError):
            raise SaveFailed(f"Cannot write {path}: {error.strerror}.") from error
        raise
    return path


def _new_file(folder: Path, stem: str, extension: str) -> tuple[Path, BinaryIO]:
    """Create a file under a name that is not in use."""
    number = 0
    while True:
        path = folder / f"{stem}{f'-again{number}' if number else ''}.{extension}"
        try:
            return path, path.open("xb")
        except FileExistsError:
            number += 1


def fetch_image(http: httpx.Client, image: Mapping[str, Any], file: BinaryIO) -> None:
    """Download the image to `file`. Raises FetchFailed, also if its checksum is not that of the job, and OSError."""
    digest = hashlib.sha256()
    try:
        with http.stream("GET", image["url"]) as response:
            response.raise_for_status()
            for chunk in response.iter_bytes():
                digest.update(chunk)
                file.write(chunk)
    except httpx.HTTPError as error:
        raise FetchFailed(f"Cannot fetch {image['url']}: {str(error) or type(error).__name__}") from error
    if digest.hexdigest() != image["sha256"]:
        raise FetchFailed(f"Image {image['index']}: the checksum of the downloaded bytes does not match the job.")

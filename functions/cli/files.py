"""Image files: named after their prompt, checked against the job's checksum, and never written over another file."""

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import httpx

from functions.cli.client import PublicJob
from functions.cli.errors import NotWritten
from shared.images.formats import FORMATS

EXTENSIONS = {kind.content_type: kind.extension for kind in FORMATS}
NAME_LENGTH = 40  # characters of the prompt
ID_LENGTH = 6
FETCH_SECONDS = 60.0


def save_images(job: PublicJob, folder: Path) -> list[Path]:
    """Write every stored image of the job into `folder`; blocks. NotWritten if one cannot be had whole."""
    with httpx.Client(trust_env=False, timeout=FETCH_SECONDS) as http:
        return [_save(http, image, folder, _stem(job, image)) for image in job["images"] if image["url"]]


def _stem(job: PublicJob, image: Mapping[str, Any]) -> str:
    """`a-red-fox-1f3a9c`, from the second image on `a-red-fox-1f3a9c-2`."""
    number = f"-{image['index'] + 1}" if image["index"] else ""
    return f"{readable(job['prompt'])}-{job['id'][:ID_LENGTH]}{number}"


def readable(prompt: str) -> str:
    """The prompt's first words as part of a file name: letters and digits of any script, joined by hyphens."""
    text = unicodedata.normalize("NFKC", prompt).lower()
    words = re.sub(r"[\W_]+", "-", text).strip("-")
    if len(words) > NAME_LENGTH:
        words = words[: NAME_LENGTH + 1].rpartition("-")[0] or words[:NAME_LENGTH]
    return words or "image"


def _save(http: httpx.Client, image: Mapping[str, Any], folder: Path, stem: str) -> Path:
    try:
        path, file = _new_file(folder, stem, EXTENSIONS.get(image["contentType"], "img"))
    except OSError as error:
        raise NotWritten(f"{folder}: no file can be made there ({error.strerror})") from error
    try:
        with file:
            _fetch(http, image, file)
    except BaseException as error:
        path.unlink()
        if isinstance(error, httpx.HTTPError | OSError):
            raise NotWritten(f"{path}: the image could not be fetched ({error})") from error
        raise
    return path


def _new_file(folder: Path, stem: str, extension: str) -> tuple[Path, BinaryIO]:
    """A file that was not there before."""
    again = 0
    while True:
        path = folder / f"{stem}{f'-again{again}' if again else ''}.{extension}"
        try:
            return path, path.open("xb")
        except FileExistsError:
            again += 1


def _fetch(http: httpx.Client, image: Mapping[str, Any], file: BinaryIO) -> None:
    """The bytes of the image; NotWritten if they are not those that the job tells of."""
    digest = hashlib.sha256()
    with http.stream("GET", image["url"]) as answer:
        answer.raise_for_status()
        for chunk in answer.iter_bytes():
            digest.update(chunk)
            file.write(chunk)
    if digest.hexdigest() != image["sha256"]:
        raise NotWritten(f"image {image['index']}: the bytes fetched are not those that the job tells of")

"""The option `--image`: a file, a URL, or the ID of an earlier job."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from shared.images.formats import FORMATS, HEAD_BYTES, sniff

EXTENSIONS = ", ".join(kind.extension.upper() for kind in FORMATS)

_URL = re.compile(r"https?://.+", re.IGNORECASE | re.DOTALL)
_JOB_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class ImageFile:
    """The content of an image file and its media type."""

    content: bytes
    content_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InputImage:
    """The input image of a request; exactly one attribute is set."""

    file: ImageFile | None = None
    url: str | None = None
    job_id: str | None = None

    @property
    def fields(self) -> dict[str, str]:
        """The request fields that name the image; none for a file."""
        named = {"image1": self.url, "fromJob": self.job_id}
        return {name: value for name, value in named.items() if value is not None}


class InputImageType(click.ParamType[InputImage, Any]):
    """The type of `--image`."""

    name = "PATH|URL|JOB"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> InputImage:
        """Return the input image. Raises click.BadParameter if the value names none."""
        try:
            return _parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _parse(text: str) -> InputImage:
    if text and _exists(Path(text)):
        return InputImage(file=_read(Path(text)))
    if _URL.fullmatch(text):
        return InputImage(url=text)
    if _JOB_ID.fullmatch(text):
        return InputImage(job_id=text)
    raise ValueError(
        f"{text!r} is not an existing file, a URL, or a job ID. Give the path of an image file, a URL that begins with "
        "https://, or the ID of an earlier job (32 hexadecimal digits)."
    )


def _exists(path: Path) -> bool:
    """Return whether the path exists; a URL may be too long for a path."""
    try:
        return path.exists()
    except OSError:
        return False


def _read(path: Path) -> ImageFile:
    from shared.wireflow.client import UPLOAD_LIMIT  # imports httpx, which `--help` does not need

    try:
        with path.open("rb") as file:
            content = file.read(UPLOAD_LIMIT + 1)
    except OSError as error:
        raise ValueError(f"Cannot read {path}: {error.strerror}.") from error
    kind = sniff(content[:HEAD_BYTES])
    if kind is None:
        raise ValueError(f"{path} is not an image of a supported type. Supported types: {EXTENSIONS}.")
    if len(content) > UPLOAD_LIMIT:
        raise ValueError(f"{path} is larger than {UPLOAD_LIMIT // 2**20} MiB. Use a smaller image.")
    return ImageFile(content, kind.content_type)

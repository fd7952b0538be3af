"""The input image of `run`: a file, an address or an earlier job. What is none of them is refused before any start."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from shared.images.formats import FORMATS, HEAD_BYTES, sniff
from shared.wireflow.client import UPLOAD_LIMIT

KINDS = ", ".join(kind.extension.upper() for kind in FORMATS)

_URL = re.compile(r"https?://.+", re.IGNORECASE | re.DOTALL)
_JOB_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Picture:
    """The bytes of a picture and their media type."""

    content: bytes
    content_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InputImage:
    """One of the three ways to name the image."""

    file: Picture | None = None
    url: str | None = None
    job: str | None = None

    @property
    def fields(self) -> dict[str, str]:
        """The fields of the request that name it; a file is none of them."""
        named = {"image1": self.url, "fromJob": self.job}
        return {name: value for name, value in named.items() if value is not None}


class InputImageType(click.ParamType[InputImage, Any]):
    """What `--image` takes."""

    name = "PATH|URL|JOB"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> InputImage:
        """The image of a path, an address or a job's id; BadParameter says what to write instead."""
        try:
            return _image(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _image(text: str) -> InputImage:
    if text and _exists(Path(text)):
        return InputImage(file=_picture(Path(text)))
    if _URL.fullmatch(text):
        return InputImage(url=text)
    if _JOB_ID.fullmatch(text):
        return InputImage(job=text)
    raise ValueError(
        f"{text!r} is no file here, no address and no job: name a file that exists, an address that begins with "
        "https://, or the id of an earlier job (32 hexadecimal digits)."
    )


def _exists(path: Path) -> bool:
    """Also whether an address is a path: one that is too long for a file's name is none."""
    try:
        return path.exists()
    except OSError:
        return False


def _picture(path: Path) -> Picture:
    try:
        with path.open("rb") as file:
            content = file.read(UPLOAD_LIMIT + 1)
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}); name a file that can.") from error
    kind = sniff(content[:HEAD_BYTES])
    if kind is None:
        raise ValueError(f"{path} is no picture; name a file of one of these kinds: {KINDS}.")
    if len(content) > UPLOAD_LIMIT:
        raise ValueError(f"{path} has more than {UPLOAD_LIMIT // 2**20} MiB; name a smaller one.")
    return Picture(content, kind.content_type)

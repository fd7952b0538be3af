"""The images of a run: real PNG, JPEG and WebP files that show the prompt; an id and an index fix every byte.

A run with an input image pastes it into what it draws, so that a test can see that the image arrived.
"""

import base64
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

from PIL import Image, ImageOps, UnidentifiedImageError

from .drawing import draw

IMAGE_DESCRIPTION = 0x010E  # the Exif tag; PNG, JPEG and WebP all carry it
THUMBNAIL_SIDE = 96  # pixels
_LONG_SIDES = {"512": 512, "1K": 1024, "2K": 2048, "4K": 4096}
_CONTENT_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
# Speed matters more than size: a run draws its images while a caller waits.
_SAVE_OPTIONS: dict[str, dict[str, int]] = {
    "png": {"compress_level": 1},
    "jpeg": {"quality": 80},
    "webp": {"method": 0, "quality": 70},
}
_UPLOAD_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "AVIF")


@dataclass(frozen=True)
class InputImage:
    """The input image of a run: the sha256 (hex) of its bytes, and a JPEG small enough to be kept with the run."""

    sha256: str
    thumbnail: bytes

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Read the image in these bytes; OSError or ValueError if there is none. Slow: call it in a thread."""
        file = io.BytesIO()
        with Image.open(io.BytesIO(content)) as image:
            small = image.convert("RGB")
        small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
        small.save(file, "JPEG", quality=90)
        return cls(hashlib.sha256(content).hexdigest(), file.getvalue())

    def to_json(self) -> dict[str, str]:
        """Return the image as the ledger has it."""
        return {"sha256": self.sha256, "thumbnail": base64.b64encode(self.thumbnail).decode()}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(entry["sha256"], base64.b64decode(entry["thumbnail"]))


@dataclass(frozen=True)
class GeneratedImage:
    """One image of a run; width and height are pixels."""

    execution_id: str
    index: int
    prompt: str
    width: int
    height: int
    format: str  # png, jpeg or webp
    input: InputImage | None = None

    @classmethod
    def of(
        cls, execution_id: str, index: int, prompt: str, fields: Mapping[str, Any], image: InputImage | None = None
    ) -> Self:
        """Return the image that a call's fields ask for; a missing or wrong field is 1K, 1:1 or png."""
        width, height = _size(fields.get("resolution"), fields.get("aspect_ratio"))
        wanted = str(fields.get("format")).lower()
        return cls(execution_id, index, prompt, width, height, wanted if wanted in _CONTENT_TYPES else "png", image)

    @property
    def path(self) -> str:
        """Its path on the CDN."""
        return f"/cdn/{self.execution_id}/{self.index}.{self.format}"

    @property
    def content_type(self) -> str:
        """Its media type."""
        return _CONTENT_TYPES[self.format]


def image_count(fields: Mapping[str, Any]) -> int:
    """Return how many images a call's fields ask for: 1 to 4."""
    count = fields.get("count")
    return int(count) if isinstance(count, int) and 1 <= count <= 4 else 1


def upload_format(content: bytes) -> str | None:
    """Return png, jpeg, webp, gif or avif; None if this is no such image. Slow: call it in a thread."""
    try:
        with Image.open(io.BytesIO(content), formats=_UPLOAD_FORMATS) as image:
            image.verify()
            return str(image.format).lower()
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError):
        return None


@lru_cache(maxsize=32)
def render(image: GeneratedImage) -> bytes:
    """Draw the image and return its file. Slow: call it in a thread."""
    canvas = draw(image.width, image.height, image.prompt, f"{image.execution_id} · {image.index}")
    drawn = canvas if image.format == "png" and not image.input else canvas.convert("RGB")
    exif = Image.Exif()
    if image.input:
        _paste(drawn, image.input)
        exif[IMAGE_DESCRIPTION] = f"input sha256 {image.input.sha256}"
    file = io.BytesIO()
    drawn.save(file, image.format.upper(), exif=exif, **_SAVE_OPTIONS[image.format])
    return file.getvalue()


def _size(resolution: object, ratio: object) -> tuple[int, int]:
    long_side = _LONG_SIDES.get(str(resolution).upper(), 1024)
    across, _, down = str(ratio).partition(":")
    if not (across.isdigit() and down.isdigit() and int(across) and int(down)):
        return long_side, long_side
    w, h = int(across), int(down)
    return (long_side, round(long_side * h / w)) if w >= h else (round(long_side * w / h), long_side)


def _paste(canvas: Image.Image, given: InputImage) -> None:
    """Paste the input image into the lower right corner, at most a quarter of the shorter side."""
    side = min(canvas.size) // 4
    with Image.open(io.BytesIO(given.thumbnail)) as thumbnail:
        small = ImageOps.contain(thumbnail, (side, side))
    canvas.paste(small, (canvas.width - small.width, canvas.height - small.height))

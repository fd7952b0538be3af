"""Real PNG, JPEG and WebP files that show their prompt, the same bytes each time for an id and an index."""

import hashlib
import io
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from PIL import Image, ImageDraw, ImageFont, ImageOps

from .thumbnail import InputImage

LONG_SIDES = {"1K": 1024, "2K": 2048, "4K": 4096}
CONTENT_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
# Fast before small: a run draws its pictures while a caller waits.
SAVE_OPTIONS: dict[str, dict[str, int]] = {
    "png": {"compress_level": 1},
    "jpeg": {"quality": 80},
    "webp": {"method": 0, "quality": 70},
}
SHOWN_CHARACTERS = 600
COLUMNS = 34
IMAGE_DESCRIPTION = 0x010E  # Exif's; PNG, JPEG and WebP all carry it


@dataclass(frozen=True)
class Picture:
    """One picture of a run; width and height are pixels."""

    execution_id: str
    index: int
    prompt: str
    width: int
    height: int
    format: str  # png, jpeg or webp
    input: InputImage | None = None

    @property
    def path(self) -> str:
        """Where the CDN has it."""
        return f"/cdn/{self.execution_id}/{self.index}.{self.format}"

    @property
    def content_type(self) -> str:
        """Its media type."""
        return CONTENT_TYPES[self.format]


def picture_of(
    execution_id: str, index: int, prompt: str, fields: Mapping[str, Any], image: InputImage | None = None
) -> Picture:
    """The picture that a call's fields ask for; what they do not say, or say wrongly, is 1K, 1:1, png."""
    width, height = _size(fields.get("resolution"), fields.get("aspect_ratio"))
    wanted = str(fields.get("format")).lower()
    return Picture(execution_id, index, prompt, width, height, wanted if wanted in CONTENT_TYPES else "png", image)


def count_of(fields: Mapping[str, Any]) -> int:
    """How many pictures a call's fields ask for: 1 to 4."""
    count = fields.get("count")
    return int(count) if isinstance(count, int) and 1 <= count <= 4 else 1


def _size(resolution: object, ratio: object) -> tuple[int, int]:
    long_side = LONG_SIDES.get(str(resolution).upper(), 1024)
    across, _, down = str(ratio).partition(":")
    if not (across.isdigit() and down.isdigit() and int(across) and int(down)):
        return long_side, long_side
    w, h = int(across), int(down)
    return (long_side, round(long_side * h / w)) if w >= h else (round(long_side * w / h), long_side)


@lru_cache(maxsize=32)
def render(picture: Picture) -> bytes:
    """The file of this picture. It computes: call it in a thread."""
    seed = hashlib.sha256(f"{picture.execution_id}/{picture.index}".encode()).digest()
    image = _background(picture.width, picture.height, seed)
    _write_prompt(image, picture)
    drawn = image if picture.format == "png" and not picture.input else image.convert("RGB")
    exif = Image.Exif()
    if picture.input:
        _paste(drawn, picture.input)
        exif[IMAGE_DESCRIPTION] = f"input sha256 {picture.input.sha256}"
    file = io.BytesIO()
    drawn.save(file, picture.format.upper(), exif=exif, **SAVE_OPTIONS[picture.format])
    return file.getvalue()


def _paste(image: Image.Image, given: InputImage) -> None:
    """The input image in the lower right corner, a quarter as high or as wide as the shorter side."""
    side = min(image.size) // 4
    with Image.open(io.BytesIO(given.thumbnail)) as thumbnail:
        small = ImageOps.contain(thumbnail, (side, side))
    image.paste(small, (image.width - small.width, image.height - small.height))


def _background(width: int, height: int, seed: bytes) -> Image.Image:
    """A gradient between two colours of the seed, one byte a pixel: a third of the work of RGB."""
    shades = Image.linear_gradient("L").resize((width, height), Image.Resampling.NEAREST)
    image = Image.frombytes("P", (width, height), shades.tobytes())
    dark, light = [c // 3 for c in seed[:3]], [64 + c // 2 for c in seed[3:6]]
    blend = [d + (b - d) * n // 254 for n in range(255) for d, b in zip(dark, light, strict=True)]
    image.putpalette([*blend, 255, 255, 255])
    return image


def _write_prompt(image: Image.Image, picture: Picture) -> None:
    shown = textwrap.shorten(picture.prompt, SHOWN_CHARACTERS, placeholder=" …")
    lines = textwrap.wrap(shown, COLUMNS) or [""]
    lines.append(f"{picture.execution_id} · {picture.index}")
    size = min(image.width * 0.9 / (COLUMNS * 0.55), image.height * 0.9 / (len(lines) * 1.3))
    font = ImageFont.load_default(size=max(8.0, size))
    ImageDraw.Draw(image).text((image.width * 0.05, image.height * 0.05), "\n".join(lines), fill=255, font=font)

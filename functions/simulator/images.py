"""The images of a run: real PNG, JPEG and WebP files; an id and an index fix every byte.

Each shows a landscape, below it the prompt, and the word "simulated". A run with an input image pastes it into what it
draws, so that a test can see that the image arrived. A drawing has a palette, one byte a pixel: a third of the work of
RGB, because a caller waits for it.
"""

import base64
import hashlib
import io
import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, Self

from PIL import Image, ImageDraw, ImageFont, ImageOps, UnidentifiedImageError

Color = tuple[int, int, int]
AnyFont = ImageFont.FreeTypeFont | ImageFont.ImageFont

# Palette: the sky from top to horizon, the sun and its halo, four ridges, and text from its background to white.
SKY, SUN, HALO, RIDGES, TEXT = range(160), 160, (161, 162), range(164, 172, 2), range(176, 192)
MARK = "SIMULATED"
MAX_LINES = 3
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


# --- drawing -------------------------------------------------------------------------------------------------------


class Theme(NamedTuple):
    """The colors of a landscape."""

    top: Color
    horizon: Color
    sun: Color
    far: Color
    near: Color


THEMES = (
    Theme((38, 70, 130), (255, 190, 140), (255, 236, 200), (170, 130, 150), (36, 34, 66)),  # dawn
    Theme((70, 40, 92), (255, 138, 92), (255, 214, 140), (150, 74, 102), (38, 20, 48)),  # dusk
    Theme((64, 140, 206), (208, 234, 244), (255, 250, 226), (140, 178, 186), (24, 74, 70)),  # noon
    Theme((10, 16, 44), (66, 84, 142), (240, 240, 220), (48, 62, 110), (8, 12, 30)),  # night
    Theme((96, 150, 168), (250, 222, 170), (255, 246, 210), (216, 160, 112), (112, 56, 40)),  # desert
    Theme((120, 150, 176), (238, 240, 240), (255, 255, 246), (176, 192, 206), (58, 78, 98)),  # snow
    Theme((16, 66, 78), (150, 214, 178), (244, 250, 214), (70, 138, 124), (10, 42, 46)),  # lagoon
)


class Line(NamedTuple):
    """A line of text. `size`: of the font, in pixels; `brightness`: at most 255."""

    text: str
    size: int
    brightness: int = 255


def draw(width: int, height: int, prompt: str, name: str) -> Image.Image:
    """Draw an image of this size in pixels. The `name` fixes the landscape, and is below the prompt."""
    seed = hashlib.sha256(name.encode()).digest()
    shades = Image.linear_gradient("L").resize((width, height), Image.Resampling.NEAREST)
    canvas = Image.frombytes("P", (width, height), shades.point(lambda n: n * (len(SKY) - 1) // 255).tobytes())
    canvas.putpalette(_palette(THEMES[seed[0] % len(THEMES)]))
    size = max(8, round(min(width, height * 1.5) * 0.034))
    caption = _caption(prompt, name, size, width)
    ground = height - min(round(sum(line.size for line in caption) * 1.35 + size * 1.5), height // 2)
    pen = ImageDraw.Draw(canvas)
    _draw_sun(pen, width, ground, seed)
    for number, color in enumerate(RIDGES):
        _draw_ridge(pen, [(x * width, y * ground) for x, y in _ridge(number, seed)], color)
    _paste_text(canvas, (0, ground, width, height), size, caption)
    mark, side = Line(MARK, max(8, round(size * 0.6))), round(size * 0.9)
    corner = (round(side + _font(mark.size).getlength(MARK) + mark.size * 1.6), round(side + mark.size * 2.1))
    if corner[1] < ground:
        _paste_text(canvas, (side, side, *corner), round(mark.size * 0.8), [mark])
    return canvas


def _palette(theme: Theme) -> list[int]:
    colors: list[Color] = [(0, 0, 0)] * 256
    for index in SKY:
        colors[index] = _mix(theme.top, theme.horizon, min(index / (len(SKY) * 0.7), 1))
    colors[SUN] = theme.sun
    for index, share in zip(HALO, (0.45, 0.2), strict=True):
        colors[index] = _mix(theme.horizon, theme.sun, share)
    for number, index in enumerate(RIDGES):
        color = _mix(theme.far, theme.near, number / (len(RIDGES) - 1))
        colors[index], colors[index + 1] = color, _mix(color, theme.horizon, 0.35)  # and its edge
    for number, index in enumerate(TEXT):
        colors[index] = _mix(_mix(theme.near, (0, 0, 0), 0.6), (255, 255, 255), number / (len(TEXT) - 1))
    return [part for color in colors for part in color]


def _mix(first: Color, second: Color, share: float) -> Color:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def _draw_sun(pen: ImageDraw.ImageDraw, width: int, height: int, seed: bytes) -> None:
    x, y = width * (0.2 + 0.6 * seed[1] / 255), height * (0.2 + 0.22 * seed[2] / 255)
    radius = min(width, height) * (0.06 + 0.05 * seed[3] / 255)
    for color, size in ((HALO[1], 1.35), (HALO[0], 1.12), (SUN, 1.0)):
        pen.ellipse((x - radius * size, y - radius * size, x + radius * size, y + radius * size), fill=color)


def _ridge(number: int, seed: bytes) -> Iterator[tuple[float, float]]:
    """Yield the points of a ridge, as shares of width and height. A near one is lower and rougher."""
    waves = [
        (frequency * (1 + 0.4 * seed[4 + 4 * number + n] / 255), seed[20 + number + n] / 40, 0.055 / frequency**0.8)
        for n, frequency in enumerate((1.3, 3.1, 7.0))
    ]
    base = 0.5 + 0.1 * number
    for step in range(97):
        x = step / 96
        yield x, base + sum(size * math.sin(2 * math.pi * frequency * x + phase) for frequency, phase, size in waves)


def _draw_ridge(pen: ImageDraw.ImageDraw, points: list[tuple[float, float]], color: int) -> None:
    width, ground = points[-1][0], pen.im.size[1]
    pen.polygon([*points, (width, ground), (0, ground)], fill=color)
    pen.line(points, fill=color + 1, width=max(1, round(width) // 500))


# --- text ----------------------------------------------------------------------------------------------------------


def _caption(prompt: str, name: str, size: int, width: int) -> list[Line]:
    """Return the first lines of the prompt and the name, for a font of this size."""
    columns = max(8, int((width - 2 * size) / (size * 0.55)))
    lines = textwrap.wrap(" ".join(prompt.split()), columns, max_lines=MAX_LINES, placeholder=" …")
    return [*(Line(text, size) for text in lines), Line(name, round(size * 0.62), 150)]


def _paste_text(canvas: Image.Image, box: tuple[int, int, int, int], pad: int, lines: Sequence[Line]) -> None:
    """Paste a box with lines of text. They are drawn in gray first: letters in a palette would have rough edges."""
    text = Image.new("L", (box[2] - box[0], box[3] - box[1]))
    if text.height < 2 * lines[0].size:
        return
    pen, y = ImageDraw.Draw(text), pad * 0.72
    for line in lines:
        pen.text((pad, y), line.text, fill=line.brightness, font=_font(line.size))
        y += line.size * 1.35
    indices = text.point(lambda n: TEXT.start + n * (len(TEXT) - 1) // 255)
    canvas.paste(Image.frombytes("P", text.size, indices.tobytes()), box)


@lru_cache(maxsize=16)
def _font(size: int) -> AnyFont:
    return ImageFont.load_default(size=size)

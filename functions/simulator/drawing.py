"""What a simulated image shows: a landscape, below it the prompt, and the word "simulated".

An image has a palette, one byte a pixel: a third of the work of RGB, because a caller waits for it.
"""

import hashlib
import math
import textwrap
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

Color = tuple[int, int, int]
AnyFont = ImageFont.FreeTypeFont | ImageFont.ImageFont

# Palette: the sky from top to horizon, the sun and its halo, four ridges, and text from its background to white.
SKY, SUN, HALO, RIDGES, TEXT = range(160), 160, (161, 162), range(164, 172, 2), range(176, 192)
MARK = "SIMULATED"
MAX_LINES = 3


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

"""What an `<img>` shows while there is no image yet, or when there will be none: two small PNG images, drawn here.

Drawn rather than shipped: the deployed package holds text only. https://www.w3.org/TR/png-3/
"""

import struct
import zlib
from collections.abc import Callable
from functools import cache

SIDE = 96  # pixels
PALETTE = bytes.fromhex("eceff1 90a4ae c62828".replace(" ", ""))  # ground, grey, red
GROUND, GREY, RED = 0, 1, 2


@cache
def waiting() -> bytes:
    """Three grey dots."""
    centres = [(SIDE * share // 4, SIDE // 2) for share in (1, 2, 3)]
    return _png(lambda x, y: GREY if any(_near(x, y, centre, 7) for centre in centres) else GROUND)


@cache
def failed() -> bytes:
    """A red cross."""

    def cross(x: int, y: int) -> int:
        inside = SIDE // 4 < x < 3 * SIDE // 4
        return RED if inside and min(abs(x - y), abs(x + y - SIDE + 1)) < 5 else GROUND

    return _png(cross)


def _near(x: int, y: int, centre: tuple[int, int], radius: int) -> bool:
    return (x - centre[0]) ** 2 + (y - centre[1]) ** 2 <= radius**2


def _png(colour: Callable[[int, int], int]) -> bytes:
    """A square image with 8-bit palette colours; each row begins with filter 0."""
    rows = b"".join(b"\0" + bytes(colour(x, y) for x in range(SIDE)) for y in range(SIDE))
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 3, 0, 0, 0)
    parts = [(b"IHDR", header), (b"PLTE", PALETTE), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in parts)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

"""What a image's bytes tell while they pass, whatever the chunks: type, width, height, and whether it is whole.

Nothing here raises on bytes that make no sense: such a image has no dimensions, or never ends.
"""

import re
import struct
from collections.abc import Callable, Generator
from dataclasses import dataclass

HEAD_BYTES = 64  # enough to tell every type; no image is shorter than MIN_HEAD_BYTES
MIN_HEAD_BYTES = 12
MAX_TAKE = 64 * 1024  # the most that is ever held


@dataclass(frozen=True, slots=True)
class Format:
    """A type of image that we keep. `walk` goes through its structure: see `Walk`."""

    content_type: str
    extension: str
    walk: "Callable[[Findings], Walk]"


@dataclass(slots=True)
class Findings:
    """What a walk has found so far. `ended`: the next byte, if there is one, is not the image's any more."""

    width: int | None = None
    height: int | None = None
    ended: bool = False

    def measure(self, width: int, height: int) -> None:
        """Note the dimensions in pixels; zero stands for unknown."""
        self.width, self.height = width or None, height or None


@dataclass(frozen=True, slots=True)
class Take:
    """A walk wants to see the next `count` bytes."""

    count: int


@dataclass(frozen=True, slots=True)
class Skip:
    """A walk lets the next `count` bytes pass unseen."""

    count: int


@dataclass(frozen=True, slots=True)
class NextMarker:
    """A walk wants the code of the next JPEG marker, one byte, whatever stands before it."""


Read = Take | Skip | NextMarker
Walk = Generator[Read, bytes, None]  # yields reads and is sent their bytes; returns when nothing more is to be learned


class Probe:
    """Looks at a image in passing: feed it every chunk. It holds at most one chunk and MAX_TAKE bytes."""

    def __init__(self, kind: Format) -> None:
        self._findings = Findings()
        self._walk = kind.walk(self._findings)
        self._read: Read | None = next(self._walk)
        self._ahead = bytearray()

    @property
    def width(self) -> int | None:
        """Pixels, once the bytes that say so have passed."""
        return self._findings.width

    @property
    def height(self) -> int | None:
        """Pixels, once the bytes that say so have passed."""
        return self._findings.height

    @property
    def ended(self) -> bool:
        """Whether the image is whole, as far as its own structure tells."""
        return self._findings.ended and not self._ahead

    def feed(self, chunk: bytes) -> None:
        """The next bytes."""
        self._ahead += chunk
        while self._read is not None:
            seen = self._fulfill(self._read)
            if seen is None:
                return
            self._read = _next_read(self._walk, seen)
        self._ahead.clear()

    def _fulfill(self, read: Read) -> bytes | None:
        """What the walk waits for, taken from what is there, or None if that is not enough yet."""
        match read:
            case Take(count):
                return self._cut(count) if len(self._ahead) >= count else None
            case Skip(count):
                left = count - len(self._cut(count))
                self._read = Skip(left)
                return None if left else b""
            case NextMarker():
                return self._next_marker()

    def _next_marker(self) -> bytes | None:
        marker = JPEG_MARKER.search(self._ahead)
        if marker:
            return self._cut(marker.end())[-1:]
        half_a_marker = self._ahead.endswith(b"\xff")
        self._cut(len(self._ahead) - half_a_marker)
        return None

    def _cut(self, count: int) -> bytes:
        seen = bytes(self._ahead[:count])
        del self._ahead[:count]
        return seen


def sniff(head: bytes) -> Format | None:
    """The type that a image's first HEAD_BYTES bytes show (all of them, if it is shorter), or None."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head.startswith((b"GIF87a", b"GIF89a")):
        return GIF
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return WEBP
    return AVIF if _has_avif_brand(head) else None


def _has_avif_brand(head: bytes) -> bool:
    if head[4:8] != b"ftyp":
        return False
    (size,) = struct.unpack(">I", head[:4])
    brands = [head[at : at + 4] for at in (8, *range(16, min(size, len(head)), 4))]
    return b"avif" in brands or b"avis" in brands


def _next_read(walk: Walk, seen: bytes) -> Read | None:
    try:
        return walk.send(seen)
    except StopIteration:
        return None


def _walk_png(findings: Findings) -> Walk:
    # https://www.w3.org/TR/png-3/#5Chunk-layout
    yield Skip(8)
    while True:
        length, kind = struct.unpack(">I4s", (yield Take(8)))
        if kind == b"IHDR" and length >= 8:
            findings.measure(*struct.unpack(">II", (yield Take(8))))
            length -= 8
        yield Skip(length + 4)
        if kind == b"IEND":
            findings.ended = True
            return


# Stuffed zeros, restarts and padding are no markers: https://www.w3.org/Graphics/JPEG/itu-t81.pdf, B.1.1
JPEG_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")
JPEG_END, JPEG_WITHOUT_LENGTH = 0xD9, {0x01, 0xD8}
JPEG_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def _walk_jpeg(findings: Findings) -> Walk:
    while (marker := (yield NextMarker())[0]) != JPEG_END:
        if marker in JPEG_WITHOUT_LENGTH:
            continue
        (length,) = struct.unpack(">H", (yield Take(2)))
        if marker in JPEG_FRAME and length >= 7:
            _, height, width = struct.unpack(">BHH", (yield Take(5)))
            findings.measure(width, height)
            length -= 5
        if length < 2:
            return
        yield Skip(length - 2)
    findings.ended = True


def _walk_gif(findings: Findings) -> Walk:
    # https://www.w3.org/Graphics/GIF/spec-gif89a.txt
    yield Skip(6)
    width, height, flags = struct.unpack("<HHB2x", (yield Take(7)))
    findings.measure(width, height)
    yield Skip(_color_table_bytes(flags))
    while (kind := (yield Take(1))) != b"\x3b":
        if kind == b"\x2c":
            *_, flags = yield Take(9)
            yield Skip(_color_table_bytes(flags) + 1)
        elif kind == b"\x21":
            yield Skip(1)
        else:
            return
        while (length := (yield Take(1))[0]) > 0:
            yield Skip(length)
    findings.ended = True


def _color_table_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _walk_webp(findings: Findings) -> Walk:
    # https://developers.google.com/speed/webp/docs/riff_container
    size, kind = struct.unpack("<4xI4x4s4x", (yield Take(20)))
    seen = yield Take(5 if kind == b"VP8L" else 10)
    if kind == b"VP8X":
        findings.measure(1 + int.from_bytes(seen[4:7], "little"), 1 + int.from_bytes(seen[7:10], "little"))
    elif kind == b"VP8L":
        bits = int.from_bytes(seen[1:5], "little")
        findings.measure(1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    elif kind == b"VP8 ":
        width, height = struct.unpack("<6xHH", seen)
        findings.measure(width & 0x3FFF, height & 0x3FFF)
    yield Skip(max(0, 8 + size - 20 - len(seen)))
    findings.ended = True


# The largest of the sizes in the `meta` box is the image's; others are those of its tiles and of its thumbnail.
AVIF_SIZE = re.compile(rb"\x00\x00\x00\x14ispe\x00\x00\x00\x00(.{8})", re.DOTALL)


def _walk_avif(findings: Findings) -> Walk:
    # Boxes have no end mark: it is whole between two boxes, once there was a description and the data.
    kinds: set[bytes] = set()
    while True:
        findings.ended = b"mdat" in kinds and not kinds.isdisjoint({b"meta", b"moov"})
        size, kind = struct.unpack(">I4s", (yield Take(8)))
        findings.ended = False
        header = 8
        if size == 1:
            (size,) = struct.unpack(">Q", (yield Take(8)))
            header = 16
        if size < header:  # zero: until the end of the file, wherever that is
            return
        if kind == b"meta" and size - header <= MAX_TAKE:
            _measure_avif(findings, (yield Take(size - header)))
        else:
            yield Skip(size - header)
        kinds.add(kind)


def _measure_avif(findings: Findings, meta: bytes) -> None:
    sizes = [struct.unpack(">II", found) for found in AVIF_SIZE.findall(meta)]
    if sizes:
        findings.measure(*max(sizes, key=lambda size: size[0] * size[1]))


PNG = Format("image/png", "png", _walk_png)
JPEG = Format("image/jpeg", "jpg", _walk_jpeg)
WEBP = Format("image/webp", "webp", _walk_webp)
GIF = Format("image/gif", "gif", _walk_gif)
AVIF = Format("image/avif", "avif", _walk_avif)
FORMATS = (PNG, JPEG, WEBP, GIF, AVIF)

"""Image formats: recognize the type, and find width, height, and end while the bytes pass, in chunks of any size.

Nothing here raises on malformed bytes: such an image has no dimensions or no end. The time and memory of parsing are
bounded by the size of the image, whatever its bytes are.
"""

import re
import struct
from collections.abc import Callable, Generator
from dataclasses import dataclass

HEAD_BYTES = 64  # enough to recognize every format; no image is shorter than MIN_HEAD_BYTES
MIN_HEAD_BYTES = 12
MAX_READ = 64 * 1024  # the most that a parser may read at once, and the most that is buffered beyond one chunk
# The steps of a parser: MIN_STEPS, and one for every BYTES_PER_STEP. Most steps are those of a GIF, one for 256 bytes.
MIN_STEPS, BYTES_PER_STEP = 10_000, 64


@dataclass(frozen=True, slots=True)
class Format:
    """A supported image format. `parse` returns a parser that fills in the `ImageInfo`."""

    content_type: str
    extension: str
    parse: "Callable[[ImageInfo], Parser]"


@dataclass(slots=True)
class ImageInfo:
    """What a parser has found so far.

    `ended`: any further byte is not part of the image. `open_ended`: the image may end after any byte: it does not say
    where, or it is a JPEG of which only the end marker may be missing.
    """

    width: int | None = None
    height: int | None = None
    ended: bool = False
    open_ended: bool = False

    def set_size(self, width: int, height: int) -> None:
        """Set the dimensions in pixels; zero means unknown."""
        self.width, self.height = width or None, height or None


@dataclass(frozen=True, slots=True)
class Read:
    """The parser needs the next `count` bytes."""

    count: int


@dataclass(frozen=True, slots=True)
class Skip:
    """The parser does not need the next `count` bytes."""

    count: int


@dataclass(frozen=True, slots=True)
class FindMarker:
    """The parser needs the code of the next JPEG marker, one byte; whatever precedes it is skipped."""


Command = Read | Skip | FindMarker
Parser = Generator[Command, bytes, None]  # yields commands and receives bytes; returns when it needs no more


class ImageProbe:
    """An incremental parser of one image. It buffers at most one chunk and MAX_READ bytes."""

    def __init__(self, image_format: Format) -> None:
        self._info = ImageInfo()
        self._parser = image_format.parse(self._info)
        self._command: Command | None = next(self._parser)
        self._buffer = bytearray()
        self._steps_left = float(MIN_STEPS)
        self.gave_up = False  # the image has more parts than any encoder writes: the rest is not parsed

    @property
    def width(self) -> int | None:
        """Width in pixels, or None if it is not known yet."""
        return self._info.width

    @property
    def height(self) -> int | None:
        """Height in pixels, or None if it is not known yet."""
        return self._info.height

    @property
    def ended(self) -> bool:
        """Whether the image is complete according to its own structure."""
        return self._info.ended and not self.gave_up

    @property
    def open_ended(self) -> bool:
        """Whether only the transfer can tell if the image is complete."""
        return self._info.open_ended

    def feed(self, chunk: bytes) -> None:
        """Parse the next bytes."""
        self._buffer += chunk
        self._steps_left += len(chunk) / BYTES_PER_STEP
        while self._command is not None and not self.gave_up:
            result = self._execute(self._command)
            if result is None:
                return
            self._steps_left -= 1
            self.gave_up = self._steps_left < 0
            try:
                self._command = self._parser.send(result)
            except StopIteration:
                self._command = None
        self._buffer.clear()

    def _execute(self, command: Command) -> bytes | None:
        """Return the bytes for the parser, or None if the buffer does not hold enough of them."""
        match command:
            case Read(count):
                return self._consume(count) if len(self._buffer) >= count else None
            case Skip(count):
                remaining = count - min(count, len(self._buffer))
                del self._buffer[:count]  # what is skipped is not copied
                self._command = Skip(remaining)
                return None if remaining else b""
            case FindMarker():
                return self._find_marker()

    def _find_marker(self) -> bytes | None:
        marker = JPEG_MARKER.search(self._buffer)
        if marker:
            return self._consume(marker.end())[-1:]
        half_a_marker = self._buffer.endswith(b"\xff")
        del self._buffer[: len(self._buffer) - half_a_marker]
        return None

    def _consume(self, count: int) -> bytes:
        consumed = bytes(self._buffer[:count])
        del self._buffer[:count]
        return consumed


def sniff(head: bytes) -> Format | None:
    """Return the format that the first HEAD_BYTES bytes of an image show (all of them, if there are fewer), or None."""
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


def _parse_png(info: ImageInfo) -> Parser:
    # https://www.w3.org/TR/png-3/#5Chunk-layout
    yield Skip(8)
    while True:
        length, kind = struct.unpack(">I4s", (yield Read(8)))
        if kind == b"IHDR" and length >= 8:
            info.set_size(*struct.unpack(">II", (yield Read(8))))
            length -= 8
        yield Skip(length + 4)
        if kind == b"IEND":
            info.ended = True
            return


# Stuffed zeros, restarts, and padding are not markers: https://www.w3.org/Graphics/JPEG/itu-t81.pdf, B.1.1
JPEG_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")
JPEG_END, JPEG_SCAN, JPEG_WITHOUT_LENGTH = 0xD9, 0xDA, {0x01, 0xD8}
JPEG_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def _parse_jpeg(info: ImageInfo) -> Parser:
    missing: dict[int, set[int]] = {}  # the coefficients of each component that no scan has completed yet
    while (marker := (yield FindMarker())[0]) != JPEG_END:
        info.open_ended = False
        if marker in JPEG_WITHOUT_LENGTH:
            continue
        (length,) = struct.unpack(">H", (yield Read(2)))
        if length < 2:
            return
        if marker in JPEG_FRAME and length >= 8:
            frame = yield Read(length - 2)
            info.set_size(*struct.unpack(">xHH", frame[:5])[::-1])
            missing = {component: set(range(64)) for component in frame[6::3]}
        elif marker == JPEG_SCAN and length >= 8:
            _complete(missing, (yield Read(length - 2)))
            # In the last scan, what follows is pixels, up to the end marker.
            info.open_ended = bool(missing) and not any(missing.values())
        else:
            yield Skip(length - 2)
    info.ended = True


def _complete(missing: dict[int, set[int]], scan: bytes) -> None:
    """Remove the coefficients that a scan completes: a progressive image has several scans. ITU-T T.81, B.2.3."""
    components, parameters = scan[1 : 1 + 2 * scan[0] : 2], scan[1 + 2 * scan[0] :]
    if len(parameters) >= 3 and parameters[2] & 0x0F == 0:
        for component in components:
            missing.get(component, set()).difference_update(range(parameters[0], parameters[1] + 1))


def _parse_gif(info: ImageInfo) -> Parser:
    # https://www.w3.org/Graphics/GIF/spec-gif89a.txt
    yield Skip(6)
    width, height, flags = struct.unpack("<HHB2x", (yield Read(7)))
    info.set_size(width, height)
    yield Skip(_color_table_bytes(flags))
    while (kind := (yield Read(1))) != b"\x3b":
        if kind == b"\x2c":
            *_, flags = yield Read(9)
            yield Skip(_color_table_bytes(flags) + 1)
        elif kind == b"\x21":
            yield Skip(1)
        else:
            return
        (length,) = yield Read(1)
        while length > 0:
            length = (yield Read(length + 1))[-1]  # a block, and the length of the next one
    info.ended = True


def _color_table_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _parse_webp(info: ImageInfo) -> Parser:
    # https://developers.google.com/speed/webp/docs/riff_container
    size, kind, first_size = struct.unpack("<4xI4x4sI", (yield Read(20)))
    header = yield Read(5 if kind == b"VP8L" else 10)
    if kind == b"VP8X":
        info.set_size(1 + int.from_bytes(header[4:7], "little"), 1 + int.from_bytes(header[7:10], "little"))
    elif kind == b"VP8L":
        bits = int.from_bytes(header[1:5], "little")
        info.set_size(1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    elif kind == b"VP8 ":
        width, height = struct.unpack("<6xHH", header)
        info.set_size(width & 0x3FFF, height & 0x3FFF)
    yield Skip(max(0, 8 + size - 20 - len(header)))
    info.ended = 12 + first_size <= size


# The largest size in the `meta` box is that of the image; the others belong to its tiles and its thumbnail.
AVIF_SIZE = re.compile(rb"\x00\x00\x00\x14ispe\x00\x00\x00\x00(.{8})", re.DOTALL)


# The boxes of a file; after a complete image, anything else is not a part of it.
AVIF_BOXES = frozenset(b"ftyp meta moov moof mfra mdat idat free skip wide uuid jumb sidx ssix styp emsg prft".split())


def _parse_avif(info: ImageInfo) -> Parser:
    # Boxes have no end marker: the image is complete between two boxes, after a description and the data.
    # https://aomediacodec.github.io/av1-avif; ISO/IEC 14496-12, 4.2: a box of size 0 extends to the end of the file.
    described = has_data = False
    while True:
        info.ended = described and has_data
        size, kind = struct.unpack(">I4s", (yield Read(8)))
        if info.ended and kind not in AVIF_BOXES:
            return
        info.ended = False
        header = 8
        if size == 1:
            (size,) = struct.unpack(">Q", (yield Read(8)))
            header = 16
        described = described or kind in {b"meta", b"moov"}
        has_data = has_data or kind == b"mdat"
        if size < header:
            info.open_ended = size == 0 and described and has_data
            return
        if kind == b"meta" and size - header <= MAX_READ:
            meta = yield Read(size - header)
            _read_avif_size(info, meta)
            has_data = has_data or b"idat" in meta
        else:
            yield Skip(size - header)


def _read_avif_size(info: ImageInfo, meta: bytes) -> None:
    sizes = [struct.unpack(">II", found) for found in AVIF_SIZE.findall(meta)]
    if sizes:
        info.set_size(*max(sizes, key=lambda size: size[0] * size[1]))


PNG = Format("image/png", "png", _parse_png)
JPEG = Format("image/jpeg", "jpg", _parse_jpeg)
WEBP = Format("image/webp", "webp", _parse_webp)
GIF = Format("image/gif", "gif", _parse_gif)
AVIF = Format("image/avif", "avif", _parse_avif)
FORMATS = (PNG, JPEG, WEBP, GIF, AVIF)

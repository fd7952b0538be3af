"""Images that are nothing but small parts, so that a parser that takes them one by one is busy for minutes."""

from collections.abc import Callable, Iterator
from itertools import count

AVIF_HEAD = b"\0\0\0\x20ftypavif\0\0\0\0avifmif1miafMA1B"
PNG_HEAD = b"\x89PNG\r\n\x1a\n"
GIF_HEAD = b"GIF89a\1\0\1\0\0\0\0"
CHUNK = 64 * 1024  # bytes


def _boxes_with_distinct_names() -> Iterator[bytes]:
    yield AVIF_HEAD
    for number in count():
        yield b"\0\0\0\x08" + number.to_bytes(4, "big")


def _blocks_of_one_byte() -> Iterator[bytes]:
    yield GIF_HEAD + b"\x21\xfe"
    while True:
        yield b"\1a" * 1_000


def _frames_without_pixels() -> Iterator[bytes]:
    yield GIF_HEAD
    while True:
        yield (b"\x2c" + bytes(9) + b"\2\0") * 100


def _markers() -> Iterator[bytes]:
    yield b"\xff\xd8"
    while True:
        yield b"\xff\x01" * 1_000


def _segments_without_content() -> Iterator[bytes]:
    yield b"\xff\xd8"
    while True:
        yield b"\xff\xe0\0\2" * 1_000


def _chunks_without_content() -> Iterator[bytes]:
    yield PNG_HEAD
    while True:
        yield b"\0\0\0\0tEXt\0\0\0\0" * 1_000


BOMBS: dict[str, Callable[[], Iterator[bytes]]] = {
    "avif boxes": _boxes_with_distinct_names,
    "gif blocks": _blocks_of_one_byte,
    "gif frames": _frames_without_pixels,
    "jpeg markers": _markers,
    "jpeg segments": _segments_without_content,
    "png chunks": _chunks_without_content,
}


def bomb(name: str, size: int) -> Iterator[bytes]:
    """Yield about `size` bytes of a bomb in chunks, without holding them all."""
    buffer = bytearray()
    for part in BOMBS[name]():
        buffer += part
        if len(buffer) >= CHUNK:
            size -= len(buffer)
            yield bytes(buffer)
            buffer.clear()
        if size <= 0:
            return

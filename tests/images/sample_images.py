"""Images for tests: files as Pillow writes them, one of any size, and a stand-in for an image stream."""

import hashlib
import io
import random
import struct
import zlib
from collections.abc import Iterator

import google_crc32c
from PIL import Image

from shared.images.chunks import encode_crc32c
from shared.ports import ImageMeasurements

WAYS_TO_SAVE = {
    "png": ("PNG", {}),
    "palette png": ("PNG", {"bits": 4}),
    "jpeg": ("JPEG", {"quality": 90}),
    "progressive jpeg": ("JPEG", {"progressive": True, "restart_marker_blocks": 2}),
    "jpeg with exif and comment": ("JPEG", {"exif": b"Exif\0\0" + b"\xff\xd9" * 20, "comment": b"\xff\xd9"}),
    "webp": ("WEBP", {"quality": 80}),
    "lossless webp": ("WEBP", {"lossless": True}),
    "webp with exif": ("WEBP", {"exif": b"Exif\0\0abc"}),
    "gif": ("GIF", {}),
    "avif": ("AVIF", {"speed": 10}),
}


def encoded(way: str, width: int, height: int, frames: int = 1) -> bytes:
    """Return an image of noise, saved in one of the WAYS_TO_SAVE, with several frames if the format supports them."""
    kind, options = WAYS_TO_SAVE[way]
    noise = random.Random(width * 10_000 + height)
    mode = "P" if kind == "GIF" or "bits" in options else "RGB"
    size = width * height * (1 if mode == "P" else 3)
    images = [Image.frombytes(mode, (width, height), noise.randbytes(size)) for _ in range(frames)]
    if mode == "P":
        for image in images:
            image.putpalette(bytes(range(256)) * 3)
    several = {"save_all": True, "append_images": images[1:]} if frames > 1 else {}
    file = io.BytesIO()
    images[0].save(file, kind, **options, **several)
    return file.getvalue()


def png_of_size(size: int) -> bytes:
    """Return a PNG of exactly `size` bytes, 4096 × 2048 by its header; its pixels are random."""
    frame = _png_chunk(b"IHDR", struct.pack(">IIBBBBB", 4096, 2048, 8, 2, 0, 0, 0)), _png_chunk(b"IEND", b"")
    start = b"\x89PNG\r\n\x1a\n" + frame[0]
    pixels = random.Random(size).randbytes(size - len(start) - len(frame[1]) - 12)
    return start + _png_chunk(b"IDAT", pixels) + frame[1]


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


class FakeStream:
    """An image stream (`shared.ports.ImageStream`) that may end in an error instead of its last bytes."""

    def __init__(self, content: bytes, error: Exception | None = None, content_type: str = "image/png") -> None:
        self.content_type = content_type
        self.extension = "png"
        self._content = content
        self._error = error
        self._read = False

    def chunks(self) -> Iterator[bytes]:
        """Yield all bytes, or half of them and then raise the error."""
        end = len(self._content) // 2 if self._error else len(self._content)
        for start in range(0, end, 65_536):
            yield self._content[start : min(start + 65_536, end)]
        if self._error:
            raise self._error
        self._read = True

    def measured(self) -> ImageMeasurements:
        """Return the measurements, like a real stream only after the last chunk."""
        assert self._read, "called before the last chunk was read"
        return ImageMeasurements(
            width=None,
            height=None,
            size=len(self._content),
            sha256=hashlib.sha256(self._content).hexdigest(),
            crc32c=encode_crc32c(google_crc32c.value(self._content)),
        )

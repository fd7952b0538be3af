"""An image stream that measures and checks the image while it is read, from a download or from memory."""

import hashlib
from collections.abc import Iterable, Iterator

import google_crc32c

from shared.copy_errors import CopyError, ImageRefused, ImageStoreFailed
from shared.error_codes import ErrorCode
from shared.images.chunks import CHUNK, encode_crc32c
from shared.images.formats import HEAD_BYTES, Format, ImageProbe, sniff
from shared.ports import ImageMeasurements


class MeasuredImageStream:
    """An image of a known format (`shared.ports.ImageStream`).

    A server may send a part of an image as if it were all of it, so the end of the image itself must be found.
    `framed`: the transfer tells where the body ends, which suffices where the image does not (a JPEG without its end
    marker). `whole`: there are no other bytes, because they were in memory or in a store, so no end is needed.
    """

    def __init__(
        self, image_format: Format, body: Iterable[bytes], *, framed: bool = False, whole: bool = False
    ) -> None:
        self.content_type = image_format.content_type
        self.extension = image_format.extension
        self._probe = ImageProbe(image_format)
        self._body = body
        self._framed = framed
        self._whole = whole
        self._measured: ImageMeasurements | None = None

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes, once; raise CopyError if they are truncated, ImageRefused if they have too many parts."""
        size, sha256, crc32c = 0, hashlib.sha256(), 0
        for chunk in self._body:
            size += len(chunk)
            sha256.update(chunk)
            crc32c = google_crc32c.extend(crc32c, chunk)
            self._probe.feed(chunk)
            yield chunk
            del chunk  # it would be in memory beside the next one
        if not self._whole:
            self._check_end(size)
        self._measured = ImageMeasurements(
            width=self._probe.width,
            height=self._probe.height,
            size=size,
            sha256=sha256.hexdigest(),
            crc32c=encode_crc32c(crc32c),
        )

    def _check_end(self, size: int) -> None:
        if self._probe.gave_up:
            raise ImageRefused(ErrorCode.NOT_AN_IMAGE, "the image has too many parts")
        if not (self._probe.ended or (self._framed and self._probe.open_ended)):
            raise CopyError(f"the body ended after {size} bytes, before the image did")

    def measured(self) -> ImageMeasurements:
        """Return the measurements; raise RuntimeError before the last chunk was read."""
        if self._measured is None:
            raise RuntimeError("the last chunk was not read yet")
        return self._measured


def image_from_bytes(content: bytes, *, max_bytes: int) -> MeasuredImageStream:
    """Return the image in `content`; raise ImageRefused if it is not an image or has more than `max_bytes`."""
    if len(content) > max_bytes:
        raise too_large(f"{len(content)} bytes")
    image_format = sniff(content[:HEAD_BYTES])
    if image_format is None:
        raise ImageRefused(ErrorCode.NOT_AN_IMAGE, "the file is not in a supported image format")
    chunks = (content[start : start + CHUNK] for start in range(0, len(content), CHUNK))
    return MeasuredImageStream(image_format, chunks, whole=True)


def image_from_store(chunks: Iterator[bytes]) -> MeasuredImageStream:
    """Return the stored image that consists of `chunks`; raise ImageStoreFailed if it is not an image."""
    head = b""
    while len(head) < HEAD_BYTES and (chunk := next(chunks, b"")):
        head += chunk
    image_format = sniff(head)
    if image_format is None:
        raise ImageStoreFailed("the stored file is not in a supported image format")
    return MeasuredImageStream(image_format, prepended(head, chunks), whole=True)


def prepended(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    """Yield `head`, then the rest. `itertools.chain` would keep `head` in memory to the end."""
    yield head
    del head
    yield from rest


def too_large(size: str) -> ImageRefused:
    """Return the error for an image of this `size`, such as "51 bytes"."""
    return ImageRefused(ErrorCode.IMAGE_TOO_LARGE, f"the image is too large: {size}")

"""A image of a known type is measured while it passes, wherever its bytes come from: a download, or memory."""

import hashlib
from collections.abc import Iterable, Iterator

import google_crc32c

from shared.error_codes import ErrorCode
from shared.images.formats import HEAD_BYTES, Format, Probe, sniff
from shared.images.streaming import CHUNK, base64_of
from shared.ports import CopyError, ImageRefused, Measured


class MeasuredPicture:
    """A image on its way (`shared.ports.ImageStream`).

    `framed`: the transfer itself shows where the body ends. Where it does not, a cut looks like the end, and only the
    image's own end tells them apart.
    """

    def __init__(self, kind: Format, body: Iterable[bytes], *, framed: bool) -> None:
        self.content_type = kind.content_type
        self.extension = kind.extension
        self._probe = Probe(kind)
        self._body = body
        self._framed = framed
        self._measured: Measured | None = None

    def chunks(self) -> Iterator[bytes]:
        """The bytes, once; CopyError when they stop short, ImageRefused when they run too long."""
        size, sha256, crc32c = 0, hashlib.sha256(), 0
        for chunk in self._body:
            size += len(chunk)
            sha256.update(chunk)
            crc32c = google_crc32c.extend(crc32c, chunk)
            self._probe.feed(chunk)
            yield chunk
        if not (self._framed or self._probe.ended):
            raise CopyError(f"the connection ended after {size} bytes, before the image did")
        self._measured = Measured(
            width=self._probe.width,
            height=self._probe.height,
            size=size,
            sha256=sha256.hexdigest(),
            crc32c=base64_of(crc32c),
        )

    def measured(self) -> Measured:
        """After the last chunk."""
        if self._measured is None:
            raise RuntimeError("the last chunk has not passed")
        return self._measured


def image_from_bytes(content: bytes, *, max_bytes: int) -> MeasuredPicture:
    """The image that these bytes are; ImageRefused if they are none, or more than `max_bytes`."""
    if len(content) > max_bytes:
        raise too_large(f"{len(content)} bytes")
    kind = sniff(content[:HEAD_BYTES])
    if kind is None:
        raise ImageRefused(ErrorCode.NOT_AN_IMAGE, "the bytes are not a known image")
    pieces = (content[start : start + CHUNK] for start in range(0, len(content), CHUNK))
    return MeasuredPicture(kind, pieces, framed=True)


def too_large(what: str) -> ImageRefused:
    """The error of a image that has `what`."""
    return ImageRefused(ErrorCode.IMAGE_TOO_LARGE, f"the image has {what}")

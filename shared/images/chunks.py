"""Helpers that the image stores share: reading a file off the event loop, and checksums like those of Cloud Storage."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Protocol

from shared.copy_errors import ImageStoreFailed

CHUNK = 256 * 1024  # bytes


class Readable(Protocol):
    """A binary file, or an object that reads like one."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes; an empty result is the end."""

    def seek(self, position: int, /) -> object:
        """Continue at this byte."""

    def close(self) -> None:
        """Close the file."""


def iter_chunks(file: Readable) -> Iterator[bytes]:
    """Yield all bytes of an open file."""
    return iter(lambda: file.read(CHUNK), b"")


async def read_chunks(open_file: Callable[[], Readable], start: int = 0) -> AsyncIterator[bytes]:
    """Yield the bytes of the file that `open_file` opens; every call on it runs in a thread. Raise ImageStoreFailed."""
    try:
        file = await asyncio.to_thread(open_file)
        try:
            await asyncio.to_thread(file.seek, start)
            while chunk := await asyncio.to_thread(file.read, CHUNK):
                yield chunk
        finally:
            await asyncio.to_thread(file.close)
    except Exception as error:  # of the image store's libraries
        raise ImageStoreFailed(f"the stored image cannot be read: {type(error).__name__}") from error


def encode_crc32c(checksum: int) -> str:
    """Return the checksum as base64 of its big-endian bytes: https://cloud.google.com/storage/docs/data-validation."""
    return base64.b64encode(checksum.to_bytes(4, "big")).decode("ascii")

"""What download and image stores share: bytes read off the event loop, and checksums as Cloud Storage writes them."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from typing import Protocol

CHUNK = 256 * 1024


class Readable(Protocol):
    """An open file, or what stands for one."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""

    def close(self) -> None:
        """Let go of it."""


async def chunks_of(open_file: Callable[[], Readable]) -> AsyncIterator[bytes]:
    """All bytes of what `open_file` opens, each read in a thread."""
    file = await asyncio.to_thread(open_file)
    try:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk
    finally:
        await asyncio.to_thread(file.close)


def base64_of(crc32c: int) -> str:
    """The checksum as text, big-endian: https://cloud.google.com/storage/docs/data-validation."""
    return base64.b64encode(crc32c.to_bytes(4, "big")).decode("ascii")

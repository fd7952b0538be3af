"""Range requests: a part of an image (https://www.rfc-editor.org/rfc/rfc9110#name-range-requests)."""

import re
from collections.abc import AsyncIterator

from starlette.requests import Request

from shared.problems import Problem

_ONE_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})", re.ASCII)


def requested_range(request: Request, etag: str, size: int) -> range | None:
    """Return the bytes that a GET asks for, or None for all of them: also for several ranges, and another version.

    Raises Problem 416 if the image has no such bytes.
    """
    found = _ONE_RANGE.fullmatch(request.headers.get("range", "").strip())
    if not found or request.method != "GET" or request.headers.get("if-range", etag) != etag:
        return None
    first, last = found.groups()
    if not first and not last:
        return None
    start = int(first) if first else max(size - int(last), 0)
    stop = min(int(last) + 1, size) if first and last else size
    if first and last and int(last) < int(first):  # invalid, which is ignored
        return None
    if start >= stop:
        detail = f"The image has {size:,} bytes. Request a range within them."
        raise Problem("range_not_satisfiable", detail, headers={"Content-Range": f"bytes */{size}"})
    return range(start, stop)


async def first_bytes(chunks: AsyncIterator[bytes], length: int) -> AsyncIterator[bytes]:
    """Yield the first `length` bytes of a stream."""
    async for chunk in chunks:
        yield chunk[:length]
        length -= len(chunk)
        if length <= 0:
            return

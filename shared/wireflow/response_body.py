"""The body of a response, read in bounded memory. Very long texts, such as images in base64, are read as ""."""

import zlib
from collections.abc import AsyncIterator

import httpx

CHUNK = 32 * 1024  # bytes that are read or decompressed at once
TEXT_BYTES_LIMIT = 32 * 1024  # of a text that is kept
BODY_LIMIT = 4 * 1024 * 1024  # bytes that are kept
TRANSFER_LIMIT = 128 * 1024 * 1024  # bytes that are read


async def read_body(response: httpx.Response) -> bytes:
    """Return the body without its long texts, cut after BODY_LIMIT or TRANSFER_LIMIT. Raise httpx.HTTPError."""
    body, transferred, texts = bytearray(), 0, _LongTexts()
    async for chunk in _decoded(response):
        transferred += len(chunk)
        body += texts.remove(chunk)
        if len(body) > BODY_LIMIT or transferred > TRANSFER_LIMIT:
            break
    return bytes(body + texts.rest())


def _decoded(response: httpx.Response) -> AsyncIterator[bytes]:
    """Return the body without its content encoding, which the request asked not to be used."""
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding in {"", "identity"}:
        return response.aiter_bytes(CHUNK)
    if encoding in {"gzip", "x-gzip", "deflate"}:
        return _inflated(response.aiter_raw(CHUNK))
    raise httpx.DecodingError("Wireflow responded with a content encoding that was not requested.")


async def _inflated(compressed: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield at most CHUNK at once: httpx inflates a chunk as a whole, to up to a thousand times its size."""
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        async for chunk in compressed:
            while chunk:
                if inflater.eof:  # gzip may have several members
                    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
                if inflated := inflater.decompress(chunk, CHUNK):
                    yield inflated
                chunk = inflater.unconsumed_tail or inflater.unused_data
        yield inflater.flush()
    except zlib.error as error:
        raise httpx.DecodingError("The compressed response is invalid.") from error


class _LongTexts:
    """Removes the content of long JSON strings from a body that arrives in chunks."""

    def __init__(self) -> None:
        self._open = False  # the body so far ends within a string
        self._long = False  # that string is too long
        self._held = b""  # its content so far; of a long one only a backslash whose character is still to come

    def remove(self, chunk: bytes) -> bytes:
        """Return what is to be kept of the body, as far as it is decided."""
        data, kept = self._held + chunk, b""
        masked = data.replace(b"\\\\", b"__").replace(b'\\"', b"__")  # of the same length, without escaped quotes
        if self._open:
            end = masked.find(b'"')
            self._long = self._long or (len(data) if end < 0 else end) > TEXT_BYTES_LIMIT
            if end < 0:
                self._held = data if not self._long else b"\\" if masked.endswith(b"\\") else b""
                return b""
            kept = b'"' if self._long else data[: end + 1]
            data, masked = data[end + 1 :], masked[end + 1 :]
        self._open, self._long, self._held = masked.count(b'"') % 2 == 1, False, b""
        if self._open:
            start = masked.rfind(b'"') + 1
            data, self._held = data[:start], data[start:]
        return kept + data

    def rest(self) -> bytes:
        """Return what is held at the end of the body."""
        return self._held

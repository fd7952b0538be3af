"""The body of a response, read in bounded memory. Very long texts, such as images in base64, are read as "".

Of a long `data:` URL of an image its beginning is kept: the run has a result, though not one that can be copied.
"""

import re

import httpx

from shared.content_coding import CodingError, Decoder

CHUNK = 32 * 1024  # bytes that are read or interpreted at once
TEXT_BYTES_LIMIT = 32 * 1024  # of a text that is kept
SHORT_BYTES_LIMIT = 8 * 1024  # the same in a large body: base64 may come in many texts
BODY_LIMIT = 4 * 1024 * 1024  # bytes that are kept
TRANSFER_LIMIT = 128 * 1024 * 1024  # bytes that are read

_TEXT = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL)
_IMAGE_DATA = re.compile(rb"data:image/[\w.+-]{1,30}")


async def read_body(response: httpx.Response) -> bytes:
    """Return the body without its long texts, cut after BODY_LIMIT or TRANSFER_LIMIT. Raise httpx.HTTPError.

    The request asked for no content encoding. A body that cannot be decoded is cut, too: its status still counts.
    """
    body, texts = bytearray(), _LongTexts()
    try:
        decoder = Decoder(response.headers.get("content-encoding", ""), TRANSFER_LIMIT)
        async for chunk in response.aiter_raw(CHUNK) if decoder.inflates else response.aiter_bytes(CHUNK):
            for piece in decoder.decode(chunk):
                for start in range(0, len(piece), CHUNK):
                    is_large = len(body) > BODY_LIMIT // 2
                    limit = SHORT_BYTES_LIMIT if is_large else TEXT_BYTES_LIMIT
                    body += texts.remove(piece[start : start + CHUNK], limit)
                if len(body) > BODY_LIMIT:
                    return bytes(body)
    except CodingError:
        return bytes(body)
    return bytes(body + texts.rest())


class _LongTexts:
    """Removes the content of long JSON strings from a body that arrives in chunks."""

    def __init__(self) -> None:
        self._open = False  # the body so far ends within a string
        self._long = False  # that string is too long
        self._held = b""  # its content so far; of a long one only a backslash whose character is still to come

    def remove(self, chunk: bytes, limit: int) -> bytes:
        """Return what is to be kept of the body, as far as it is decided. `limit`: bytes of a text that is kept."""
        data, kept = self._held + chunk, b""
        masked = data.replace(b"\\\\", b"__").replace(b'\\"', b"__")  # of the same length, without escaped quotes
        if self._open:
            end = masked.find(b'"')
            if not self._long and (len(data) if end < 0 else end) > limit:
                self._long = True
                kept = _beginning(data)
            if end < 0:
                self._held = data if not self._long else b"\\" if masked.endswith(b"\\") else b""
                return kept
            kept = kept + b'"' if self._long else data[: end + 1]
            data, masked = data[end + 1 :], masked[end + 1 :]
        self._open, self._long, self._held = masked.count(b'"') % 2 == 1, False, b""
        if self._open:
            start = masked.rfind(b'"') + 1
            data, self._held = data[:start], data[start:]
        if limit < CHUNK:  # else no text within a chunk is too long
            data = _TEXT.sub(lambda text: text[0] if len(text[1]) <= limit else b'"' + _beginning(text[1]) + b'"', data)
        return kept + data

    def rest(self) -> bytes:
        """Return what is held at the end of the body."""
        return self._held


def _beginning(text: bytes) -> bytes:
    """Return what is kept of a text that is too long."""
    data_url = _IMAGE_DATA.match(text)
    return data_url[0] if data_url else b""

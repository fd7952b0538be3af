"""Content codings of HTTP bodies, decoded in bounded steps: https://www.rfc-editor.org/rfc/rfc9110#section-8.4.

httpx inflates each chunk as a whole, by up to a thousand for each coding in the list: a chunk of 64 KiB becomes 64 GiB.
"""

import zlib
from collections.abc import Iterable, Iterator

PIECE = 256 * 1024  # bytes that a coding yields at once, at most
MAX_CODINGS = 4
MAX_MEMBERS = 10_000  # of a gzip body; bgzip writes one for 64 KiB

GZIP = b"\x1f"

_INFLATED = frozenset({"gzip", "x-gzip", "deflate"})
_UNSUPPORTED = frozenset({"br", "zstd", "compress", "x-compress", "dcb", "dcz"})


class CodingError(Exception):
    """The body cannot be decoded: a coding is not supported, or the body is invalid or truncated."""


class BodyTooLarge(CodingError):
    """The body, or what one of its codings yields, is larger than the limit."""


class Decoder:
    """Decodes the body of one response.

    `header`: its Content-Encoding, codings in the order in which they were applied. Names of no registered coding, such
    as "aws-chunked" and "binary", are ignored, and `ignored` tells that there were some. `limit`: in bytes, for the
    body as sent and for what each coding yields. Raise CodingError for codings that are not supported.
    """

    def __init__(self, header: str, limit: int) -> None:
        names = [name for part in header.lower().split(",") if (name := part.strip()) not in {"", "identity"}]
        if unsupported := sorted(_UNSUPPORTED.intersection(names)):
            raise CodingError(f"content coding {unsupported[0]} is not supported")
        inflated = [name for name in names if name in _INFLATED]
        if len(inflated) > MAX_CODINGS:
            raise CodingError(f"more than {MAX_CODINGS} content codings")
        self.ignored = len(inflated) < len(names)
        self._limit = limit
        self._left = limit
        self._inflaters = [_Inflater(limit) for _ in inflated]

    @property
    def inflates(self) -> bool:
        """Whether the body has a coding that is decoded here."""
        return bool(self._inflaters)

    def decode(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the content of the next chunk, at most PIECE bytes at once; raise CodingError."""
        self._left -= len(chunk)
        if self._left < 0:
            raise BodyTooLarge(f"more than {self._limit} bytes")
        pieces: Iterator[bytes] = iter([chunk])
        for inflater in self._inflaters:  # one handles all of these codings, so their order does not matter
            pieces = inflater.inflate(pieces)
        return pieces

    def finish(self) -> None:
        """Raise CodingError if the body is truncated."""
        if not all(inflater.complete for inflater in self._inflaters):
            raise CodingError("the compressed body is truncated")


class _Inflater:
    """gzip with any number of members (https://www.rfc-editor.org/rfc/rfc1952), or deflate with or without a header."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._left = limit
        self._members = 0
        self._stream: zlib._Decompress | None = None
        self._over = False

    @property
    def complete(self) -> bool:
        """Whether the last member has ended."""
        return self._stream is not None and self._stream.eof

    def inflate(self, compressed: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the content of these chunks."""
        try:
            for chunk in compressed:
                while chunk and not self._over:
                    if self._stream is None or (self._stream.eof and chunk.startswith(GZIP)):
                        self._stream = self._next_member(chunk)
                    elif self._stream.eof:
                        self._over = True  # padding, which gzip ignores, too
                        break
                    if piece := self._stream.decompress(chunk, PIECE):
                        yield self._counted(piece)
                    del piece  # it would be in memory beside the next one
                    chunk = self._stream.unconsumed_tail or self._stream.unused_data
        except zlib.error as error:
            raise CodingError(f"the compressed body is invalid: {error}") from error

    def _counted(self, piece: bytes) -> bytes:
        self._left -= len(piece)
        if self._left < 0:
            raise BodyTooLarge(f"more than {self._limit} bytes")
        return piece

    def _next_member(self, chunk: bytes) -> "zlib._Decompress":
        """Return a decompressor for the member that begins with `chunk`; some servers send deflate without a header."""
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise CodingError(f"more than {MAX_MEMBERS} gzip members")
        has_header = chunk.startswith(GZIP) or chunk[0] & 0x0F == zlib.DEFLATED
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32 if has_header else -zlib.MAX_WBITS)

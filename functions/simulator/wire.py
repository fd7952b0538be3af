"""Answers that break on the wire, where no well-formed answer can say what has to be said.

uvicorn gives the application a `receive` bound to the request's cycle, which holds the connection: the bytes
are written there. It is the one place that relies on the server, and a test in a real process watches it.
A test without sockets reads `how`, `seconds` and `whole`, and raises what its client would have raised.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from enum import StrEnum
from http import HTTPStatus
from typing import Protocol, runtime_checkable

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from .clock import Clock

PIECES = 20
MISSING_BYTES = 1000
# A hung answer is let go after this time, so that no connection outlives its client for long.
LONGEST_HANG = 600.0


class Break(StrEnum):
    """How an answer breaks."""

    HANG = "hang"  # nothing comes
    CUT_IN_HEADER = "cut_in_header"  # the connection ends inside the header
    CUT_IN_BODY = "cut_in_body"  # half of the body comes, then the connection ends
    WRONG_LENGTH = "wrong_length"  # Content-Length promises more than there is
    EARLY_END = "early_end"  # no length, half of the body: looks like a whole answer
    SLOW_FIRST_BYTE = "slow_first_byte"  # all of it, late
    TRICKLE = "trickle"  # all of it, in drops


@runtime_checkable
class Connection(Protocol):
    """What of the server's connection is used; uvloop's is no asyncio.Transport by name."""

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""

    def close(self) -> None:
        """End the connection when all bytes are sent."""

    def is_closing(self) -> bool:
        """Whether it has ended, or is about to."""


class Broken(Response):
    """The answer `whole`, broken in one way; `seconds` is what slow ones take."""

    def __init__(self, whole: Response, how: Break, clock: Clock, seconds: float) -> None:
        super().__init__(b"", whole.status_code)
        self.whole = whole
        self.how = how
        self.clock = clock
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Play the answer on a real connection."""
        if self.how is Break.SLOW_FIRST_BYTE:
            await self.clock.sleep(self.seconds)
            await self.whole(scope, receive, send)
        elif self.how is Break.TRICKLE:
            drops = StreamingResponse(self.drops(), self.status_code, dict(self.whole.headers))
            await drops(scope, receive, send)
        elif self.how is Break.HANG:
            await _gone(receive, LONGEST_HANG)
            await _end(receive, b"")
        else:
            await _end(receive, self.sent())

    async def drops(self) -> AsyncIterator[bytes]:
        """The body in pieces, spread over the seconds."""
        body = bytes(self.whole.body)
        size = max(1, -(-len(body) // PIECES))
        for start in range(0, len(body), size):
            yield body[start : start + size]
            await self.clock.sleep(self.seconds / PIECES)

    def sent(self) -> bytes:
        """The very bytes that reach the wire before the connection ends."""
        body = bytes(self.whole.body)
        half = body[: len(body) // 2]
        if self.how is Break.CUT_IN_HEADER:
            return self._head(len(body))[:-30]
        if self.how is Break.CUT_IN_BODY:
            return self._head(len(body)) + half
        if self.how is Break.WRONG_LENGTH:
            return self._head(len(body) + MISSING_BYTES) + body
        return self._head(None) + half

    def _head(self, length: int | None) -> bytes:
        kept = {name: text for name, text in self.whole.headers.items() if name != "content-length"}
        told = {"content-length": str(length)} if length is not None else {}
        lines = [f"HTTP/1.1 {self.status_code} {HTTPStatus(self.status_code).phrase}"]
        lines += [f"{name}: {text}" for name, text in {**kept, **told, "connection": "close"}.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


async def _end(receive: Receive, last_bytes: bytes) -> None:
    connection = getattr(getattr(receive, "__self__", None), "transport", None)
    if not isinstance(connection, Connection):
        raise TypeError("faults on the wire need uvicorn: its connection was not found behind `receive`")
    if not connection.is_closing():
        connection.write(last_bytes)
        connection.close()
    await _gone(receive, LONGEST_HANG)


async def _gone(receive: Receive, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass

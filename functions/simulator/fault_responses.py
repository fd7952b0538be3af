"""Responses that only faults give: broken on the connection, blocked, redirected, oversized, or without an id.

uvicorn gives the application a `receive` that is bound to the request's cycle, which holds the connection: what no
well-formed response can express is written there. Only this file relies on the server; a test in a real process
covers it. A transport without sockets reads `how`, `seconds` and `response`, and raises what its client would raise.
"""

import asyncio
import contextlib
import json
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Protocol, runtime_checkable

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

# A connection that hangs is closed after this many seconds, so that none outlives its client for long.
MAX_HANG_SECONDS = 600.0
GATEWAY_PAGE = "<!DOCTYPE html><html><head><title>502</title></head><body><h1>Bad Gateway</h1></body></html>"
SIGN_IN_PAGE = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>"
ARCHIVE = b"PK\x03\x04 this is an archive, not an image " * 40
_METADATA_SERVER = "http://169.254.169.254/computeMetadata/v1/"  # where cloud machines find their credentials
_CHUNKS = 20
_MISSING_BYTES = 1000
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_ZEROS = 64 * 1024  # bytes at a time


class Break(StrEnum):
    """How a response breaks."""

    HANG = "hang"  # nothing is sent
    CUT_IN_HEADER = "cut_in_header"  # the connection ends inside the header
    CUT_IN_BODY = "cut_in_body"  # half of the body is sent, then the connection ends
    WRONG_LENGTH = "wrong_length"  # Content-Length is larger than the body
    EARLY_END = "early_end"  # no Content-Length and half of the body: looks complete
    SLOW_FIRST_BYTE = "slow_first_byte"  # complete, but late
    TRICKLE = "trickle"  # complete, but in small chunks
    RESET = "reset"  # nothing is sent, and the connection is reset


@runtime_checkable
class Connection(Protocol):
    """The part of the server's connection that is used; uvloop's is not derived from asyncio.Transport."""

    def write(self, data: bytes) -> None:
        """Send bytes."""

    def close(self) -> None:
        """Close the connection after all bytes are sent."""

    def is_closing(self) -> bool:
        """Whether it is closed or being closed."""

    def get_extra_info(self, name: str) -> Any:
        """Return its socket."""


class BrokenResponse(Response):
    """A response that breaks in one way; the slow ones take `seconds`, spent in `sleep`."""

    def __init__(
        self,
        response: Response,
        how: Break,
        seconds: float = 0.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__(b"", response.status_code)
        self.response = response
        self.how = how
        self.seconds = seconds
        self._sleep = sleep

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it on a real connection."""
        if self.how is Break.SLOW_FIRST_BYTE:
            await self._sleep(self.seconds)
            await self.response(scope, receive, send)
        elif self.how is Break.TRICKLE:
            trickle = StreamingResponse(self.chunks(), self.status_code, dict(self.response.headers))
            await trickle(scope, receive, send)
        elif self.how is Break.HANG:
            await _wait_for_disconnect(receive)
            await _write_and_close(receive, b"")
        elif self.how is Break.RESET:
            await _reset(receive)
        else:
            await _write_and_close(receive, self.sent_bytes())

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body in chunks, spread over `seconds`."""
        body = bytes(self.response.body)
        size = max(1, -(-len(body) // _CHUNKS))
        for start in range(0, len(body), size):
            yield body[start : start + size]
            await self._sleep(self.seconds / _CHUNKS)

    def sent_bytes(self) -> bytes:
        """Return the exact bytes that are sent before the connection ends."""
        body = bytes(self.response.body)
        half = body[: len(body) // 2]
        if self.how is Break.CUT_IN_HEADER:
            return self._head(len(body))[:-30]
        if self.how is Break.CUT_IN_BODY:
            return self._head(len(body)) + half
        if self.how is Break.WRONG_LENGTH:
            return self._head(len(body) + _MISSING_BYTES) + body
        return self._head(None) + half

    def _head(self, length: int | None) -> bytes:
        headers = {name: text for name, text in self.response.headers.items() if name != "content-length"}
        if length is not None:
            headers["content-length"] = str(length)
        lines = [f"HTTP/1.1 {self.status_code} {HTTPStatus(self.status_code).phrase}"]
        lines += [f"{name}: {text}" for name, text in {**headers, "connection": "close"}.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _connection(receive: Receive) -> Connection:
    connection = getattr(getattr(receive, "__self__", None), "transport", None)
    if not isinstance(connection, Connection):
        raise TypeError("broken responses need uvicorn: there is no connection behind `receive`")
    return connection


async def _reset(receive: Receive) -> None:
    """Close the connection with RST: it has no time to send what is left. uvloop's own socket has no options."""
    own = _connection(receive).get_extra_info("socket")
    with socket.socket(fileno=os.dup(own.fileno())) as same:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await _write_and_close(receive, b"")


async def _write_and_close(receive: Receive, data: bytes) -> None:
    connection = _connection(receive)
    if not connection.is_closing():
        connection.write(data)
        connection.close()
    await _wait_for_disconnect(receive)


async def _wait_for_disconnect(receive: Receive) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(MAX_HANG_SECONDS):
            while (await receive())["type"] != "http.disconnect":
                pass


def hang(*_: object) -> Response:
    """Never respond."""
    return BrokenResponse(Response(), Break.HANG)


def static(status: int, content: str | bytes, media_type: str = "text/plain") -> Callable[..., Response]:
    """Always respond with this content."""
    return lambda *_: Response(content, status, media_type=media_type)


def block_scripts(request: Request, *_: object) -> Response | None:
    """Respond with 403 to clients that call themselves python or curl."""
    client = request.headers.get("user-agent", "").lower()
    return Response("Forbidden", 403, media_type="text/plain") if client.startswith(("python", "curl")) else None


def redirect_to_www(request: Request, *_: object) -> Response:
    """Redirect to the same path on www, as Wireflow's bare domain does."""
    return RedirectResponse(f"https://www.wireflow.ai{request.url.path}", 301)


def redirect_to_private(*_: object) -> Response:
    """Redirect to a private address."""
    return RedirectResponse(_METADATA_SERVER, 302)


def oversized_image(length: int, *, announced: bool) -> Response:
    """Return a body of this many bytes that begins as a PNG, with or without Content-Length."""

    async def content() -> AsyncIterator[bytes]:
        yield _PNG_SIGNATURE
        for start in range(len(_PNG_SIGNATURE), length, _ZEROS):
            yield bytes(min(_ZEROS, length - start))

    headers = {"content-length": str(length)} if announced else {}
    return StreamingResponse(content(), 200, headers, "image/png")


def without_execution_id(response: Response) -> Response:
    """Return the response to a paid call without the execution's id and Location, whatever its style."""
    body = json.loads(bytes(response.body))
    data = body.get("data") or body
    data.pop("executionId", None)
    for run in data.get("executionRuns", ()):
        run.pop("id")
    return JSONResponse(body, response.status_code)

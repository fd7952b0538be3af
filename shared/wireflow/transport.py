"""A transport of httpx that opens a connection for each call, on the streams of asyncio.

No connection is kept: the server may close one just as a paid call is sent on it, which is an unknown outcome, and what
follows a response on one would be taken for the response to the next request. httpx's own transport takes almost twice
the CPU time for that, most of it in AnyIO: `python -m tests.bench accept`.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import httpcore
import httpx
from aiohappyeyeballs import start_connection

# Until the next address is tried, too: https://www.rfc-editor.org/rfc/rfc8305#section-8
NEXT_ADDRESS_SECONDS = 0.25
# What asyncio raises: uvloop a RuntimeError for a closed connection, Python a UnicodeError for a name that is none.
STREAM_ERRORS = (OSError, RuntimeError, UnicodeError)
HTTPCORE_ERRORS = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException)


class ConnectionPerCall(httpx.AsyncBaseTransport):
    """Sends each request on a connection of its own. `tls`: the default trusts the authorities that httpx does."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._given_tls = tls

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return self._given_tls or httpx.create_ssl_context(trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request; raise httpx.TransportError. Its `timeout` extension limits each step, as with httpx."""
        asked = request.url
        url = httpcore.URL(scheme=asked.raw_scheme, host=asked.raw_host, port=asked.port, target=asked.raw_path)
        tls = self._tls if asked.scheme == "https" else None
        connection = httpcore.AsyncHTTPConnection(url.origin, ssl_context=tls, network_backend=_Network())
        headers, body, limits = request.headers.raw, request.stream, request.extensions
        sent = httpcore.Request(request.method, url, headers=headers, content=body, extensions=limits)
        with _errors_of_httpx():
            response = await connection.handle_async_request(sent)  # httpcore closes it if this fails
        stream, details = _Body(response, connection), response.extensions
        return httpx.Response(response.status, headers=response.headers, stream=stream, extensions=details)


class _Body(httpx.AsyncByteStream):
    """The body of a response, and its connection, which is closed with it."""

    def __init__(self, response: httpcore.Response, connection: httpcore.AsyncHTTPConnection) -> None:
        self._response, self._connection = response, connection

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _errors_of_httpx():
            async for chunk in self._response.aiter_stream():
                yield chunk

    async def aclose(self) -> None:
        await self._connection.aclose()


class _Network(httpcore.AsyncNetworkBackend):
    """Opens connections for httpcore."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 httpcore declares it, here and below
        local_address: str | None = None,  # noqa: ARG002 of no use here, as the next one
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        """Try the addresses of a host; raise httpcore.ConnectError or ConnectTimeout."""
        with _errors_of_httpcore(httpcore.ConnectError, httpcore.ConnectTimeout):
            async with asyncio.timeout(timeout):
                addresses = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
                connected = await start_connection(addresses, happy_eyeballs_delay=NEXT_ADDRESS_SECONDS)
                return _Stream(*await asyncio.open_connection(sock=connected))


class _Stream(httpcore.AsyncNetworkStream):
    """A connection for httpcore."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        with _errors_of_httpcore(httpcore.ReadError, httpcore.ReadTimeout):
            async with asyncio.timeout(timeout):
                return await self._reader.read(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        with _errors_of_httpcore(httpcore.WriteError, httpcore.WriteTimeout):
            async with asyncio.timeout(timeout):
                self._writer.write(buffer)
                await self._writer.drain()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        """Speak TLS on the connection; asyncio closes it if that fails."""
        with _errors_of_httpcore(httpcore.ConnectError, httpcore.ConnectTimeout):
            async with asyncio.timeout(timeout):
                await self._writer.start_tls(ssl_context, server_hostname=server_hostname)
        return self

    async def aclose(self) -> None:
        """Close at once: the response is complete, or no one reads it any more."""
        self._writer.transport.abort()

    def get_extra_info(self, info: str) -> Any:
        return self._writer.get_extra_info(info)


@contextmanager
def _errors_of_httpcore(failed: type[httpcore.NetworkError], late: type[httpcore.TimeoutException]) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise late(str(error)) from error
    except STREAM_ERRORS as error:
        raise failed(f"{type(error).__name__}: {error}") from error


@contextmanager
def _errors_of_httpx() -> Iterator[None]:
    """Raise httpcore's errors as those of httpx, which have the same names."""
    try:
        yield
    except HTTPCORE_ERRORS as error:
        raised: type[httpx.TransportError] = getattr(httpx, type(error).__name__)
        raise raised(str(error)) from error

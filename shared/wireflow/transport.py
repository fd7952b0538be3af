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
from typing import Any

import httpcore
import httpx
from aiohappyeyeballs import start_connection

# Until the next address is tried, too: https://www.rfc-editor.org/rfc/rfc8305#section-8
NEXT_ADDRESS_SECONDS = 0.25
DEFAULT_PORTS = {"http": 80, "https": 443}
# What asyncio and uvloop raise, also for names and addresses that they cannot handle, and for closed connections.
STREAM_ERRORS = (OSError, RuntimeError, ValueError, TypeError, LookupError)
HTTPCORE_ERRORS = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException)


class ConnectionPerCall(httpx.AsyncBaseTransport):
    """Sends each request on a connection of its own. `tls`: the default trusts the authorities that httpx does."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls or httpx.create_ssl_context(trust_env=False)
        self._tls.set_alpn_protocols(["http/1.1"])

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request; raise httpx.TransportError. Its `timeout` extension limits each step, as with httpx."""
        asked = request.url
        if asked.scheme not in DEFAULT_PORTS:
            raise httpx.UnsupportedProtocol(f"{asked.scheme} is neither http nor https")
        # To httpcore every connection is one without TLS: that is the task of `_Network`.
        port = asked.port if asked.port is not None else DEFAULT_PORTS[asked.scheme]
        url = httpcore.URL(scheme=b"http", host=asked.raw_host, port=port, target=asked.raw_path)
        network = _Network(self._tls if asked.scheme == "https" else None)
        connection = httpcore.AsyncHTTPConnection(url.origin, network_backend=network)
        headers, body, limits = request.headers.raw, request.stream, request.extensions
        sent = httpcore.Request(request.method, url, headers=headers, content=body, extensions=limits)
        try:
            with _errors_of_httpx():
                response = await connection.handle_async_request(sent)
        except BaseException:
            await connection.aclose()  # httpcore does not if it is canceled before it sends
            raise
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
    """Opens a connection for httpcore, with TLS or without.

    TLS begins with the stream. Started on one that reads already, a response that was sent before the handshake, by
    anyone on the way, would be taken for the server's.
    """

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self._tls = tls

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 httpcore declares it, here and below
        local_address: str | None = None,  # noqa: ARG002 of no use here, as the next one
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        """Try the addresses of a host; raise httpcore.ConnectError or ConnectTimeout: nothing was sent."""
        with _errors_of_httpcore(httpcore.ConnectError, httpcore.ConnectTimeout):
            async with asyncio.timeout(timeout):
                connected = await _connect(host, port)
                name = host if self._tls else None
                return _Stream(*await asyncio.open_connection(sock=connected, ssl=self._tls, server_hostname=name))


async def _connect(host: str, port: int) -> socket.socket:
    addresses = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    task = asyncio.current_task()
    requests = task.cancelling() if task else 0
    connected = await start_connection(addresses, happy_eyeballs_delay=NEXT_ADDRESS_SECONDS)
    if task and task.cancelling() > requests:  # a request to cancel is lost while the library ends other attempts
        connected.close()
        raise asyncio.CancelledError
    return connected


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

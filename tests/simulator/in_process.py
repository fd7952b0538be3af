"""httpx transports to a simulator without sockets; broken responses raise what a real client would raise."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from functions.simulator.app import Simulator
from functions.simulator.fault_responses import MAX_HANG_SECONDS, Break, BrokenResponse

LOST = {
    Break.HANG: "Server disconnected without sending a response.",
    Break.CUT_IN_HEADER: "Server disconnected without sending a response.",
    Break.CUT_IN_BODY: "peer closed connection without sending complete message body",
    Break.WRONG_LENGTH: "peer closed connection without sending complete message body",
}


class InProcess(httpx.AsyncBaseTransport):
    """An async transport to a simulator; waiting uses the simulator's clock."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self.simulator.handle(_starlette(request, await request.aread()))
        if isinstance(response, BrokenResponse):
            return await self._broken(request, response)
        return _httpx(response)

    async def _broken(self, request: httpx.Request, broken: BrokenResponse) -> httpx.Response:
        patience = request.extensions["timeout"]["read"]
        wait = {Break.HANG: MAX_HANG_SECONDS, Break.SLOW_FIRST_BYTE: broken.seconds}.get(broken.how, 0.0)
        if patience is not None and wait > patience:
            await self.simulator.state.clock.sleep(patience)
            raise httpx.ReadTimeout("The read operation timed out", request=request)
        await self.simulator.state.clock.sleep(wait)
        if broken.how is Break.RESET:
            raise httpx.ReadError("Connection reset by peer", request=request)
        if broken.how in (Break.HANG, Break.CUT_IN_HEADER):
            raise httpx.RemoteProtocolError(LOST[broken.how], request=request)
        return _broken_body(request, broken)


class InProcessSync(httpx.BaseTransport):
    """The same for a worker thread; the simulator stays on its event loop."""

    def __init__(self, simulator: Simulator, loop: asyncio.AbstractEventLoop) -> None:
        self._inner = InProcess(simulator)
        self._loop = loop

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        future = asyncio.run_coroutine_threadsafe(self._inner.handle_async_request(request), self._loop)
        response = future.result()
        stream = response.stream
        assert isinstance(stream, httpx.AsyncByteStream)
        return httpx.Response(response.status_code, headers=response.headers, stream=_Pulled(stream, self._loop))


class _Stream(httpx.AsyncByteStream):
    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._chunks:
            yield chunk

    async def aclose(self) -> None:
        close = getattr(self._chunks, "aclose", None)
        if close:
            await close()


class _Pulled(httpx.SyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, loop: asyncio.AbstractEventLoop) -> None:
        self._stream = stream
        self._loop = loop

    def __iter__(self) -> Iterator[bytes]:
        chunks = self._stream.__aiter__()
        while (chunk := asyncio.run_coroutine_threadsafe(_next(chunks), self._loop).result()) is not None:
            yield chunk

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._stream.aclose(), self._loop).result()


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    return await anext(chunks, None)


async def _once(body: bytes, lost: httpx.RemoteProtocolError | None = None) -> AsyncIterator[bytes]:
    yield body
    if lost:
        raise lost


async def _bytes(response: StreamingResponse) -> AsyncIterator[bytes]:
    async for chunk in response.body_iterator:
        yield chunk.encode() if isinstance(chunk, str) else bytes(chunk)


def _starlette(request: httpx.Request, body: bytes) -> Request:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    scope = {
        "type": "http",
        "method": request.method,
        "scheme": request.url.scheme,
        "path": request.url.path,
        "root_path": "",
        "query_string": request.url.query,
        "headers": [(name.lower(), text) for name, text in request.headers.raw],
        "server": (request.url.host, request.url.port or 80),
    }
    return Request(scope, receive)


def _httpx(response: Response) -> httpx.Response:
    chunks = _bytes(response) if isinstance(response, StreamingResponse) else _once(bytes(response.body))
    return httpx.Response(response.status_code, headers=response.raw_headers, stream=_Stream(chunks))


def _broken_body(request: httpx.Request, broken: BrokenResponse) -> httpx.Response:
    if broken.how is Break.SLOW_FIRST_BYTE:
        return _httpx(broken.response)
    if broken.how is Break.TRICKLE:
        headers = broken.response.raw_headers
        return httpx.Response(broken.status_code, headers=headers, stream=_Stream(broken.chunks()))
    head, _, body = broken.sent_bytes().partition(b"\r\n\r\n")
    headers = [tuple(line.split(b": ", 1)) for line in head.split(b"\r\n")[1:]]
    lost = httpx.RemoteProtocolError(LOST[broken.how], request=request) if broken.how in LOST else None
    return httpx.Response(broken.status_code, headers=headers, stream=_Stream(_once(body, lost)))

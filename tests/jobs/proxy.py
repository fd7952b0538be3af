"""A gRPC proxy in front of the Firestore emulator that records calls and injects network faults into commits."""

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc


async def _nothing() -> None:
    pass


@dataclass
class Fault:
    """A fault of one commit: whether it reaches the emulator, what happens meanwhile, and the status it gets."""

    code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE
    performed: bool = False
    meanwhile: Callable[[], Awaitable[Any]] = _nothing


def lost_response(meanwhile: Callable[[], Awaitable[Any]] = _nothing) -> Fault:
    """Return a fault: the commit is performed, and the connection breaks before the response."""
    return Fault(performed=True, meanwhile=meanwhile)


@dataclass
class Proxy(grpc.GenericRpcHandler):
    """`calls` are the names of the methods in order; `faults` apply to the next commits, one each."""

    emulator: grpc.aio.Channel
    address: str = ""
    calls: list[str] = field(default_factory=list)
    faults: deque[Fault] = field(default_factory=deque)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        method = handler_call_details.method
        self.calls.append(method.rpartition("/")[2])
        if self.calls[-1] == "Commit":
            return grpc.unary_unary_rpc_method_handler(self._commit(method))
        return grpc.unary_stream_rpc_method_handler(self._stream(method))

    def _commit(self, method: str) -> Callable[..., Awaitable[bytes]]:
        async def handle(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
            fault = self.faults.popleft() if self.faults else None
            response = None
            if not fault or fault.performed:
                call = self.emulator.unary_unary(method)(request, metadata=_forwarded(context))
                response = await _or_abort(call, context)
            if fault:
                await fault.meanwhile()
                await context.abort(fault.code, "injected by the test")
            return response

        return handle

    def _stream(self, method: str) -> Callable[..., AsyncIterator[bytes]]:
        async def handle(request: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
            async for response in self.emulator.unary_stream(method)(request, metadata=_forwarded(context)):
                yield response

        return handle


@asynccontextmanager
async def proxy_before(emulator: str) -> AsyncIterator[Proxy]:
    """Run a proxy at `proxy.address` within the block."""
    async with grpc.aio.insecure_channel(emulator) as channel:
        proxy = Proxy(channel)
        server = grpc.aio.server(handlers=(proxy,))
        proxy.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        await server.start()
        try:
            yield proxy
        finally:
            await server.stop(grace=None)


async def _or_abort(call: Awaitable[bytes], context: grpc.aio.ServicerContext) -> bytes:
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        await context.abort(error.code(), error.details())
        raise


def _forwarded(context: grpc.aio.ServicerContext) -> tuple[Any, ...]:
    return tuple(pair for pair in context.invocation_metadata() if pair[0] != "user-agent")

"""Several uvicorn servers in one event loop, each on a socket that is listening already."""

import asyncio
import socket
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import uvicorn
from starlette.types import ASGIApp

from functions.cli.errors import ServerStopped
from functions.cli.sockets import url_of

T = TypeVar("T")


class Server(uvicorn.Server):
    """One app on `listener`. After a request to stop, open requests have `grace` seconds before they are canceled.

    `stops_last`: the other servers call this one, so it is stopped after them.
    """

    def __init__(
        self, name: str, app: ASGIApp, listener: socket.socket, *, grace: int, stops_last: bool = False
    ) -> None:
        config = uvicorn.Config(
            app,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,  # the trigger must see the real peer, not an X-Forwarded-For of the caller
            timeout_graceful_shutdown=grace,
        )
        super().__init__(config)
        self.name, self.stops_last = name, stops_last
        self.url = url_of(listener)
        self._listener = listener

    async def run_until_stopped(self) -> None:
        """Serve until `should_exit` is set; return when no request is left."""
        await self.serve(sockets=[self._listener])
        await asyncio.gather(*self.server_state.tasks, return_exceptions=True)  # those that were just canceled

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the command: of several uvicorn servers only the last would receive one."""
        yield


async def serve_while(servers: Sequence[Server], work: Coroutine[Any, Any, T]) -> T:
    """Serve until `work` ends, and return its result.

    All servers have stopped when this returns or raises. Raises ServerStopped if one stops before.
    """
    serving = [asyncio.create_task(server.run_until_stopped(), name=server.name) for server in servers]
    working = asyncio.create_task(work)
    try:
        await asyncio.wait([working, *serving], return_when=asyncio.FIRST_COMPLETED)
        for task in serving:
            if task.done():
                raise ServerStopped(f"The {task.get_name()} stopped unexpectedly.") from task.exception()
        return await working
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        for is_last in (False, True):
            for server in servers:
                server.should_exit |= server.stops_last == is_last
            stopping = [task for server, task in zip(servers, serving, strict=True) if server.should_exit]
            await asyncio.gather(*stopping, return_exceptions=True)

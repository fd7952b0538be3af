"""Several servers run in one event loop while a command works, and stop with it."""

import asyncio
import os
from collections.abc import Callable

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from functions.cli.errors import ServerStopped
from functions.cli.servers import Server, serve_while
from functions.cli.sockets import listen


async def describe(scope: Scope, receive: Receive, send: Send) -> None:
    """Respond with the process and the client's address."""
    client = Request(scope).client
    await JSONResponse({"pid": os.getpid(), "client": client and client.host})(scope, receive, send)


class Slow:
    """An app whose one request takes until `release` is set."""

    def __init__(self) -> None:
        self.started, self.release = asyncio.Event(), asyncio.Event()
        self.ended = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.started.set()
        try:
            await self.release.wait()
            await JSONResponse({})(scope, receive, send)
            self.ended = "with a response"
        except asyncio.CancelledError:
            self.ended = "canceled"
            raise


def servers(count: int, app: Callable[..., object] = describe, grace: int = 0) -> list[Server]:
    return [Server(f"server {number}", app, listen(), grace=grace) for number in range(count)]


async def get(url: str, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as http:
        return await http.get(url, headers=headers)


async def test_all_servers_run_in_this_process_each_on_its_own_port():
    running = servers(3)

    async def work() -> list[int]:
        return [(await get(server.url)).json()["pid"] for server in running]

    assert await serve_while(running, work()) == [os.getpid()] * 3
    assert len({server.url for server in running}) == 3


async def test_nothing_listens_afterwards():
    running = servers(2)
    with pytest.raises(ZeroDivisionError):
        await serve_while(running, fail())
    for server in running:
        with pytest.raises(httpx.ConnectError):
            await get(server.url)


async def fail() -> None:
    raise ZeroDivisionError


async def test_an_app_sees_the_real_peer():
    (server,) = running = servers(1)
    response = await serve_while(running, get(server.url, **{"X-Forwarded-For": "203.0.113.7"}))
    assert response.json()["client"] == "127.0.0.1"


async def test_a_server_that_stops_ends_the_work():
    running = servers(2)

    async def work() -> None:
        await get(running[1].url)
        running[1].should_exit = True
        await asyncio.Event().wait()

    with pytest.raises(ServerStopped, match="The server 1 stopped unexpectedly") as error:
        await serve_while(running, work())
    assert error.value.exit_code == 1
    with pytest.raises(httpx.ConnectError):
        await get(running[0].url)


@pytest.mark.parametrize("grace", [0, 60])
async def test_an_open_request_may_finish_within_the_grace_period(grace: int):
    slow = Slow()
    running = servers(1, slow, grace)
    request = asyncio.create_task(get(running[0].url))
    command = asyncio.create_task(serve_while(running, asyncio.Event().wait()))
    await slow.started.wait()
    command.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    assert running[0].should_exit
    if grace:
        slow.release.set()
    with pytest.raises(asyncio.CancelledError):
        await command
    assert slow.ended == ("with a response" if grace else "canceled")
    await asyncio.gather(request, return_exceptions=True)


async def test_a_server_that_others_call_stops_after_them():
    slow = Slow()
    called, calling = Server("called", describe, listen(), grace=0, stops_last=True), servers(1, slow, grace=60)[0]
    request = asyncio.create_task(get(calling.url))
    command = asyncio.create_task(serve_while([called, calling], asyncio.Event().wait()))
    await slow.started.wait()
    command.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    assert (calling.should_exit, called.should_exit) == (True, False)
    assert (await get(called.url)).status_code == 200  # the open request can still call it
    slow.release.set()
    with pytest.raises(asyncio.CancelledError):
        await command
    assert (await request).status_code == 200
    with pytest.raises(httpx.ConnectError):
        await get(called.url)

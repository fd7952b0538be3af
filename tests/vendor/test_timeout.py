"""The timeout of calls to Wireflow: time in which the event loop was blocked does not count."""

import asyncio
import time

import httpx
import pytest

from shared.wireflow import errors
from shared.wireflow.client import WireflowClient
from shared.wireflow.timeout import STEP_SECONDS, responsive_timeout
from shared.workflows import Mode, Workflow
from tests.harness.virtual_time import VirtualClock, VirtualLoop

HOOK = Workflow(name="default", mode=Mode.WEBHOOK, id="hook")


def block(seconds: float) -> None:
    """Do what a CPU-bound callback does: nothing else happens in the loop for so long."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.elapsed += seconds


async def test_a_responsive_loop_waits_for_exactly_the_time() -> None:
    loop = asyncio.get_running_loop()
    for seconds in (0.2, 8.0, 8.3):
        began = loop.time()
        with pytest.raises(TimeoutError):
            async with responsive_timeout(seconds, VirtualClock()):
                await asyncio.sleep(3_600)
        assert loop.time() - began == pytest.approx(seconds)


@pytest.mark.parametrize("blocked_at", [0.1, 4.0, 7.8])
async def test_what_arrives_while_the_loop_is_blocked_is_read(blocked_at: float) -> None:
    """A response needs several iterations of the loop until it is read."""

    async def respond() -> str:
        await asyncio.sleep(blocked_at + 0.1)
        for _ in range(20):
            await asyncio.sleep(0)
        return "answered"

    loop = asyncio.get_running_loop()
    loop.call_later(blocked_at, block, 30.0)
    async with responsive_timeout(8.0, VirtualClock()):
        assert await respond() == "answered"
    assert loop.time() >= 30


async def test_silence_is_ended_however_often_the_loop_is_blocked() -> None:
    loop = asyncio.get_running_loop()

    async def hog() -> None:
        while True:
            block(3 * STEP_SECONDS)
            await asyncio.sleep(0.1)

    hogging = asyncio.create_task(hog())
    with pytest.raises(TimeoutError):
        async with responsive_timeout(4.0, VirtualClock()):
            await asyncio.sleep(3_600)
    hogging.cancel()
    assert loop.time() < 60


async def test_an_error_in_the_call_is_raised_as_it_is_and_no_timer_is_left() -> None:
    before = asyncio.all_tasks()
    with pytest.raises(ValueError, match="inside"):
        async with responsive_timeout(8.0, VirtualClock()):
            raise ValueError("inside")
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_a_paid_call_that_was_answered_while_the_loop_was_blocked_is_started() -> None:
    async def handler(_request: httpx.Request) -> httpx.Response:
        asyncio.get_running_loop().call_soon(block, 20.0)
        await asyncio.sleep(1)
        return httpx.Response(202, json={"executionId": "exec_1"})

    http = httpx.MockTransport(handler)
    client = WireflowClient("https://wireflow.test/api/v1", "hook", "sk", VirtualClock(), http)
    assert (await client.start(HOOK, {"prompt": "a cat"}, "key")).execution_id == "exec_1"


def test_over_a_real_connection_too() -> None:
    """Everything that httpx and anyio do between the socket and the response is within the timeout."""
    calls = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        await reader.readuntil(b"\r\n\r\n")
        calls += 1
        await asyncio.sleep(0.05)
        asyncio.get_running_loop().call_later(0.05, time.sleep, 1.0)
        body = b'{"executionId": "exec_1"}'
        await asyncio.sleep(0.1)
        writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        writer.close()

    async def call() -> str:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            host, port = server.sockets[0].getsockname()
            client = WireflowClient(f"http://{host}:{port}/api/v1", "hook", "sk", VirtualClock())
            try:
                return (await client.start(HOOK, {}, "key")).execution_id
            except errors.OutcomeUnknown as error:
                return str(error)
            finally:
                await client.close()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("shared.wireflow.client.START_SECONDS", 0.5)
        assert asyncio.run(call()) == "exec_1"
    assert calls == 1

"""The client: every way in which httpx can fail has a place in our error tree, and no secret leaves in an error."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest

from shared.wireflow import errors
from shared.wireflow.client import ANSWER_LIMIT, WireflowClient
from tests.harness.virtual_time import VirtualClock

BASE, HOOK, KEY = "https://wireflow.test/api/v1", "whk_very_secret", "sk-very-secret"
REQUEST = httpx.Request("POST", BASE)
# Raised before the first byte of a request: nothing can have been started.
NOT_SENT = {"ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol", "ProxyError"}
Handler = Callable[[httpx.Request], Any]


def every(kind: type[Exception]) -> Iterator[type[Exception]]:
    """The class and all below it."""
    yield kind
    for below in kind.__subclasses__():
        yield from every(below)


def raised_by_httpx() -> dict[str, type[Exception]]:
    """Every exception that httpx has a public name for, and those below them."""
    public = [value for value in vars(httpx).values() if isinstance(value, type) and issubclass(value, Exception)]
    return {kind.__name__: kind for top in public for kind in every(top)}


def instance(kind: type[Exception]) -> Exception:
    """One of these, whatever its constructor asks for."""
    if issubclass(kind, httpx.HTTPStatusError):
        return kind("no", request=REQUEST, response=httpx.Response(500))
    if kind in (httpx.StreamConsumed, httpx.StreamClosed, httpx.ResponseNotRead, httpx.RequestNotRead):
        return kind()
    return kind("no")


def client(handler: Handler) -> WireflowClient:
    return WireflowClient(BASE, HOOK, KEY, VirtualClock(), httpx.MockTransport(handler))


def failing(error: Exception) -> WireflowClient:
    def handler(_request: httpx.Request) -> httpx.Response:
        raise error

    return client(handler)


@pytest.mark.parametrize("name", sorted(raised_by_httpx()))
async def test_every_error_of_httpx_is_mapped(name: str) -> None:
    error = instance(raised_by_httpx()[name])
    with pytest.raises(errors.Unavailable if name in NOT_SENT else errors.OutcomeUnknown):
        await failing(error).trigger({"prompt": "a cat"}, "key")
    with pytest.raises(errors.PollError):
        await failing(error).poll("exec_1")
    with pytest.raises(errors.PollError):
        await failing(error).details("exec_1")
    assert await failing(error).healthy() is False


@pytest.mark.parametrize("name", sorted(raised_by_httpx()))
async def test_what_breaks_inside_the_body_is_mapped_too(name: str) -> None:
    """The request was sent: whatever is raised from here on, a run may have started."""

    async def body() -> AsyncIterator[bytes]:
        yield b'{"executionId": '
        raise instance(raised_by_httpx()[name])

    def handler(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(202, content=body())

    with pytest.raises(errors.WireflowError):
        await client(handler).trigger({"prompt": "a cat"}, "key")
    with pytest.raises(errors.PollError):
        await client(handler).poll("exec_1")
    assert await client(handler).healthy() is False


async def test_a_vendor_that_says_nothing_has_8_s_for_the_paid_call_and_10_s_for_others() -> None:
    async def handler(_request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(3600)
        return httpx.Response(200)

    loop = asyncio.get_running_loop()
    for seconds, call in ((8, client(handler).trigger({}, "key")), (10, client(handler).poll("e"))):
        began = loop.time()
        with pytest.raises(errors.WireflowError):
            await call
        assert loop.time() - began == seconds


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 413, 422, 429, 500, 502, 503, 301])
async def test_no_error_quotes_the_webhook_or_the_key(status: int) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        text = f"{request.method} {request.url} with Bearer {KEY} is refused"
        return httpx.Response(status, json={"error": text}, headers={"Location": f"https://www.x.test/{HOOK}?k={KEY}"})

    for call in (client(handler).trigger({"prompt": "x"}, "key"), client(handler).poll("exec_1")):
        with pytest.raises(errors.WireflowError) as caught:
            await call
        assert HOOK not in str(caught.value)
        assert KEY not in str(caught.value)


async def test_the_paid_call_is_one_post_with_our_key_and_without_the_api_key() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(202, json={"executionId": "exec_1"})

    await client(handler).trigger({"prompt": "a cat", "n": [1, None]}, "job.1")
    (request,) = seen
    assert (request.method, str(request.url)) == ("POST", f"{BASE}/workflow/{HOOK}/trigger")
    assert request.headers["idempotency-key"] == "job.1"
    assert request.headers["content-type"] == "application/json"
    assert "authorization" not in request.headers
    assert request.content == b'{"prompt":"a cat","n":[1,null]}'


async def test_questions_carry_the_key_and_ids_are_quoted() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"status": "RUNNING"})

    await client(handler).poll("exec/../1?x#y é")
    assert seen[0].headers["authorization"] == f"Bearer {KEY}"
    assert seen[0].url.raw_path == b"/api/v1/workflows/executions/exec%2F..%2F1%3Fx%23y%20%C3%A9/poll"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(status: int) -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(status, headers={"Location": "https://www.wireflow.test/elsewhere"})

    with pytest.raises(errors.OperatorMustAct):
        await client(handler).trigger({"prompt": "a cat"}, "key")
    with pytest.raises(errors.PollError):
        await client(handler).poll("exec_1")
    assert len(seen) == 2


async def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 65_536
            yield b" " * 65_536

    with pytest.raises(errors.NoExecutionId):
        await client(lambda _request: httpx.Response(202, content=body())).trigger({}, "key")
    assert sent <= 2 * ANSWER_LIMIT


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (204, False), (301, False), (404, False), (500, False)])
async def test_only_a_200_is_healthy(status: int, healthy: bool) -> None:
    assert await client(lambda _request: httpx.Response(status)).healthy() is healthy

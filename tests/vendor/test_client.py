"""The client maps every error of httpx to the error tree, and redacts every secret from its errors."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from typing import Any

import httpx
import pytest

from shared.wireflow import errors
from shared.wireflow.client import UPLOAD_LIMIT, WireflowClient
from shared.wireflow.response_body import BODY_LIMIT
from shared.workflows import Mode, NodeInput, Workflow
from tests.harness.virtual_time import VirtualClock

BASE, HOOK, KEY = "https://wireflow.test/api/v1", "whk_very_secret", "sk-very-secret"
SAVED = "wf_very_secret"
WEBHOOK, RUN, EXECUTE = (Workflow(name=mode, mode=mode, id=SAVED) for mode in Mode)
STARTS = [(f"/workflow/{SAVED}/trigger", WEBHOOK), (f"/workflows/{SAVED}/run", RUN)]
STARTS += [(f"/workflows/{SAVED}/execute", EXECUTE)]
PNG = b"\x89PNG\r\n\x1a\n and so on"
REQUEST = httpx.Request("POST", BASE)
# Raised before the first byte of a request: nothing can have been started.
NOT_SENT = {"ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol", "ProxyError"}
Handler = Callable[[httpx.Request], Any]


def every(kind: type[Exception]) -> Iterator[type[Exception]]:
    """Yield the class and all of its subclasses."""
    yield kind
    for below in kind.__subclasses__():
        yield from every(below)


def raised_by_httpx() -> dict[str, type[Exception]]:
    """Return every public exception of httpx and its subclasses, by name."""
    public = [value for value in vars(httpx).values() if isinstance(value, type) and issubclass(value, Exception)]
    return {kind.__name__: kind for top in public for kind in every(top)}


def instance(kind: type[Exception]) -> Exception:
    """Return an instance, whatever arguments its constructor requires."""
    if issubclass(kind, httpx.HTTPStatusError):
        return kind("no", request=REQUEST, response=httpx.Response(500))
    if kind in (httpx.StreamConsumed, httpx.StreamClosed, httpx.ResponseNotRead, httpx.RequestNotRead):
        return kind()
    return kind("no")


def client(handler: Handler) -> WireflowClient:
    return WireflowClient(BASE, HOOK, KEY, VirtualClock(), httpx.MockTransport(handler), secrets=[SAVED])


def failing(error: Exception) -> WireflowClient:
    def handler(_request: httpx.Request) -> httpx.Response:
        raise error

    return client(handler)


def free_calls(client: WireflowClient) -> list[Coroutine[Any, Any, object]]:
    """Return the free calls that a job may need before its paid call."""
    return [client.describe_inputs(RUN), client.upload_image(PNG, "image/png")]


@pytest.mark.parametrize("name", sorted(raised_by_httpx()))
async def test_every_error_of_httpx_is_mapped(name: str) -> None:
    error = instance(raised_by_httpx()[name])
    with pytest.raises(errors.Unavailable if name in NOT_SENT else errors.OutcomeUnknown):
        await failing(error).start(WEBHOOK, {"prompt": "a cat"}, "key")
    for call in (*free_calls(failing(error)), failing(error).check_webhook()):
        with pytest.raises(errors.Unavailable):
            await call
    with pytest.raises(errors.PollError):
        await failing(error).poll("exec_1")
    with pytest.raises(errors.PollError):
        await failing(error).details("exec_1")
    assert await failing(error).healthy() is False


@pytest.mark.parametrize("name", sorted(raised_by_httpx()))
async def test_an_error_inside_the_body_is_mapped(name: str) -> None:
    """The request was sent: a run may have started, whatever is raised."""

    async def body() -> AsyncIterator[bytes]:
        yield b'{"executionId": '
        raise instance(raised_by_httpx()[name])

    def handler(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(202, content=body())

    with pytest.raises(errors.WireflowError):
        await client(handler).start(EXECUTE, {"nodes": []}, "key")
    for call in (*free_calls(client(handler)), client(handler).check_webhook()):
        with pytest.raises(errors.Unavailable):
            await call
    with pytest.raises(errors.PollError):
        await client(handler).poll("exec_1")
    assert await client(handler).healthy() is False


async def test_a_silent_vendor_times_out() -> None:
    async def handler(_request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(3600)
        return httpx.Response(200)

    loop, slow = asyncio.get_running_loop(), client(handler)
    calls: list[tuple[int, Coroutine[Any, Any, object]]] = [
        (8, slow.start(w, {}, "key")) for w in (WEBHOOK, RUN, EXECUTE)
    ]
    calls += [(10, slow.poll("e")), (10, slow.describe_inputs(RUN)), (60, slow.upload_image(PNG, "image/png"))]
    for seconds, call in calls:
        began = loop.time()
        with pytest.raises(errors.WireflowError):
            await call
        assert loop.time() - began == seconds


@pytest.mark.parametrize("workflow", [WEBHOOK, RUN, EXECUTE])
async def test_no_read_or_write_has_a_shorter_timeout_than_the_call(workflow: Workflow) -> None:
    """httpx has a timeout for each read and write; it must not end a call before the timeout of the call."""
    seen: list[Any] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.extensions["timeout"])
        return httpx.Response(200, json={"executionId": "exec_1", "url": "https://cdn.wireflow.test/a.png"})

    await client(handler).start(workflow, {}, "key")
    await client(handler).upload_image(PNG, "image/png")
    assert [(limits["read"], limits["write"]) for limits in seen] == [(None, None)] * 2


@pytest.mark.parametrize("status", [200, 400, 401, 402, 403, 404, 409, 413, 415, 422, 429, 500, 502, 503, 301])
async def test_no_error_quotes_a_workflow_or_the_key(status: int) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        text = f"{request.method} {request.url} with Bearer {KEY} for {SAVED.upper()} is refused {KEY[:-1]}"
        headers = {"Location": f"https://{SAVED.replace('_', '-')}.test/{HOOK}?k={KEY}"}
        return httpx.Response(status, json={"error": text, SAVED: 1}, headers=headers)

    here = client(handler)
    calls = [here.start(workflow, {"prompt": "x"}, "key") for workflow in (WEBHOOK, RUN, EXECUTE)]
    calls += free_calls(here) if status == 200 else [*free_calls(here), here.check_webhook(), here.poll("exec_1")]
    for call in calls:
        with pytest.raises(errors.WireflowError) as caught:
            await call
        assert not any(secret in str(caught.value).lower() for secret in (HOOK, KEY, SAVED, KEY[:-1]))


async def test_nothing_that_is_kept_of_a_response_quotes_a_workflow_or_the_key() -> None:
    url = f"https://cdn.wireflow.test/{SAVED}/a.png"
    node = {"nodeId": "gen-1", "label": f"Model of {SAVED}", "status": SAVED, "outputUrl": url}
    told = {"status": "FAILED", "error": f"{SAVED} or {HOOK}", SAVED: KEY, "nodeStates": [node]}
    said = await client(lambda _request: httpx.Response(200, json=told)).poll("exec_1")
    assert said.image_urls == (url,), "a redacted URL could not be copied"
    assert said.steps[0].label == "Model of [REDACTED]"
    kept = repr(replace(said, images=()))
    assert not any(secret in kept for secret in (HOOK, KEY, SAVED))


@pytest.mark.parametrize("workflow", [RUN, EXECUTE])
async def test_the_id_of_a_workflow_is_not_mistaken_for_that_of_a_run(workflow: Workflow) -> None:
    with pytest.raises(errors.NoExecutionId):
        await client(lambda _request: httpx.Response(201, json={"id": SAVED})).start(workflow, {}, "key")


@pytest.mark.parametrize(("path", "workflow"), STARTS)
async def test_the_paid_call_is_one_post_with_our_key_and_the_api_key_if_required(
    path: str, workflow: Workflow
) -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(202, json={"executionId": "exec_1"})

    started = await client(handler).start(workflow, {"prompt": "a cat", "n": [1, None]}, "job.1")
    (request,) = seen
    assert started.execution_id == "exec_1"
    assert (request.method, str(request.url)) == ("POST", BASE + path)
    assert request.headers["idempotency-key"] == "job.1"
    assert request.headers["content-type"] == "application/json"
    assert request.headers.get("authorization") == (None if workflow is WEBHOOK else f"Bearer {KEY}")
    assert request.content == b'{"prompt":"a cat","n":[1,null]}'


async def test_a_workflow_is_described() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        told = {"nodeId": "input-1", "label": f"Prompt of {SAVED}", "type": "TEXT", "required": True}
        return httpx.Response(200, json={"data": {"inputs": [told]}})

    found = await client(handler).describe_inputs(RUN)
    assert found == (NodeInput(node_id="input-1", label="Prompt of [REDACTED]", kind="text", required=True),)
    assert (seen[0].method, str(seen[0].url)) == ("GET", f"{BASE}/workflows/{SAVED}/run")
    assert seen[0].headers["authorization"] == f"Bearer {KEY}"


async def test_an_input_image_is_uploaded_as_a_file_of_a_form() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(201, json={"data": {"url": f"https://cdn.wireflow.test/{SAVED}.png"}})

    url = await client(handler).upload_image(PNG, "image/png")
    assert url == f"https://cdn.wireflow.test/{SAVED}.png"
    assert (seen[0].method, str(seen[0].url)) == ("POST", f"{BASE}/media/upload")
    assert seen[0].headers["authorization"] == f"Bearer {KEY}"
    form = message_from_bytes(
        b"Content-Type: " + seen[0].headers["content-type"].encode() + b"\r\n\r\n" + seen[0].content
    )
    (part,) = form.get_payload()
    assert part.get_param("name", header="content-disposition") == "file"
    assert (part.get_filename(), part.get_content_type()) == ("image.png", "image/png")
    assert PNG in seen[0].content


async def test_an_input_image_that_is_too_large_is_refused_without_a_call() -> None:
    def handler(_request: httpx.Request) -> httpx.Response:
        raise AssertionError("no call")

    with pytest.raises(errors.RequestRefused):
        await client(handler).upload_image(bytes(UPLOAD_LIMIT + 1), "image/png")


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        *((status, errors.RequestRefused, "invalid_request") for status in (400, 413, 415, 422)),
        *((status, errors.OperatorMustAct, "key_refused") for status in (401, 403)),
        (402, errors.OutOfCredits, "insufficient_credits"),
        (404, errors.OperatorMustAct, "workflow_not_found"),
        (307, errors.Redirected, "configuration"),
        (429, errors.RateLimited, "rate_limited"),
        *((status, errors.Unavailable, "upstream_unreachable") for status in (200, 204, 408, 409, 500, 502, 503, 599)),
    ],
)
async def test_a_refused_free_call_says_who_must_act_and_when(
    status: int, kind: type[errors.WireflowError], code: str
) -> None:
    def handler(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json={"error": "Workflow is not active"}, headers={"Retry-After": "42"})

    for call in free_calls(client(handler)):
        with pytest.raises(errors.WireflowError) as caught:
            await call
        assert (type(caught.value), caught.value.code) == (kind, code)
        if status in {429, 503}:
            assert caught.value.retry_at == VirtualClock().now() + timedelta(seconds=42)


async def test_polls_have_the_api_key_and_ids_are_url_encoded() -> None:
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
        await client(handler).start(EXECUTE, {"nodes": []}, "key")
    for call in free_calls(client(handler)):
        with pytest.raises(errors.OperatorMustAct):
            await call
    with pytest.raises(errors.PollError):
        await client(handler).poll("exec_1")
    assert len(seen) == 4


async def test_an_endless_response_is_not_read_to_its_end() -> None:
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 65_536
            yield b" " * 65_536

    with pytest.raises(errors.NoExecutionId):
        await client(lambda _request: httpx.Response(202, content=body())).start(RUN, {}, "key")
    assert sent <= 2 * BODY_LIMIT


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (204, False), (301, False), (404, False), (500, False)])
async def test_only_a_200_is_healthy(status: int, healthy: bool) -> None:
    assert await client(lambda _request: httpx.Response(status)).healthy() is healthy

"""Large responses: interpreted in bounded time and memory, and never cut within what they say."""

import gzip
import json
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator

import httpx
import pytest

from shared.ports import RunState
from shared.wireflow import client as client_module
from shared.wireflow import errors
from shared.wireflow.client import WireflowClient
from shared.wireflow.response_body import BODY_LIMIT, CHUNK, TEXT_BYTES_LIMIT, read_body
from shared.workflows import Mode, Workflow
from tests.harness.virtual_time import VirtualClock

HOOK = Workflow(name="default", mode=Mode.WEBHOOK, id="hook")
URL = "https://cdn.wireflow.ai/outputs/a.png"
MIB = 1024 * 1024


def run(noise: str) -> bytes:
    node = f'{{"nodeId":"gen-1","status":"COMPLETED","output":{{"b64":{noise},"url":"{URL}"}}}}'
    return f'{{"status":"COMPLETED","noise":{noise},"nodeResults":{{"nodeRuns":[{node}]}}}}'.encode()


def streamed(body: bytes, size: int = 60_000, **headers: str) -> httpx.Response:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), size):
            yield body[start : start + size]

    return httpx.Response(200, content=chunks(), headers={n.replace("_", "-"): v for n, v in headers.items()})


def client(response: httpx.Response) -> WireflowClient:
    transport = httpx.MockTransport(lambda _request: response)
    return WireflowClient("https://www.wireflow.test/api/v1", "hook", "sk", VirtualClock(), transport)


TINY = {
    "objects": "[" + "{}," * (2 * MIB // 3) + "{}]",
    "lists": "[" + "[]," * (2 * MIB // 3) + "[]]",
    "names": "{" + ",".join(f'"k{n}":{{}}' for n in range(2 * MIB // 14)) + "}",
    "texts": "[" + '"",' * (2 * MIB // 3) + '""]',
    "numbers": "[" + "7," * MIB + "7]",
    "deep": "[" * 500 + "{}," * 100_000 + "{}" + "]" * 500,
    "nodes": "[" + '{"nodeId":"a","output":"x"},' * 40_000 + "{}]",
}


@pytest.mark.parametrize("kind", TINY)
async def test_four_mib_of_tiny_values_take_little_time_and_hide_nothing(kind: str) -> None:
    began = time.process_time()
    response = await client(streamed(run(TINY[kind]))).poll("exec_1")
    assert (response.state, response.image_urls) == (RunState.COMPLETED, (URL,))
    assert time.process_time() - began < 5


@pytest.mark.parametrize("size", [5 * MIB, 20 * MIB])
@pytest.mark.parametrize("content", ["A", "\\/", "\\u00e9", 'é"'.replace('"', '\\"'), "\\\\"])
async def test_an_image_in_base64_beside_the_url_is_skipped(size: int, content: str) -> None:
    body = run(f'"{content * (size // len(content))}"')
    tracemalloc.start()
    response = await client(streamed(body)).poll("exec_1")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (response.state, response.image_urls) == (RunState.COMPLETED, (URL,))
    assert peak < 3 * MIB


@pytest.mark.parametrize("length", [9_000, 16_000, 32_000])
async def test_base64_in_many_texts_is_skipped(length: int) -> None:
    body = run(json.dumps([("A" * (length - 1) + '"')] * (6 * MIB // length)))
    assert len(body) > 2 * BODY_LIMIT
    response = await client(streamed(body)).poll("exec_1")
    assert (response.state, response.image_urls) == (RunState.COMPLETED, (URL,))


async def test_a_long_data_url_is_a_result_that_cannot_be_copied() -> None:
    for size in (10_000, 5 * MIB):
        data = f'"data:image/png;base64,{"A" * size}"'
        body = f'{{"status":"COMPLETED","output":{{"url":{data}}},"other":{data}}}'.encode()
        assert (await client(streamed(body)).poll("exec_1")).image_urls == ("data:image/png",)


@pytest.mark.parametrize("size", [97, 1_000, CHUNK - 1, CHUNK, CHUNK + 1, 300_000])
async def test_a_body_is_the_same_however_it_arrives(size: int) -> None:
    texts = ["", "\\", '"', '\\"', "é\\u0000\n", "x" * TEXT_BYTES_LIMIT, '\\"' * 5_000]
    body = json.dumps({"texts": texts, "long": "\\" * 100_000, "end": ["]", 1]}).encode()
    found = json.loads(await read_body(streamed(body, size)))
    assert found == {"texts": texts, "long": "", "end": ["]", 1]}


async def test_a_body_that_is_too_large_is_cut() -> None:
    assert len(await read_body(streamed(b'[1,"' * (2 * MIB)))) <= BODY_LIMIT + 2 * CHUNK


# --- content encodings -----------------------------------------------------------------------------------------------


async def test_no_content_encoding_is_requested() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"status": "RUNNING"})

    here = WireflowClient("https://w.test/api/v1", "h", "k", VirtualClock(), httpx.MockTransport(handler))
    await here.poll("exec_1")
    assert seen[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip", "deflate"])
async def test_a_compressed_response_is_read_all_the_same(encoding: str) -> None:
    body = run('"x"')
    packed = zlib.compress(body) if encoding == "deflate" else gzip.compress(body[:50]) + gzip.compress(body[50:])
    for size in (1, 20, 60_000):
        response = await client(streamed(packed, size, content_encoding=encoding)).poll("exec_1")
        assert response.image_urls == (URL,)


async def test_a_compression_bomb_is_read_in_bounded_memory() -> None:
    bomb = gzip.compress(b'{"status":"RUNNING","x":"' + b"x" * (64 * MIB) + b'"}')
    tracemalloc.start()
    response = await client(streamed(bomb, content_encoding="gzip")).poll("exec_1")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert response.state is RunState.RUNNING
    assert peak < 3 * MIB


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "gzip, br", "zstd", ", ".join(["gzip"] * 5)])
async def test_what_cannot_be_decoded_is_retried(encoding: str) -> None:
    body = gzip.compress(gzip.compress(b" " * MIB))
    with pytest.raises(errors.PollError):
        await client(streamed(body, content_encoding=encoding)).poll("exec_1")


@pytest.mark.parametrize("encoding", ["gzip, gzip", "identity, gzip", "gzip, aws-chunked", "deflate,gzip", "raw"])
async def test_a_list_of_content_encodings_is_decoded(encoding: str) -> None:
    body = run('"x"')
    for name in encoding.split(","):
        body = gzip.compress(body) if name.strip() in {"gzip", "deflate"} else body
    if encoding == "raw":  # some servers send deflate without the zlib header
        body, encoding = zlib.compress(body, wbits=-zlib.MAX_WBITS), "deflate"
    for size in (1, 60_000):
        response = await client(streamed(body, size, content_encoding=encoding)).poll("exec_1")
        assert response.image_urls == (URL,)


@pytest.mark.parametrize("encoding", ["br", "gzip", ", ".join(["gzip"] * 5)])
async def test_the_status_counts_although_the_body_cannot_be_decoded(encoding: str) -> None:
    def responding(status: int) -> WireflowClient:
        found = streamed(b"not compressed", content_encoding=encoding)
        found.status_code = status
        return client(found)

    for status, kind in ((402, errors.OutOfCredits), (429, errors.RateLimited), (202, errors.NoExecutionId)):
        with pytest.raises(kind):
            await responding(status).start(HOOK, {"prompt": "a cat"}, "key")


async def test_empty_members_are_bounded() -> None:
    body = gzip.compress(b"") * 100_000 + gzip.compress(run('"x"'))
    with pytest.raises(errors.PollError):
        await client(streamed(body, content_encoding="gzip")).poll("exec_1")


async def test_an_invalid_compression_is_retried() -> None:
    for body in (b"{}", gzip.compress(run('"x"'))[:60]):
        with pytest.raises(errors.PollError):
            await client(streamed(body, content_encoding="gzip")).poll("exec_1")


async def test_a_large_response_is_interpreted_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[object] = []

    async def to_thread(reader: object, *arguments: object) -> object:
        threads.append(reader)
        return reader(*arguments)  # type: ignore[operator]

    monkeypatch.setattr(client_module.asyncio, "to_thread", to_thread)
    await client(streamed(run('"x"'))).poll("exec_1")
    assert not threads
    await client(streamed(run(TINY["numbers"]))).poll("exec_1")
    assert len(threads) == 1

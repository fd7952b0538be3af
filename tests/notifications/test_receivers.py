"""One attempt to deliver a message over real sockets: bounded in time and memory, and only to allowed addresses."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from shared.callbacks import BODY_LIMIT
from shared.notifications.port import DeliveryFailed
from shared.notifications.receivers import HttpReceivers
from shared.runtime.endpoints import MAX_DELIVERIES
from shared.wiring import RESOLVER_THREADS

Write = Callable[[bytes], Awaitable[None]]
BODY = b'{"type": "image.completed"}'


class Server:
    """A server on this machine. `respond` writes the response; `requests` are those received."""

    def __init__(self, respond: Callable[[Write], Awaitable[None]]) -> None:
        self.requests: list[bytes] = []
        self.connections: list[asyncio.Task[None]] = []
        self.port = 0
        self._respond = respond

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(asyncio.create_task(self._handle(reader, writer)))

    async def close(self) -> None:
        """End what still responds: the loop is about to close."""
        for connection in self.connections:
            connection.cancel()
        await asyncio.gather(*self.connections, return_exceptions=True)

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def write(raw: bytes) -> None:
            writer.write(raw)
            await writer.drain()

        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                head = await reader.readuntil(b"\r\n\r\n")
                self.requests.append(head + await reader.readexactly(len(BODY)))
                await self._respond(write)
        finally:
            writer.transport.abort()
            await asyncio.sleep(0)  # the transport closes


@asynccontextmanager
async def serving(respond: Callable[[Write], Awaitable[None]]) -> AsyncIterator[Server]:
    made = Server(respond)
    server = await asyncio.start_server(made.accept, "127.0.0.1", 0)
    async with server:
        made.port = server.sockets[0].getsockname()[1]
        yield made
        server.close()
        await made.close()


def once(*raw: bytes) -> Callable[[Write], Awaitable[None]]:
    async def respond(write: Write) -> None:
        for piece in raw:
            await write(piece)

    return respond


def endless(head: bytes, piece: bytes, pause: float = 0.0) -> Callable[[Write], Awaitable[None]]:
    async def respond(write: Write) -> None:
        await write(head)
        while True:
            await write(piece)
            await asyncio.sleep(pause)

    return respond


def local(seconds: float = 5.0, **settings: Any) -> HttpReceivers:
    known: dict[str, Any] = {"allow_private": True, "resolve": lambda _host, _port: ["127.0.0.1"]}
    return HttpReceivers(("receiver.test",), ThreadPoolExecutor(1), seconds=seconds, **{**known, **settings})


async def post(server: Server, path: str = "/hook?secret=1&x=%20", seconds: float = 5.0) -> Any:
    receivers = local(seconds)
    try:
        return await receivers.post(f"http://receiver.test:{server.port}{path}", {"webhook-id": "m1"}, BODY)
    finally:
        await receivers.close()


async def test_a_message_arrives_unchanged_and_its_query_is_kept() -> None:
    async with serving(once(b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok")) as server:
        response = await post(server)
    assert (response.status, response.body, response.retry_after) == (202, None, None)
    (request,) = server.requests
    lines = request.decode().lower().split("\r\n")
    assert lines[0] == "post /hook?secret=1&x=%20 http/1.1"
    assert {f"host: receiver.test:{server.port}", "webhook-id: m1", "accept-encoding: identity"} <= set(lines)
    assert request.endswith(BODY)


async def test_the_body_of_a_success_is_not_waited_for() -> None:
    async with serving(endless(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n", b"x", 0.05)) as server:
        async with asyncio.timeout(2.0):
            assert (await post(server)).status == 200


async def test_at_most_1_kib_of_a_failure_is_read() -> None:
    async with serving(endless(b"HTTP/1.1 500 No\r\nContent-Length: 100000000000\r\n\r\n", b"y" * 65_536)) as server:
        response = await post(server)
    assert (response.status, response.body) == (500, "y" * BODY_LIMIT)


@pytest.mark.parametrize(
    ("raw", "text"), [(b"", None), (b"\xff\x00a\xf0\x9f\x98\x80", "a😀"), (b"\xf0\x9f" * 600, None)]
)
async def test_a_body_that_is_no_text_is_kept_as_far_as_it_is(raw: bytes, text: str | None) -> None:
    async with serving(once(b"HTTP/1.1 500 No\r\nContent-Length: %d\r\n\r\n" % len(raw), raw)) as server:
        assert (await post(server)).body == text


async def test_a_failure_whose_body_is_cut_off_has_its_status() -> None:
    async with serving(once(b"HTTP/1.1 503 No\r\nRetry-After: 7\r\nContent-Length: 99\r\n\r\nno")) as server:
        response = await post(server)
    assert (response.status, response.body, response.retry_after) == (503, "no", "7")


@pytest.mark.parametrize("status", [410, 503])
async def test_a_failure_whose_body_trickles_has_its_status(status: int) -> None:
    head = b"HTTP/1.1 %d No\r\nRetry-After: 7\r\nContent-Length: 1000\r\n\r\n" % status
    async with serving(endless(head, b"z", 0.05)) as server, asyncio.timeout(3.0):
        response = await post(server)
    assert (response.status, response.retry_after) == (status, "7")


async def test_a_redirect_is_returned_and_not_followed() -> None:
    async with serving(once(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as elsewhere:
        location = f"http://receiver.test:{elsewhere.port}/".encode()
        redirect = b"HTTP/1.1 307 Go\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % location
        async with serving(once(redirect)) as server:
            assert (await post(server)).status == 307
    assert elsewhere.requests == []


@pytest.mark.parametrize(
    "respond",
    [
        endless(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n", 0.05),
        endless(b"", b"", 0.05),
    ],
    ids=["trickling headers", "silence"],
)
async def test_a_response_that_trickles_ends_with_the_attempt(respond: Callable[[Write], Awaitable[None]]) -> None:
    async with serving(respond) as server, asyncio.timeout(3.0):
        with pytest.raises(TimeoutError):
            await post(server, seconds=0.5)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"h" * 300_000,
        b"HTTP/1.1 302 Go\r\nLocation: https://xn--a.test/\r\nContent-Length: 0\r\n\r\n",  # which httpx decodes
    ],
    ids=["nothing", "garbage", "endless header", "redirect to an invalid name"],
)
async def test_no_valid_response_is_a_failure(raw: bytes) -> None:
    async with serving(once(raw)) as server:
        with pytest.raises(DeliveryFailed, match="no valid response"):
            await post(server)


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        ("https://receiver.test/", ["127.0.0.1"]),
        ("https://other.test/", ["10.0.0.7"]),
        ("https://other.test/", ["93.184.216.34", "169.254.169.254"]),
        ("https://other.test/", ["::ffff:127.0.0.1"]),
        ("http://other.test/", ["93.184.216.34"]),
        ("https://other.test:8443/", ["93.184.216.34"]),
        ("https://127.1/", ["127.0.0.1"]),
        ("https://[::1]/", ["::1"]),
        ("https://x.metadata.google.internal/", ["169.254.169.254"]),
    ],
)
async def test_what_is_not_public_is_never_called(url: str, addresses: Sequence[str]) -> None:
    """A listed host may be private only with ALLOW_PRIVATE_NETWORK, and any other host never."""
    allowed = "receiver.test" not in url
    receivers = local(allow_private=allowed, resolve=lambda _host, _port: addresses)
    with pytest.raises(DeliveryFailed, match="not allowed"):
        await receivers.post(url, {}, BODY)
    await receivers.close()


async def test_a_host_that_does_not_resolve_is_a_failure() -> None:
    receivers = local(resolve=lambda _host, _port: [])
    with pytest.raises(DeliveryFailed):
        await receivers.post("http://receiver.test/", {}, BODY)
    await receivers.close()


async def test_the_slow_name_servers_of_a_caller_leave_threads_for_other_names() -> None:
    """Its deliveries end after 15 s, the threads that resolve its names at about twice that."""
    over = threading.Event()

    def resolve(host: str, _port: int) -> Sequence[str]:
        if host.startswith("slow"):
            over.wait(10.0)
        return ["127.0.0.1"]

    receivers = HttpReceivers(
        ("test",), ThreadPoolExecutor(RESOLVER_THREADS), seconds=0.5, allow_private=True, resolve=resolve
    )
    async with serving(once(b"HTTP/1.1 204 No Content\r\n\r\n")) as server:
        try:
            for turn in range(2):
                urls = [f"https://slow{turn}-{number}.test/" for number in range(MAX_DELIVERIES // 2)]
                slow = await asyncio.gather(*(receivers.post(url, {}, BODY) for url in urls), return_exceptions=True)
                assert {type(error) for error in slow} == {TimeoutError}
            assert (await receivers.post(f"http://live.test:{server.port}/", {}, BODY)).status == 204
        finally:
            over.set()
            await receivers.close()

"""Each call of Wireflow has a connection of its own: over real sockets, on the loop of Python and on uvloop."""

import asyncio
import gc
import select
import socket
import ssl
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from typing import Any

import httpx
import pytest
import uvloop

from shared.wireflow import errors
from shared.wireflow.client import WireflowClient
from shared.wireflow.transport import ConnectionPerCall
from shared.workflows import Mode, Workflow
from tests.harness.virtual_time import VirtualClock
from tests.servers.authority import Authority

HOOK = Workflow(name="default", mode=Mode.WEBHOOK, id="hook")
STARTED = b'{"executionId": "exec_1"}'
AUTHORITY = Authority()
MIB = 1024 * 1024

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Call = Callable[[WireflowClient], Awaitable[Any]]
Loop = Callable[[], asyncio.AbstractEventLoop]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> Loop:
    return request.param


class Server:
    """A server that handles each connection with `serve`. `ended`: how many the client has closed."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self.accepted = self.ended = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.ended += 1
        finally:
            writer.transport.abort()


def call(loop: Loop, serve: Serve, make: Call, *, tls: bool = False, trusted: bool = True, host: str = "") -> Server:
    """Run a server and make calls of it."""
    server = Server(serve)

    async def main() -> None:
        context = AUTHORITY.server("localhost") if tls else None
        async with await asyncio.start_server(server.handle, "127.0.0.1", 0, ssl=context) as listening:
            port = listening.sockets[0].getsockname()[1]
            transport = ConnectionPerCall(AUTHORITY.client() if trusted else None)
            url = f"{'https' if tls else 'http'}://{host or 'localhost'}:{port}/api/v1"
            client = WireflowClient(url, "hook", "sk", VirtualClock(), transport)
            await make(client)
            await client.close()
            await asyncio.sleep(0.05)  # the server learns that its connections are closed

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())
    gc.collect()  # a connection that was left open would be a ResourceWarning, which is an error
    return server


async def request_of(reader: asyncio.StreamReader) -> bytes:
    """Read a request with its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return head + await reader.readexactly(int(length))


async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Respond to every request of a connection, as a server that keeps it open."""
    while True:
        await request_of(reader)
        writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: %d\r\n\r\n%s" % (len(STARTED), STARTED))
        await writer.drain()


async def start(client: WireflowClient) -> None:
    assert (await client.start(HOOK, {"prompt": "a cat"}, "key")).execution_id == "exec_1"


def expecting(error: type[Exception], match: str) -> Call:
    async def fail(client: WireflowClient) -> None:
        with pytest.raises(error, match=match):
            await client.start(HOOK, {"prompt": "a cat"}, "key")

    return fail


@pytest.mark.parametrize("tls", [False, True])
def test_each_call_opens_a_connection_and_closes_it(loop: Loop, tls: bool) -> None:
    async def three(client: WireflowClient) -> None:
        for _ in range(3):
            await start(client)

    server = call(loop, respond, three, tls=tls)
    assert (server.accepted, server.ended) == (3, 3)


@pytest.mark.parametrize("listens", [True, False], ids=["silent", "refusing"])
def test_another_address_of_the_name_is_tried(loop: Loop, listens: bool) -> None:
    """RFC 8305. The backlog of the one that listens is full: it ignores further connections."""
    kind: Any = type(probe := loop())
    probe.close()
    with socket.socket() as first, socket.socket() as waiting:
        first.bind(("127.0.0.1", 0))
        if listens:
            first.listen(0)
            waiting.connect(first.getsockname())

        class Resolving(kind):
            async def getaddrinfo(self, host: Any, *args: Any, **options: Any) -> list[Any]:
                found = await super().getaddrinfo(host, *args, **options)
                return [(*found[0][:4], first.getsockname()), *found] if host == "localhost" else found

        call(Resolving, respond, start)


def test_a_port_where_nothing_listens_means_that_nothing_was_sent(loop: Loop) -> None:
    async def refused(_client: WireflowClient) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{free.getsockname()[1]}/api/v1"
        await expecting(errors.Unavailable, r"ConnectError")(WireflowClient(url, "hook", "sk", VirtualClock()))

    call(loop, respond, refused)


@pytest.mark.parametrize("url", ["ftp://localhost/api/v1", "localhost/api/v1"])
def test_a_url_that_cannot_be_called_means_that_nothing_was_sent(loop: Loop, url: str) -> None:
    async def make(_client: WireflowClient) -> None:
        client = WireflowClient(url, "hook", "sk", VirtualClock())
        await expecting(errors.Unavailable, "could not be reached")(client)

    call(loop, respond, make)


@pytest.mark.parametrize("host", ["a..b", "a" * 64 + ".example", "nowhere.invalid"])
def test_a_name_that_leads_nowhere_means_that_nothing_was_sent(loop: Loop, host: str) -> None:
    server = call(loop, respond, expecting(errors.Unavailable, "could not be reached"), host=host)
    assert server.accepted == 0


def test_an_untrusted_certificate_means_that_nothing_was_sent(loop: Loop) -> None:
    received = []

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        received.append(await reader.read(1))

    call(loop, serve, expecting(errors.Unavailable, "ConnectError"), tls=True, trusted=False)
    assert b"".join(received) == b""


def test_a_certificate_of_another_name_means_that_nothing_was_sent(loop: Loop) -> None:
    call(loop, respond, expecting(errors.Unavailable, "ConnectError"), tls=True, host="127.0.0.1")


def test_a_server_that_does_not_speak_tls_means_that_nothing_was_sent(loop: Loop) -> None:
    async def make(client: WireflowClient) -> None:
        url = client._base_url.replace("http:", "https:")
        tls = WireflowClient(url, "hook", "sk", VirtualClock(), ConnectionPerCall(AUTHORITY.client()))
        await expecting(errors.Unavailable, "ConnectError")(tls)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    call(loop, serve, make)


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize(
    "response", [b"", b"HTTP/1.1 202 Acc", b"HTTP/1.1 202 Accepted\r\nContent-Length: 99\r\n\r\n{"]
)
def test_a_connection_that_ends_early_is_an_unknown_outcome(loop: Loop, response: bytes, tls: bool) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(response)
        await writer.drain()
        writer.close()
        await reader.read()

    call(loop, serve, expecting(errors.OutcomeUnknown, "did not confirm"), tls=tls)


def test_a_response_that_is_sent_before_the_handshake_is_never_taken_for_the_servers(loop: Loop) -> None:
    """Someone on the way sends one in clear text, and then lets the server speak."""
    forged = b"HTTP/1.1 202 Accepted\r\nContent-Length: %d\r\n\r\n%s" % (len(STARTED), STARTED)

    async def through_a_stranger(client: WireflowClient) -> None:
        port = httpx.URL(client._base_url).port
        with closing(socket.create_server(("127.0.0.1", 0))) as between:
            threading.Thread(target=relay, args=(between, port, forged), daemon=True).start()
            url = f"https://localhost:{between.getsockname()[1]}/api/v1"
            attacked = WireflowClient(url, "hook", "sk", VirtualClock(), ConnectionPerCall(AUTHORITY.client()))
            for _ in range(20):  # how much arrives before the handshake is a matter of microseconds
                await expecting(errors.Unavailable, "ConnectError")(attacked)

    call(loop, respond, through_a_stranger, tls=True)


def relay(between: socket.socket, port: int | None, first: bytes) -> None:
    """Pass on what each client sends, after it was sent something else."""
    with suppress(OSError):  # it is closed
        while True:
            client, _ = between.accept()
            client.sendall(first)
            threading.Thread(target=exchange, args=(client, port), daemon=True).start()


def exchange(client: socket.socket, port: int | None) -> None:
    """Pass on a handshake, a request, and its response, each when it comes, until one side ends."""
    with client, socket.create_connection(("127.0.0.1", port or 0)) as server, suppress(OSError):
        while True:
            for sender in select.select([client, server], [], [])[0]:
                passed = sender.recv(64 * 1024)
                if not passed:
                    return
                (server if sender is client else client).sendall(passed)


def test_a_connection_that_is_reset_is_an_unknown_outcome(loop: Loop) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        linger = (1).to_bytes(4, "little") + bytes(4)  # no time: a reset instead of an end
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    call(loop, serve, expecting(errors.OutcomeUnknown, "did not confirm"))


@pytest.mark.parametrize("tls", [False, True])
def test_an_upload_that_is_read_slowly_arrives_complete(loop: Loop, tls: bool) -> None:
    received = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(len(await request_of(reader)))
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 29\r\n\r\n{"url": "https://w.test/a.png')
        writer.write(b'"}')

    async def upload(client: WireflowClient) -> None:
        with pytest.raises(errors.WireflowError):  # whatever the response: this is about the request
            await client.upload_image(bytes(10 * MIB), "image/png")

    call(loop, serve, upload, tls=tls)
    assert received[0] > 10 * MIB


def test_a_refusal_that_comes_before_the_upload_is_read_is_understood(loop: Loop) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        await writer.drain()
        writer.write_eof()
        while await reader.read(MIB):
            pass

    async def upload(client: WireflowClient) -> None:
        with pytest.raises(errors.RequestRefused):
            await client.upload_image(bytes(4 * MIB), "image/png")

    call(loop, serve, upload)


@pytest.mark.parametrize("tls", [False, True])
def test_a_large_response_is_read_to_its_end(loop: Loop, tls: bool) -> None:
    size = 3 * MIB

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        rest = b" " * (size - len(STARTED)) + STARTED
        writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: %d\r\n\r\n" % size)
        for first in range(0, size, 256 * 1024):
            writer.write(rest[first : first + 256 * 1024])
            await writer.drain()
        await reader.read()

    call(loop, serve, start, tls=tls)


def test_a_canceled_call_closes_its_connection(loop: Loop) -> None:
    async def cancel(client: WireflowClient) -> None:
        calling = asyncio.create_task(client.start(HOOK, {"prompt": "a cat"}, "key"))
        await asyncio.wait([calling], timeout=0.2)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        await reader.readexactly(1)

    server = call(loop, serve, cancel)
    assert (server.accepted, server.ended) == (1, 1)


@pytest.mark.parametrize("tls", [False, True])
def test_a_call_that_is_canceled_at_any_moment_leaves_nothing_open(loop: Loop, tls: bool) -> None:
    async def cancel(client: WireflowClient) -> None:
        await start(client)
        for turns in range(60):
            calling = asyncio.create_task(start(client))
            for _ in range(turns):
                await asyncio.sleep(0)
                time.sleep(0.0005)  # noqa: ASYNC251 the network is faster than the loop
            calling.cancel()
            with suppress(asyncio.CancelledError):
                await calling

    server = call(loop, respond, cancel, tls=tls)
    assert server.ended == server.accepted


def test_a_cancellation_is_not_lost_while_other_attempts_to_connect_end() -> None:
    """aiohappyeyeballs 2.7.1 loses one, on the loop of Python."""
    started: list[int] = []
    with socket.socket() as silent, socket.socket() as waiting:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        waiting.connect(silent.getsockname())

        class Resolving(asyncio.SelectorEventLoop):
            async def getaddrinfo(self, host: Any, *args: Any, **options: Any) -> list[Any]:
                found = await super().getaddrinfo(host, *args, **options)
                return [(*found[0][:4], silent.getsockname()), *found] if host == "localhost" else found

        async def cancel(client: WireflowClient) -> None:
            for turns in range(12):
                calling = asyncio.create_task(start(client))
                while len(asyncio.all_tasks()) < 5:  # noqa: ASYNC110 until both addresses are tried
                    await asyncio.sleep(0)
                for _ in range(turns):
                    await asyncio.sleep(0)
                if not calling.done():
                    calling.cancel()
                    await asyncio.wait([calling])
                    started.extend([turns] * (not calling.cancelled()))

        call(Resolving, respond, cancel)
    assert started == []


@pytest.mark.parametrize(("step", "error"), [("read", httpx.ReadTimeout), ("write", httpx.WriteTimeout)])
def test_the_time_limits_of_a_request_hold(loop: Loop, step: str, error: type[httpx.TimeoutException]) -> None:
    async def wait(client: WireflowClient) -> None:
        timeout = {"timeout": {step: 0.05}}
        request = httpx.Request("POST", client._base_url, content=bytes(20 * MIB), extensions=timeout)
        with pytest.raises(error):
            await client._transport.handle_async_request(request)

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        if step == "read":
            await request_of(reader)
        await asyncio.sleep(0.3)

    call(loop, serve, wait)


def test_the_handshake_has_a_time_limit(loop: Loop) -> None:
    async def wait(client: WireflowClient) -> None:
        url = client._base_url.replace("http:", "https:")
        request = httpx.Request("GET", url, extensions={"timeout": {"connect": 0.1}})
        with pytest.raises(httpx.ConnectTimeout):
            await ConnectionPerCall(AUTHORITY.client()).handle_async_request(request)

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(MIB)

    assert call(loop, serve, wait).ended == 1


def test_the_default_trusts_the_authorities_of_httpx() -> None:
    trusted = ConnectionPerCall()._tls
    assert trusted.verify_mode is ssl.CERT_REQUIRED
    assert trusted.check_hostname
    assert len(trusted.get_ca_certs()) == len(httpx.create_ssl_context(trust_env=False).get_ca_certs()) > 10

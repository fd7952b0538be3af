"""Clients on plain sockets: a client library would take longer than what is measured (here about 0.03 ms a request)."""

import asyncio
import itertools
import json
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, cast

import uvloop

BODY_LENGTH = b"content-length:"


class Client(asyncio.Protocol):
    """One connection that sends the next request as soon as it has a response, until a given time.

    `seconds`: how long each response took.
    """

    def __init__(self, requests: Iterator[bytes], until: float) -> None:
        self.seconds: list[float] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests, self._until = requests, until
        self._received = bytearray()
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if found and b" 202 " not in head.partition(b"\r\n")[0]:
            self.done.set_exception(AssertionError(self._received.decode(errors="replace")[:2000]))
            self._transport.close()
        if not found or self.done.done() or len(body) < _length(head):
            return
        now = time.perf_counter()
        self._received.clear()
        self.seconds.append(now - self._sent_at)
        if now < self._until:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done() and exc:
            self.done.set_exception(exc)
        elif not self.done.done():
            self.done.set_result(None)

    def _send(self) -> None:
        self._sent_at = time.perf_counter()
        self._transport.write(next(self._requests))


def load(port: int, clients: int, seconds: float) -> tuple[list[float], float]:
    """POST new prompts to `/` from so many clients at once; return how long each took, and how long all took."""
    return run(lambda: _load(port, clients, seconds))


def run(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run asynchronous work on the loop that costs least."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work())


async def _load(port: int, clients: int, seconds: float) -> tuple[list[float], float]:
    began, loop = time.perf_counter(), asyncio.get_running_loop()
    requests = _posts()
    made = [
        await loop.create_connection(lambda: Client(requests, began + seconds), "127.0.0.1", port)
        for _ in range(clients)
    ]
    await asyncio.wait_for(asyncio.gather(*(client.done for _, client in made)), seconds + 60)
    taken = [one for _, client in made for one in client.seconds]
    return taken, time.perf_counter() - began


def _posts() -> Iterator[bytes]:
    for number in itertools.count():
        body = json.dumps({"prompt": f"a red fox in the snow, number {number}", "aspect_ratio": "16:9"}).encode()
        head = f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        yield head.encode() + b"\r\n\r\n" + body


def _length(head: bytes) -> int:
    return int(head.lower().partition(BODY_LENGTH)[2].split(b"\r\n")[0])

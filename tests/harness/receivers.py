"""A receiver of notifications in virtual time: it records what it gets, and responds as a test says."""

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx

from tests.harness.world import World


@dataclass(frozen=True)
class Delivery:
    """A message as it arrived."""

    at: datetime
    url: httpx.URL
    headers: httpx.Headers
    raw: bytes

    @property
    def body(self) -> Any:
        """The JSON of the message."""
        return json.loads(self.raw)

    @property
    def id(self) -> str:
        """The id of the message."""
        return self.headers["webhook-id"]


class Receiver:
    """A site that takes messages. `answer` is a status, or returns a response to the n-th message, from 0."""

    def __init__(
        self, world: World, host: str, answer: int | Callable[[int], httpx.Response] = 204, seconds: float = 0.0
    ) -> None:
        self.url = f"https://{host}/hook?secret=qwertz"
        self.deliveries: list[Delivery] = []
        self.under_way = self.most_under_way = 0
        self.answer = answer
        self.seconds = seconds
        self._world = world
        world.vendor.sites[host] = self._respond

    def _respond(self, request: httpx.Request) -> Awaitable[httpx.Response]:
        return self._later(request)

    async def _later(self, request: httpx.Request) -> httpx.Response:
        raw = await request.aread()
        number = len(self.deliveries)
        self.deliveries.append(Delivery(self._world.clock.now(), request.url, request.headers, raw))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.under_way -= 1
        answer = httpx.Response(self.answer) if isinstance(self.answer, int) else self.answer(number)
        return httpx.Response(answer.status_code, headers=answer.headers, stream=httpx.ByteStream(answer.content))

    @property
    def pauses(self) -> list[timedelta]:
        """The times between the messages."""
        times = [delivery.at for delivery in self.deliveries]
        return [later - earlier for earlier, later in itertools.pairwise(times)]


def failing(times: int, status: int = 500, **headers: str) -> Callable[[int], httpx.Response]:
    """Return an answer that is `status` for the first messages, and then 204."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda number: httpx.Response(status, headers=named) if number < times else httpx.Response(204)

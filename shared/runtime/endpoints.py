"""The endpoints of receivers, as one instance knows them: a slow or dead one delays no other.

A few deliveries to one endpoint are in progress at the same time, and after repeated failures only one. The others do
not wait while their jobs are held: they are postponed, each to a different time.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from shared.ports import Clock

MAX_DELIVERIES = 64  # in progress at the same time; half as many for the jobs of one caller
PER_ENDPOINT = 4
PER_HOST = 16  # a host whose URLs are all different, such as one for each job, must leave room for others
FAILURES = 3  # in a row, after which an endpoint is tried by one delivery at a time
MAX_WAIT = 1.0  # seconds for a place among those of an endpoint; a healthy one has many in a second
MAX_POSTPONED = 600.0  # seconds
MAX_PAUSE = 3_600.0  # seconds for which a receiver may stop the deliveries of other jobs
MAX_ENDPOINTS = 1_000  # that are remembered


class Postponed(Exception):
    """The endpoint is busy or fails: the delivery is tried at `at`."""

    def __init__(self, at: datetime) -> None:
        super().__init__(at)
        self.at = at


@dataclass(slots=True)
class _Endpoint:
    """A URL, a host with its port, or the share of a caller. `limit`: of deliveries at once. Times are monotonic."""

    limit: int
    places: asyncio.Semaphore = field(init=False)
    under_way: int = 0
    failures: int = 0  # in a row
    seconds: float = 1.0  # that the last delivery took
    paused_until: float = 0.0
    last_turn: float = 0.0  # of those that were postponed

    def __post_init__(self) -> None:
        self.places = asyncio.Semaphore(self.limit)

    @property
    def broken(self) -> bool:
        return self.failures >= FAILURES


class Endpoints:
    """What this instance knows of each endpoint. `random`: from 0 to 1."""

    def __init__(self, clock: Clock, random: Callable[[], float]) -> None:
        self._clock = clock
        self._random = random
        self._deliveries = asyncio.Semaphore(MAX_DELIVERIES)
        self._known: OrderedDict[str, _Endpoint] = OrderedDict()

    @asynccontextmanager
    async def acquire(self, url: str, share: str) -> AsyncIterator[None]:
        """Occupy a place at the endpoint of `url`, at its host, and of `share`. Raise Postponed if none is free."""
        endpoint = self._endpoint(url)
        host = self._of(urlsplit(url).netloc.lower(), PER_HOST)
        own = self._of(f"share of {share}", MAX_DELIVERIES // 2)
        async with self._place(endpoint), self._place(host), self._place(own), self._deliveries:
            began = self._clock.monotonic()
            try:
                yield
            finally:
                endpoint.seconds = host.seconds = own.seconds = self._clock.monotonic() - began

    @asynccontextmanager
    async def _place(self, endpoint: _Endpoint) -> AsyncIterator[None]:
        if endpoint.paused_until > self._clock.monotonic() or (endpoint.broken and endpoint.under_way):
            raise Postponed(self._turn(endpoint))
        try:
            async with asyncio.timeout(MAX_WAIT):
                await endpoint.places.acquire()
        except TimeoutError:
            raise Postponed(self._turn(endpoint)) from None
        try:
            if endpoint.broken and endpoint.under_way:  # it has failed meanwhile
                raise Postponed(self._turn(endpoint))
            endpoint.under_way += 1
            try:
                yield
            finally:
                endpoint.under_way -= 1
        finally:
            endpoint.places.release()

    def succeeded(self, url: str) -> None:
        """A delivery was accepted, or refused as one that can be: the endpoint works."""
        endpoint = self._endpoint(url)
        endpoint.failures, endpoint.last_turn = 0, 0.0

    def failed(self, url: str) -> None:
        """A delivery failed."""
        self._endpoint(url).failures += 1

    def throttled(self, url: str, seconds: float) -> None:
        """The receiver asks for fewer messages, and for none within `seconds`."""
        endpoint = self._endpoint(url)
        endpoint.failures = max(endpoint.failures + 1, FAILURES)
        endpoint.paused_until = self._clock.monotonic() + min(seconds, MAX_PAUSE)

    def _endpoint(self, url: str) -> _Endpoint:
        """Return what is known of a URL without its query: receivers of many people share a host."""
        return self._of(url.partition("?")[0], PER_ENDPOINT)

    def _of(self, key: str, limit: int) -> _Endpoint:
        endpoint = self._known.setdefault(key, _Endpoint(limit))
        self._known.move_to_end(key)
        if len(self._known) > MAX_ENDPOINTS:
            idle = next((name for name, one in self._known.items() if not one.under_way and name != key), None)
            if idle:
                del self._known[idle]
        return endpoint

    def _turn(self, endpoint: _Endpoint) -> datetime:
        """Return a time for one more delivery: those that are postponed follow each other as the endpoint responds."""
        now = self._clock.monotonic()
        first = max(now + MAX_WAIT, endpoint.paused_until)
        spacing = endpoint.seconds / (1 if endpoint.broken else endpoint.limit)
        endpoint.last_turn = max(endpoint.last_turn, first) + spacing
        if endpoint.last_turn > (latest := first + MAX_POSTPONED):
            endpoint.last_turn = latest
            return self._clock.now() + timedelta(seconds=latest - now - self._random() * MAX_POSTPONED / 2)
        return self._clock.now() + timedelta(seconds=endpoint.last_turn - now)

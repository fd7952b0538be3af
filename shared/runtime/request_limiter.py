"""Limit the requests to Wireflow, per minute and concurrent."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from shared.ports import Clock
from shared.runtime.slots import Slots, WindowEnd
from shared.spending import pacing

MAX_POLLS = 16  # at a time: more concurrent connections make httpx slower, not faster
MAX_PREPARATIONS = 4
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Throttled(Exception):
    """The next request may be sent at `at` at the earliest, which is later than the caller can wait."""

    def __init__(self, at: datetime) -> None:
        super().__init__(f"not before {at:%H:%M:%S}")
        self.at = at


class RequestLimiter:
    """The limiter of one instance. Paid calls are only counted, polls wait, other requests wait behind polls.

    The budget counts in monotonic time: a clock that is set back must not stop requests.
    """

    def __init__(self, per_minute: int, clock: Clock, window: WindowEnd) -> None:
        self._budget = pacing.Budget(per_minute=per_minute)
        self._clock = clock
        self._window = window
        self._polls = Slots(MAX_POLLS, window)
        self._preparations = Slots(MAX_PREPARATIONS, window)
        self._polling, self._preparing = asyncio.Lock(), asyncio.Lock()
        self._polls_waiting = 0

    @asynccontextmanager
    async def acquire(self, before: datetime | None = None) -> AsyncIterator[None]:
        """Wait, first come first served, until a paid run may be polled, and count the request.

        Raise Throttled instead of waiting beyond `before` (a run's deadline) or the end of the window, WindowOver if
        there is no slot before that end.
        """
        async with self._polls.acquire():
            self._polls_waiting += 1
            try:
                async with self._polling:
                    await self._wait(before)
                    self.record(self._clock.now())
            finally:
                self._polls_waiting -= 1
            yield

    @asynccontextmanager
    async def acquire_behind_polls(self, before: datetime | None = None) -> AsyncIterator[None]:
        """The same for a request that prepares a job: what is not paid yet waits while polls wait."""
        async with self._preparations.acquire():
            async with self._preparing:
                await self._wait(before)
                while self._polls_waiting:
                    await self._clock.sleep(0)
                    await self._wait(before)
                self.record(self._clock.now())
            yield

    def record(self, at: datetime) -> None:
        """Count a request that was sent at `at`."""
        self._budget = pacing.after_request(self._budget, min(self._monotonic(at), self._now()))

    def observe(self, headers: Mapping[str, int]) -> None:
        """Apply the rate limit headers of a response: `limit`, `remaining`, `reset` (epoch seconds)."""
        self._budget = pacing.after_headers(self._budget, headers, self._now(), self._clock.now())

    def pause(self, until: datetime) -> None:
        """Send nothing before `until`, as Wireflow asked."""
        self._budget = pacing.paused(self._budget, self._monotonic(until))

    async def _wait(self, before: datetime | None) -> None:
        while (pause := pacing.next_request_at(self._budget, now := self._now()) - now) > timedelta():
            at = self._clock.now() + pause
            if (before and at >= before) or pause.total_seconds() >= self._window.left():
                raise Throttled(at)
            await self._clock.sleep(pause.total_seconds())

    def _now(self) -> datetime:
        """The monotonic clock as a datetime, for the rules of `pacing`."""
        return EPOCH + timedelta(seconds=self._clock.monotonic())

    def _monotonic(self, at: datetime) -> datetime:
        return self._now() + (at - self._clock.now())

"""Limit the requests to Wireflow, per minute and concurrent."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime

from shared.ports import Clock
from shared.spending import pacing

MAX_CONCURRENT = 16  # more concurrent connections make httpx slower, not faster


class Throttled(Exception):
    """The next request may be sent at `at` at the earliest, which is later than the caller can wait."""

    def __init__(self, at: datetime) -> None:
        super().__init__(f"not before {at:%H:%M:%S}")
        self.at = at


class RequestLimiter:
    """The limiter of one instance. Polls wait for it; paid calls are only counted."""

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self._budget = pacing.Budget(per_minute=per_minute)
        self._clock = clock
        self._window_ends_at: datetime | None = None
        self._waiting = asyncio.Lock()
        self._concurrent = asyncio.Semaphore(MAX_CONCURRENT)

    @asynccontextmanager
    async def acquire(self, before: datetime | None = None) -> AsyncIterator[None]:
        """Wait, first come first served, until a request may be sent, and count it.

        Raise Throttled instead of waiting beyond `before` (a run's deadline) or the end of the window.
        """
        async with self._concurrent:
            async with self._waiting:
                while (at := pacing.next_request_at(self._budget, now := self._clock.now())) > now:
                    if any(end and at >= end for end in (before, self._window_ends_at)):
                        raise Throttled(at)
                    await self._clock.sleep((at - now).total_seconds())
                self.record(now)
            yield

    def end_at(self, window_ends_at: datetime) -> None:
        """Let no request wait beyond the end of the window."""
        self._window_ends_at = window_ends_at

    def record(self, at: datetime) -> None:
        """Count a request that was sent at `at`."""
        self._budget = pacing.after_request(self._budget, at)

    def observe(self, headers: Mapping[str, int]) -> None:
        """Apply the rate limit headers of a response: `limit`, `remaining`, `reset` (epoch seconds)."""
        self._budget = pacing.after_headers(self._budget, headers, self._clock.now())

    def pause(self, until: datetime) -> None:
        """Send nothing before `until`, as Wireflow asked."""
        self._budget = pacing.paused(self._budget, until)

"""Wake-ups without a service: none at all, or by this process, for local runs and tests."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime

from shared.ports import Clock
from shared.wake_up.buckets import BUCKET_SECONDS, Bucket, Remembered, bucket_of


class NoWakeUp:
    """Only the scheduler calls the poller."""

    interval = 0

    async def at(self, moment: datetime) -> None:
        """Do nothing."""


class InProcessWakeUp:
    """Calls `poller` from this process."""

    interval = BUCKET_SECONDS

    def __init__(self, clock: Clock, poller: Callable[[], Awaitable[object]]) -> None:
        self._clock = clock
        self._poller = poller
        self._made = Remembered()
        self._tasks: set[asyncio.Task[None]] = set()

    async def at(self, moment: datetime) -> None:
        """Call the poller at the end of the interval of `moment`, once for all moments in it."""
        bucket = bucket_of(max(moment, self._clock.now()))
        if self._made.add(bucket.name):
            task = asyncio.create_task(self._call(bucket))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cancel the calls that are not over."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _call(self, bucket: Bucket) -> None:
        await self._clock.sleep((bucket.at - self._clock.now()).total_seconds())
        with suppress(Exception):  # the next regular call does the work
            await self._poller()

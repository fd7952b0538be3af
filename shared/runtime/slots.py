"""The poller's window as its work sees it: nothing waits beyond its end, and each kind of work has slots of its own."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TypeVar
from weakref import WeakValueDictionary

from shared.ports import Clock

T = TypeVar("T")


class WindowOver(Exception):
    """The window has ended: the work continues in the next one."""


class WindowEnd:
    """When the current task stops starting work. The trigger has no windows: it never stops.

    Each window has its own end, which the tasks that it creates inherit: its last copies may go on beside the next one.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at = ContextVar("window_ends_at", default=math.inf)  # by the monotonic clock

    def set(self, seconds: float) -> None:
        """The window of this task, and of those that it creates from now on, ends in `seconds`."""
        self._at.set(self._clock.monotonic() + seconds)

    def left(self) -> float:
        """Return the seconds until the end; zero or less if the window is over, infinity without a window."""
        return self._at.get() - self._clock.monotonic()

    async def bound(self, work: Awaitable[T], seconds: float = math.inf) -> T:
        """Await `work`. Raise WindowOver at the end of the window, TimeoutError after `seconds`."""
        left = self.left()
        try:
            async with asyncio.timeout(None if (limit := min(left, seconds)) == math.inf else max(limit, 0.0)):
                return await work
        except TimeoutError:
            if self.left() <= 0 and left <= seconds:
                raise WindowOver from None
            raise


class Slots:
    """At most `count` units of one kind of work at a time."""

    def __init__(self, count: int, window: WindowEnd) -> None:
        self._count = count
        self._free = asyncio.Semaphore(count)
        self._window = window
        self._shares: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()  # those that are in use

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[None]:
        """Wait for a free slot, first come first served. Raise WindowOver instead of waiting beyond the window."""
        if self._window.left() <= 0:
            raise WindowOver
        await self._window.bound(self._free.acquire())
        try:
            yield
        finally:
            self._free.release()

    @asynccontextmanager
    async def acquire_for(self, share: str) -> AsyncIterator[None]:
        """The same for work of one share, which gets at most half of the slots: its slow work must not stop others."""
        own = self._shares.setdefault(share, asyncio.Semaphore(self._count // 2))
        await self._window.bound(own.acquire())
        try:
            async with self.acquire():
                yield
        finally:
            own.release()

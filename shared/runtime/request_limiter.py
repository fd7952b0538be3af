"""Polls take turns: never more of them a minute than Wireflow allows, never too many at once."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime

from shared.ports import Clock
from shared.spending import pacing

AT_ONCE = 16  # more connections at once make httpx slower, not faster


class Throttled(Exception):
    """The next request may be sent no earlier than `at`, and that is later than anybody here waits."""

    def __init__(self, at: datetime) -> None:
        super().__init__(f"not before {at:%H:%M:%S}")
        self.at = at


class RequestLimiter:
    """The request budget of one instance. Polls wait for it; the paid call only counts."""

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self._budget = pacing.Budget(per_minute=per_minute)
        self._clock = clock
        self._open_until: datetime | None = None
        self._order = asyncio.Lock()
        self._at_once = asyncio.Semaphore(AT_ONCE)

    @asynccontextmanager
    async def turn(self, before: datetime | None = None) -> AsyncIterator[None]:
        """Wait until a request may be sent, first come, first served.

        Throttled rather than wait beyond `before` (a run's deadline) or the end of the window.
        """
        async with self._at_once:
            async with self._order:
                while (at := pacing.next_turn(self._budget, now := self._clock.now())) > now:
                    if any(end and at >= end for end in (before, self._open_until)):
                        raise Throttled(at)
                    await self._clock.sleep((at - now).total_seconds())
                self.note(now)
            yield

    def open_until(self, end: datetime) -> None:
        """Nobody waits for a turn beyond the end of the window."""
        self._open_until = end

    def note(self, at: datetime) -> None:
        """A request was sent at this time, by whomever."""
        self._budget = pacing.sent(self._budget, at)

    def heard(self, headers: Mapping[str, int]) -> None:
        """An answer named its limits."""
        self._budget = pacing.heard(self._budget, headers, self._clock.now())

    def pause(self, until: datetime) -> None:
        """Wireflow asked for a pause."""
        self._budget = pacing.paused(self._budget, until)

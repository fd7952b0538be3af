"""Limit the requests to Wireflow, per minute and concurrent."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from shared.ports import Clock
from shared.runtime.slots import Slots, WindowEnd
from shared.spending import pacing
from shared.spending import request_quota as rules

MAX_POLLS = 16  # at a time: more concurrent connections make httpx slower, not faster
MAX_PREPARATIONS = 4
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Throttled(Exception):
    """The next request may be sent at `at` at the earliest, which is later than the caller can wait."""

    def __init__(self, at: datetime) -> None:
        super().__init__(f"not before {at:%H:%M:%S}")
        self.at = at


class RequestLimiter:
    """The limiter of one instance: overdue polls come first, then paid calls, other polls, and preparations of jobs.

    `for_starts`: the part of the limit that the trigger may use for paid calls without asking. The quota counts in
    monotonic time: a clock that is set back must not stop requests.
    """

    def __init__(self, per_minute: int, clock: Clock, window: WindowEnd, for_starts: int = 0) -> None:
        self._quota = rules.RequestQuota(per_minute=per_minute, for_starts=for_starts)
        self._clock = clock
        self._window = window
        self._polls = Slots(MAX_POLLS, window)
        self._preparations = Slots(MAX_PREPARATIONS, window)
        self._overdue, self._polling, self._preparing = asyncio.Lock(), asyncio.Lock(), asyncio.Lock()
        self._polls_waiting = self._overdue_waiting = 0
        self._waiting_since: float | None = None

    def price_of_poll(self) -> float:
        """Return how many seconds of lag a poll is worth now."""
        quota = self._quota
        polls = max(quota.per_minute - quota.for_starts, min(quota.per_minute, 1))
        return pacing.price_of_poll(polls, rules.load(quota, self._now()), self._backlog())

    # --- paid calls ------------------------------------------------------------------------------------------------

    def free_starts(self, wanted: int, made: Iterable[datetime]) -> int:
        """Return how many of `wanted` paid calls may be made now. `made`: when both functions have made such calls."""
        self._quota = rules.with_starts(self._quota, map(self._monotonic, made))
        free = rules.free_starts(self._quota, self._now(), wanted, urgent=self._is_urgent())
        if free == wanted:
            self.no_start_waits()
        elif self._waiting_since is None:
            self._waiting_since = self._clock.monotonic()
        return free

    def no_start_waits(self) -> None:
        """No job waits for room to start."""
        self._waiting_since = None

    def next_start_at(self) -> datetime:
        """Return when there is room for a paid call."""
        now = self._now()
        return self._clock.now() + (rules.next_start_at(self._quota, now, urgent=self._is_urgent()) - now)

    def _backlog(self) -> float:
        """Return for how many seconds jobs have been waiting for room to start."""
        return 0.0 if self._waiting_since is None else self._clock.monotonic() - self._waiting_since

    def _is_urgent(self) -> bool:
        return self._backlog() > pacing.PATIENT_SECONDS

    def record_start(self) -> None:
        """Count a paid call that is sent now."""
        self._quota = rules.after_start(self._quota, self._now())

    # --- other requests --------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def acquire(self, before: datetime | None = None, *, overdue: bool = False) -> AsyncIterator[datetime]:
        """Wait, first come first served, until a paid run may be polled, and count the request; yield its time.

        `overdue`: the run was not polled for a minute; others wait for it. Raise Throttled instead of waiting beyond
        `before` (a run's deadline) or the end of the window, WindowOver if there is no slot before that end.
        """
        async with self._polls.acquire():
            self._polls_waiting += 1
            self._overdue_waiting += overdue
            try:
                async with self._overdue if overdue else self._polling:
                    await self._wait(before)
                    while self._overdue_waiting and not overdue:
                        await self._clock.sleep(0)
                        await self._wait(before)
                    sent_at = self.record()
            finally:
                self._polls_waiting -= 1
                self._overdue_waiting -= overdue
            yield sent_at

    @asynccontextmanager
    async def acquire_behind_polls(self, before: datetime | None = None) -> AsyncIterator[None]:
        """The same for a request that prepares a job: what is not paid yet waits while polls wait."""
        async with self._preparations.acquire():
            async with self._preparing:
                await self._wait(before)
                while self._polls_waiting:
                    await self._clock.sleep(0)
                    await self._wait(before)
                self.record()
            yield

    def record(self) -> datetime:
        """Count a request that is sent now. Return its time by the monotonic clock."""
        now = self._now()
        self._quota = rules.after_request(self._quota, now)
        return now

    # --- what Wireflow says ----------------------------------------------------------------------------------------

    def observe(self, headers: Mapping[str, int], sent_at: datetime) -> None:
        """Apply the rate limit headers of a response: `limit`, `remaining`, `reset` (epoch seconds).

        `sent_at`: when `acquire` let its request be sent.
        """
        self._quota = rules.after_headers(self._quota, headers, sent_at, self._now(), self._clock.now())

    def pause(self, until: datetime) -> None:
        """Send nothing before `until`, as Wireflow asked."""
        self._quota = rules.paused(self._quota, self._now() + (until - self._clock.now()))

    async def _wait(self, before: datetime | None) -> None:
        while (pause := rules.next_request_at(self._quota, self._now()) - self._now()) > timedelta():
            at = self._clock.now() + pause
            if (before and at >= before) or pause.total_seconds() >= self._window.left():
                raise Throttled(at)
            await self._clock.sleep(pause.total_seconds())

    def _now(self) -> datetime:
        """The monotonic clock as a datetime, for the rules of `spending`."""
        return EPOCH + timedelta(seconds=self._clock.monotonic())

    def _monotonic(self, at: datetime) -> datetime:
        """A time of the past by the monotonic clock."""
        return min(self._now() + (at - self._clock.now()), self._now())

"""Places in the queue, fair between callers: a place is a time, `queueAt`, but it counts rounds, not minutes.

A caller's job is one microsecond, one round, behind the caller's last waiting job, and never before the head of the
queue. So the jobs of a caller that sends two hundred at once take two hundred rounds, and the next caller's first job
takes part in the round that starts now. It is start-time fair queueing, https://doi.org/10.1145/248157.248171, with
the head of the queue as the virtual time. It takes no count, only the head of the queue and the caller's newest job,
and neither if nothing waits. What an instance read is used for a second: within it two instances may give a caller the
same round.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.callers import share_of
from shared.ports import JobQuery, JobStore
from shared.store_errors import StoreUnavailable

ROUND = timedelta(microseconds=1)
MAX_LEAD = timedelta(minutes=1)  # of a place before the present
MAX_AGE = timedelta(seconds=1)  # of what was read


@dataclass(slots=True)
class _Last:
    """The last place of a share that this instance knows, and when it last read the store for it."""

    place: datetime
    read_at: datetime


class Places:
    """The places that this instance gives."""

    def __init__(self) -> None:
        self._head: datetime | None = None
        self._head_read_at: datetime | None = None
        self._last: dict[str, _Last] = {}

    async def is_queue_empty(self, store: JobStore, now: datetime) -> bool:
        """Return whether no job could start now, as the store says."""
        jobs = await store.queue_head(now, 1)
        self._head, self._head_read_at = (jobs[0].queue_at if jobs else None), now
        return not jobs

    async def head(self, store: JobStore, now: datetime) -> datetime | None:
        """Return the place of the job that starts next, read at most a second ago; None if no job could start."""
        if self._head_read_at is None or abs(now - self._head_read_at) >= MAX_AGE:
            await self.is_queue_empty(store, now)
        return self._head

    async def next(
        self, callers: Sequence[str | None], store: JobStore, now: datetime, count: int = 1
    ) -> list[datetime]:
        """Return places for `count` new jobs, in order. `callers` share them: one, or the visitors of all forms.

        If the store does not answer, they are what this instance knows: the jobs cannot be stored now anyway.
        """
        share = share_of(callers[0])
        with suppress(StoreUnavailable):
            if await self.head(store, now):
                await self._read_last(share, callers, store, now)
        first = self._head or now
        last = self._last.get(share)
        if last and last.place < now + MAX_LEAD:  # otherwise the clock was set back
            first = max(first, last.place + ROUND)
        places = [first + number * ROUND for number in range(count)]
        self._last[share] = _Last(places[-1], last.read_at if last else now)
        self._head = self._head or first
        self._last = {name: last for name, last in self._last.items() if last.place >= self._head}
        return places

    async def _read_last(self, share: str, callers: Sequence[str | None], store: JobStore, now: datetime) -> None:
        """Read the place of the newest job of `callers`, unless that was done a moment ago."""
        last = self._last.get(share)
        if last and abs(now - last.read_at) < MAX_AGE:
            return
        found = await asyncio.gather(*(store.list_jobs(JobQuery(limit=1, caller=caller)) for caller in callers))
        places = [job.place for jobs in found for job in jobs if job.place]
        if last := self._last.get(share):  # another request may have taken a place meanwhile
            places.append(last.place)
        if places:
            self._last[share] = _Last(max(places), now)

"""What this instance takes from the store's scans: small rows first, and the whole job only when it is claimed.

A job that cannot be read, or whose workflow is not configured here, must not hold up those behind it, so scans look
past it.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial

from shared.job import Job
from shared.job_states import FINAL, Status
from shared.log import Event, Log
from shared.ports import Clock, JobRow, JobStore
from shared.store_errors import Conflict, StoreUnavailable, UnreadableJob

MAX_ROWS = 1_600  # of one scan
WIDEN = 4  # a scan that finds too few rows asks for this many times as many
LEFT_TO_OTHERS = timedelta(hours=1)  # another deployment on the same store may know the workflow
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FINAL_PAGE = "final"
MAX_REMEMBERED = 10_000  # ids of unreadable jobs
MAX_MARKED = 32  # jobs of unknown workflows in one scan: the others are marked by the next ones

Choose = Callable[[Sequence[JobRow]], list[JobRow]]
Fetch = Callable[[int, datetime | None], Awaitable[list[JobRow]]]  # with the limit, and with where to begin


class Scans:
    """The scans of one instance. `workflows`: the names that are configured."""

    def __init__(self, store: JobStore, workflows: Collection[str], clock: Clock, log: Log) -> None:
        self._store = store
        self._workflows = frozenset(workflows)
        self._clock = clock
        self._log = log
        self._unreadable: set[str] = set()
        self._passed: dict[str, datetime] = {}  # by field, or for FINAL_PAGE, where the next scan begins
        self._furthest = self._ahead()
        self._crowded = False  # most due jobs are final: those in flight are searched for beside them
        self._early: set[str] = set()  # the jobs that were taken before their time, once each

    def latest(self) -> datetime:
        """Return what the clock would show if it had never been set back: by that time jobs are due and have places."""
        self._furthest = max(self._furthest, self._ahead())
        return self._clock.now() + (self._furthest - self._ahead())

    def _ahead(self) -> timedelta:
        """Return how far the clock is ahead of the monotonic one, which is never set."""
        return (self._clock.now() - EPOCH) - timedelta(seconds=self._clock.monotonic())

    async def due(self, limit: int, choose: Choose, lease: float) -> list[JobRow]:
        """Return rows of due jobs, those that `choose` takes of all that were found; at most `limit`, if it can.

        After the clock was set back they include jobs that are due by the time it would show, but no lease, of `lease`
        seconds, that another worker may have taken since.
        """
        now, span = self._clock.now(), timedelta(seconds=lease)
        before = self.latest() + span if self.latest() > now + span else now
        crowded, self._crowded = self._crowded, False  # an index that is still being built fails one scan of two
        final = await self._final(before, limit) if crowded else []
        fetch = partial(self._store.due, before, in_flight=crowded)

        def due(rows: Sequence[JobRow]) -> list[JobRow]:
            rows = [*final, *rows]
            self._crowded = sum(row.status in FINAL for row in rows) > limit // 2
            return choose([row for row in rows if row.due_at and (row.due_at <= now or self._is_due_early(row, span))])

        chosen = await self._scan("due_at", fetch, limit, due)
        self._early |= {row.id for row in chosen if row.due_at and row.due_at > now}
        return chosen

    async def _final(self, before: datetime, limit: int) -> list[JobRow]:
        """Return a page of the due jobs that are final. Each scan reads the next page: one caller's may fill many."""
        since = self._passed.pop(FINAL_PAGE, None)
        rows = await self._store.due(before, limit, since)
        first, last = (rows[0].due_at, rows[-1].due_at) if len(rows) == limit else (None, None)
        if first and last:
            self._passed[FINAL_PAGE] = max(last, first + timedelta.resolution)
        return [row for row in rows if row.status in FINAL and row.id not in self._unreadable]

    def _is_due_early(self, row: JobRow, span: timedelta) -> bool:
        waits = row.status in (Status.RUNNING, Status.COPYING) or (row.status is Status.QUEUED and not row.prepared)
        leased = row.due_at is not None and row.due_at <= self._clock.now() + span
        return waits and not leased and row.id not in self._early and len(self._early) < MAX_REMEMBERED

    async def queued(self, limit: int) -> list[Job]:
        """Return at most `limit` whole jobs from the head of the queue."""
        now, latest = self._clock.now(), self.latest()
        rows = await self._scan("queue_at", partial(self._store.queue_head, latest), limit, list)
        jobs = await asyncio.gather(*(self.read(row.id) for row in rows[:limit]))
        return [job for job in jobs if job and job.queue_at and job.queue_at <= (now if job.held else latest)]

    async def read(self, job_id: str) -> Job | None:
        """Return the whole job; None if it is gone, or cannot be read, which is logged once."""
        try:
            return await self._store.get(job_id)
        except UnreadableJob as error:
            if len(self._unreadable) < MAX_REMEMBERED:
                self._unreadable.add(job_id)
            self._log.error(Event.CONFIGURATION, str(error), jobId=job_id)
            return None

    async def _scan(self, field: str, fetch: Fetch, limit: int, choose: Choose) -> list[JobRow]:
        """Return rows in the order of `field`. If all of a scan is left to others, the next one begins at its end."""
        count, since = limit, self._passed.pop(field, None)
        while True:
            found = await fetch(count, since)
            rows = [row for row in found if row.id not in self._unreadable]
            chosen = choose([row for row in rows if not self._is_left_to_others(row)])
            if len(chosen) >= limit or len(found) < count or count >= MAX_ROWS:
                if not chosen and len(found) == count:
                    self._passed[field] = getattr(found[-1], field)
                await self._mark([row for row in rows if self._is_unknown(row) and not row.workflow_unknown_since])
                return chosen
            count = min(WIDEN * count, MAX_ROWS)

    def _is_unknown(self, row: JobRow) -> bool:
        """Whether the job needs a workflow that is not configured here."""
        waits = row.status is Status.QUEUED and self._clock.now() < row.give_up_at
        return (waits or row.status is Status.TRIGGERING) and row.workflow not in self._workflows

    def _is_left_to_others(self, row: JobRow) -> bool:
        since = row.workflow_unknown_since
        return self._is_unknown(row) and (since is None or self._clock.now() - since < LEFT_TO_OTHERS)

    async def _mark(self, rows: Sequence[JobRow]) -> None:
        """Record since when pollers have met these jobs without knowing their workflow."""

        async def mark(row: JobRow) -> None:
            with suppress(Conflict, StoreUnavailable):  # another poller has it, or the next scan marks it
                if job := await self.read(row.id):
                    await self._store.save(job.workflow_unknown(self._clock.now()))

        await asyncio.gather(*map(mark, rows[:MAX_MARKED]))


def memory_of(job: Job) -> int:
    """Return about how many bytes the job takes in memory."""
    urls = sum(sys.getsizeof(image.source_url) for image in job.images)
    texts = [job.prompt, job.input, job.last_response or ""]
    texts += [text for image in job.input_images for text in (image.source, image.hosted_url or "")]
    texts += [text for callback in job.callbacks for text in (callback.url, callback.last_body or "")]
    return sum(sys.getsizeof(text) for text in texts) + urls + 4_096

"""A job's lease: one worker holds a job, renews the lease while it works, and stops when the lease is lost.

The lease is the job's `dueAt`: no scan returns the job before it, and every write is conditional on the record that the
worker has read.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Self

from shared.job import Job
from shared.job_parts import Step
from shared.ports import Clock, JobStore
from shared.runtime.saving import save, save_over
from shared.store_errors import Conflict, StoreUnavailable, UnreadableJob

FIRST_PAUSE, MAX_PAUSE = 0.5, 8.0  # seconds between two tries at the store


class LeaseLost(Exception):
    """Another worker may hold the job by now; this one stops working on it."""


@dataclass(slots=True)
class Notes:
    """What a worker remembers about a job while it holds the lease; not worth a write of its own."""

    polls: int = 0
    run_started_at: float | None = None  # by the monotonic clock, as all times here
    polled_at: float | None = None
    due_at: float | None = None  # when the job was due that was claimed
    running_at: float | None = None  # the last poll that reported that the run goes on
    poll_errors: int = 0
    details_at: float | None = None
    owns_run: bool = False  # no other job has the same execution
    disputed_at: float | None = None  # when one was first seen
    empty_at: float | None = None  # when the run was first reported as completed without an image
    unknown_response: str | None = None
    unusable: str | None = None  # why no response to a poll could be used since the last one that could, if any
    steps: tuple[Step, ...] = ()  # from the newest response; saved with the next write

    def continued(self) -> "Notes":
        """What still counts when this instance takes the job again."""
        return replace(self, polls=0, steps=())


class Lease:
    """A job that a worker holds. `job` is the newest record.

    Without a claim another worker may take the job, too: only one of them can write what it has done.
    """

    def __init__(self, job: Job, store: JobStore, clock: Clock, seconds: float) -> None:
        self.job = job
        self.notes = Notes()
        self._store = store
        self._clock = clock
        self._seconds = seconds
        self._ends_at = clock.monotonic() + seconds
        self._released = False
        self._writing = asyncio.Lock()

    @property
    def released(self) -> bool:
        """Whether the worker has given the job back."""
        return self._released

    @classmethod
    async def claim(cls, job: Job, store: JobStore, clock: Clock, seconds: float) -> Self | None:
        """Take the job with one conditional write. Return None if another worker was faster or the store failed.

        Raise RecordTooLarge if there is no room even for the claim: an earlier version stored the job.
        """
        claimed = job.claimed(clock.now() + timedelta(seconds=seconds))
        try:
            saved = await save(claimed, store)
        except (Conflict, UnreadableJob, StoreUnavailable):
            return None
        return cls(saved, store, clock, seconds)

    async def save(self, job: Job) -> Job:
        """Write `job` and renew the lease. Raise LeaseLost if the lease was lost, RecordTooLarge."""
        async with self._writing:
            return await self._write(job.progressed(), renew=True)

    async def release(self, job: Job) -> Job:
        """Write `job` with its own `due_at` and end the lease. Raise LeaseLost if the lease was lost."""
        async with self._writing:
            self._released = True
            if job.progressed() == self.job:  # it was taken without a claim
                return self.job
            return await self._write(job.progressed(), renew=False)

    async def keep(self) -> None:
        """Renew at half of the lease's length, until the task is canceled. Raise LeaseLost when that fails."""
        while True:
            await self._clock.sleep(self._ends_at - self._seconds / 2 - self._clock.monotonic())
            async with self._writing:
                if not self._released and self._clock.monotonic() >= self._ends_at - self._seconds / 2:
                    await self._write(self.job, renew=True)

    def check(self) -> None:
        """Raise LeaseLost if the lease has ended: another worker may be calling Wireflow for this job."""
        if self._clock.monotonic() >= self._ends_at:
            raise LeaseLost(self.job.id)

    async def _write(self, job: Job, *, renew: bool) -> Job:
        """Retry until the job is written or the lease has ended, because the store may be briefly unavailable."""
        pause = FIRST_PAUSE
        job = job.at_revision(self.job.revision)  # a renewal may have been written since `job` was computed
        if self.notes.steps:
            job = job.with_steps(self.notes.steps)
        while True:
            ends_at = self._clock.monotonic() + self._seconds
            due_at = self._clock.now() + timedelta(seconds=self._seconds)
            try:
                self.job = await save_over(self.job, job.due(due_at) if renew else job, self._store)
                self._ends_at = ends_at
                return self.job
            except Conflict as error:
                raise LeaseLost(self.job.id) from error
            except StoreUnavailable as error:
                if self._clock.monotonic() + pause >= self._ends_at:
                    raise LeaseLost(self.job.id) from error
            await self._clock.sleep(pause)
            pause = min(2 * pause, MAX_PAUSE)

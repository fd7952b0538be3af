"""A job held by one worker: every write is fenced, the lease is renewed while it is held, and lost when it must be."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from shared.job import Job, Step
from shared.ports import Clock, Conflict, JobStore, StoreUnavailable


class LeaseLost(Exception):
    """Somebody else may hold the job by now: whoever meets this lets go of it."""


@dataclass(slots=True)
class Notes:
    """What a worker remembers of a job while it holds it, and what is not worth a write."""

    polls: int = 0
    asked_at: datetime | None = None
    poll_errors: int = 0
    details_at: datetime | None = None
    empty_at: datetime | None = None
    strange_answer: str | None = None
    steps: tuple[Step, ...] = ()  # of the newest answer: written with whatever is written next


class Lease:
    """A claimed job. `job` is the newest record; `save` replaces it."""

    def __init__(self, job: Job, store: JobStore, clock: Clock, seconds: float) -> None:
        self.job = job
        self.notes = Notes()
        self._store = store
        self._clock = clock
        self._length = timedelta(seconds=seconds)
        self._until = clock.now() + self._length
        self._writing = asyncio.Lock()

    @classmethod
    async def claim(cls, job: Job, store: JobStore, clock: Clock, seconds: float) -> Self | None:
        """One conditional write that moves `dueAt` past the lease; None if somebody else was faster."""
        try:
            claimed = await store.save(job.evolve(due_at=clock.now() + timedelta(seconds=seconds)))
        except (Conflict, StoreUnavailable):
            return None
        return cls(claimed, store, clock, seconds)

    async def save(self, **changes: Any) -> Job:
        """Write `changes`; without a `due_at` among them the lease begins anew. LeaseLost if it is not ours."""
        async with self._writing:
            return await self._write(changes)

    async def keep(self) -> None:
        """Renew at half of the lease, until cancelled; LeaseLost when it cannot be renewed."""
        while True:
            await self._clock.sleep((self._until - self._clock.now() - self._length / 2).total_seconds())
            async with self._writing:
                if self._clock.now() >= self._until - self._length / 2:
                    await self._write({})

    def check(self) -> None:
        """LeaseLost if the lease has run out: a call to Wireflow now might be somebody else's."""
        if self._clock.now() >= self._until:
            raise LeaseLost(self.job.id)

    async def _write(self, changes: dict[str, Any]) -> Job:
        """Try until it is written or the lease has run out; the store may be away for a moment."""
        pause = 0.5
        if self.notes.steps:
            changes = {"steps": self.notes.steps, **changes}
        while True:
            due_at = self._clock.now() + self._length
            try:
                self.job = await self._store.save(self.job.evolve(**{"due_at": due_at, **changes}))
                self._until = due_at
                return self.job
            except Conflict as error:
                raise LeaseLost(self.job.id) from error
            except StoreUnavailable as error:
                if self._clock.now() + timedelta(seconds=pause) >= self._until:
                    raise LeaseLost(self.job.id) from error
            await self._clock.sleep(pause)
            pause = min(2 * pause, 8)

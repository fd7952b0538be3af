"""One window: claim due jobs, start queued jobs, advance each one, and release the unfinished ones at the end.

The scheduler calls at most once a minute and an image takes 10 to 20 seconds, so one call works for most of a minute. A
failing job never stops the others.
"""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from shared.job import Status
from shared.log import Event
from shared.ports import StoreError
from shared.runtime.dependencies import Deps
from shared.runtime.lease import Lease, LeaseLost
from shared.spending.gate import Slot
from shared.steps.advance import advance
from shared.steps.dispatch import send_leased, take_from_queue

from .report import Counts, report

SCAN_SECONDS = 2.0
SCAN_SECONDS_WHILE_DISPATCHING = 0.25
MAX_JOBS = 500  # held in memory at the same time; more wait for the next scan
MAX_CLAIMS = 100  # in one scan
# A worker holds a job during a pause of up to this length; for a longer one it releases the job.
MAX_HOLD = timedelta(seconds=15)
# Paid calls in flight. A job is stored as triggering only when its call can be sent: a crash in between leaves each of
# these jobs with an unknown outcome.
MAX_CALLS = 16
PAUSE_AFTER_FAULT = timedelta(minutes=5)


class Window:
    """One call of the poller."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._clock = deps.clock
        self._counts = Counts()
        self._held: dict[str, Lease] = {}
        self._started_at = self._clock.now()
        self._ends_at = self._started_at + timedelta(seconds=deps.config.poll_window)
        self._busy_at = self._started_at
        self._oldest_due = 0.0
        self._running: set[str] = set()
        self._calls = 0
        self._pause = SCAN_SECONDS
        deps.requests.end_at(self._ends_at)

    async def run(self) -> dict[str, Any]:
        """Work until the window ends or has been idle for `POLL_IDLE_EXIT_SECONDS`. Return the counts."""
        async with asyncio.TaskGroup() as workers:
            await self._scan(workers)
            while not self._over():
                await self._clock.sleep(min(self._pause, (self._ends_at - self._clock.now()).total_seconds()))
                if self._clock.now() < self._ends_at:
                    await self._scan(workers)
        return await report(self._counts, self._started_at, self._oldest_due, len(self._running), self._deps)

    def _over(self) -> bool:
        now = self._clock.now()
        if self._held:
            self._busy_at = now
        idle = now - self._busy_at >= timedelta(seconds=self._deps.config.poll_idle_exit)
        return now >= self._ends_at or idle

    # --- claiming --------------------------------------------------------------------------------------------------

    async def _scan(self, workers: asyncio.TaskGroup) -> None:
        """Claim what is due, then start what the gate admits."""
        try:
            for lease in await self._claim_due():
                workers.create_task(self._hold(lease, self._advance(lease)))
            dispatch = await take_from_queue(self._deps, min(MAX_CALLS - self._calls, self._capacity()))
        except StoreError as error:
            self._deps.log.warning(Event.WINDOW, f"The job store failed: {type(error).__name__}")
            return
        self._counts.dispatched += len(dispatch.jobs)
        self._pause = SCAN_SECONDS_WHILE_DISPATCHING if dispatch.jobs else SCAN_SECONDS
        for lease, slot in dispatch.jobs:
            workers.create_task(self._hold(lease, self._start(lease, slot)))
        if dispatch.next_at and dispatch.next_at < self._ends_at:  # do not exit as idle
            self._busy_at = self._clock.now()

    async def _claim_due(self) -> list[Lease]:
        now = self._clock.now()
        due = await self._deps.store.due(now, self._capacity())
        late = [(now - job.due_at).total_seconds() for job in due if job.due_at]
        self._oldest_due = max([self._oldest_due, *late])
        claims = [
            Lease.claim(job, self._deps.store, self._clock, self._deps.config.lease)
            for job in due
            if job.id not in self._held
        ]
        leases = [lease for lease in await asyncio.gather(*claims) if lease]
        self._counts.claimed += len(leases)
        return leases

    def _capacity(self) -> int:
        """How many more jobs may be held; at least one, so that the window never stops claiming."""
        return max(1, min(MAX_CLAIMS, MAX_JOBS - len(self._held)))

    # --- working ---------------------------------------------------------------------------------------------------

    async def _hold(self, lease: Lease, work: Coroutine[Any, Any, None]) -> None:
        """Do `work` while the lease is renewed. An error affects this job only."""
        before, self._held[lease.job.id] = lease.job, lease
        if before.started_at:
            self._deps.requests.record(before.started_at)
        keeper = asyncio.create_task(lease.keep())
        worker = asyncio.create_task(work)
        try:
            await asyncio.wait({keeper, worker}, return_when=asyncio.FIRST_COMPLETED)
            await (worker if worker.done() else keeper)
        except LeaseLost:
            self._deps.log.warning(Event.WINDOW, "Another worker holds the job by now.", **lease.job.log_fields())
        except Exception as error:  # a failing job never stops the window
            await self._set_aside(lease, error)
        finally:
            keeper.cancel()
            worker.cancel()
            await asyncio.gather(keeper, worker, return_exceptions=True)
            if self._held.get(lease.job.id) is lease:  # a job may be both due and at the head of the queue
                del self._held[lease.job.id]
            self._counts.add(before, lease)

    async def _start(self, lease: Lease, slot: Slot) -> None:
        self._calls += 1
        try:
            await send_leased(lease, slot, self._deps)
        finally:
            self._calls -= 1
        if lease.job.status is Status.RUNNING:
            await self._advance(lease)

    async def _advance(self, lease: Lease) -> None:
        """Advance the job until it is final or must wait for longer than MAX_HOLD."""
        while (at := await advance(lease, self._deps)) is not None:
            now = self._clock.now()
            if at >= self._ends_at or at - now > MAX_HOLD:
                if lease.job.status is Status.RUNNING:
                    self._running.add(lease.job.id)
                await lease.release(lease.job.due(at))
                return
            await self._clock.sleep((at - now).total_seconds())

    async def _set_aside(self, lease: Lease, error: Exception) -> None:
        """Release the job for a later try."""
        self._deps.log.internal_error(error, "A job failed and is retried later", **lease.job.log_fields())
        try:
            await lease.release(lease.job.due(self._clock.now() + PAUSE_AFTER_FAULT))
        except LeaseLost:
            return

"""One window: claims what is due, starts what may start, moves each job on, and hands back what is not done at the end.

The scheduler can tick once a minute, an image takes 10 to 20 seconds: so a tick works on for most of a minute. One bad
job never stops the others.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from shared.job import Job, Status
from shared.log import Event
from shared.ports import StoreError
from shared.public_job import timestamp
from shared.runtime.dependencies import Deps
from shared.runtime.lease import Lease, LeaseLost
from shared.spending import gate
from shared.spending.gate import Slot
from shared.steps.advance import advance
from shared.steps.dispatch import send_held, take_from_line

SCAN_SECONDS = 2.0
SCAN_SECONDS_WHILE_THE_LINE_MOVES = 0.25
JOBS_AT_ONCE = 500  # held in memory at the same time; more wait for the next look
BATCH = 100
# A worker keeps a job over a pause of this length; over a longer one it hands the job back.
LONGEST_HOLD = timedelta(seconds=15)
# Paid calls. A job is recorded as triggering only when its call can go out: a crash in between leaves each of them with
# an unknown outcome.
CALLS_AT_ONCE = 16
PAUSE_AFTER_FAULT = timedelta(minutes=5)


@dataclass(slots=True)
class Counts:
    """What a window did; the names are the contract's."""

    claimed: int = 0
    dispatched: int = 0
    polled: int = 0
    completed: int = 0
    stored: int = 0
    failed: int = 0
    bytes: int = 0


class Window:
    """One call of the poller."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._clock = deps.clock
        self._counts = Counts()
        self._held: dict[str, Lease] = {}
        self._began = self._clock.now()
        self._end = self._began + timedelta(seconds=deps.config.poll_window)
        self._busy_at = self._began
        self._oldest_due = 0.0
        self._running: set[str] = set()
        self._calls = 0
        self._pause = SCAN_SECONDS
        deps.requests.open_until(self._end)

    async def run(self) -> dict[str, Any]:
        """Work until the window is over or nothing has been in flight for a while; returns the counts."""
        async with asyncio.TaskGroup() as workers:
            await self._pick_up(workers)
            while not self._over():
                await self._clock.sleep(min(self._pause, (self._end - self._clock.now()).total_seconds()))
                if self._clock.now() < self._end:
                    await self._pick_up(workers)
        return await self._report()

    def _over(self) -> bool:
        now = self._clock.now()
        if self._held:
            self._busy_at = now
        idle = now - self._busy_at >= timedelta(seconds=self._deps.config.poll_idle_exit)
        return now >= self._end or idle

    async def _pick_up(self, workers: asyncio.TaskGroup) -> None:
        """One look at the store: what is due, and what may leave the line."""
        try:
            for lease in await self._claim_due():
                workers.create_task(self._hold(lease, self._advance(lease)))
            line = await take_from_line(self._deps, min(CALLS_AT_ONCE - self._calls, self._room()))
        except StoreError as error:
            self._deps.log.warning(Event.WINDOW, f"The job store failed: {type(error).__name__}")
            return
        self._counts.dispatched += len(line.taken)
        self._pause = SCAN_SECONDS_WHILE_THE_LINE_MOVES if line.taken else SCAN_SECONDS
        for lease, slot in line.taken:
            workers.create_task(self._hold(lease, self._start(lease, slot)))
        if line.moves_at and line.moves_at < self._end:  # worth staying for
            self._busy_at = self._clock.now()

    async def _claim_due(self) -> list[Lease]:
        due = await self._deps.store.due(self._clock.now(), self._room())
        self._oldest_due = max([self._oldest_due, *(self._overdue(job) for job in due)])
        claims = [
            Lease.claim(job, self._deps.store, self._clock, self._deps.config.lease)
            for job in due
            if job.id not in self._held
        ]
        leases = [lease for lease in await asyncio.gather(*claims) if lease]
        self._counts.claimed += len(leases)
        return leases

    def _room(self) -> int:
        """How many more jobs may be held; one at least, so that a full house is no standstill."""
        return max(1, min(BATCH, JOBS_AT_ONCE - len(self._held)))

    def _overdue(self, job: Job) -> float:
        return (self._clock.now() - job.due_at).total_seconds() if job.due_at else 0

    async def _hold(self, lease: Lease, work: Coroutine[Any, Any, None]) -> None:
        """Do `work` on a job while its lease is kept; whatever goes wrong is this job's problem alone."""
        before, self._held[lease.job.id] = lease.job, lease
        if before.started_at:
            self._deps.requests.note(before.started_at)
        keeper = asyncio.create_task(lease.keep())
        worker = asyncio.create_task(work)
        try:
            await asyncio.wait({keeper, worker}, return_when=asyncio.FIRST_COMPLETED)
            await (worker if worker.done() else keeper)
        except LeaseLost:
            self._deps.log.warning(Event.WINDOW, "The job is somebody else's by now.", **lease.job.log_fields())
        except Exception as error:  # one bad job never stops the window
            await self._set_aside(lease, error)
        finally:
            keeper.cancel()
            worker.cancel()
            await asyncio.gather(keeper, worker, return_exceptions=True)
            if self._held.get(lease.job.id) is lease:  # a job may be due and have its turn in the same look
                del self._held[lease.job.id]
            self._count(before, lease)

    async def _start(self, lease: Lease, slot: Slot) -> None:
        self._calls += 1
        try:
            await send_held(lease, slot, self._deps)
        finally:
            self._calls -= 1
        if lease.job.status is Status.RUNNING:
            await self._advance(lease)

    async def _advance(self, lease: Lease) -> None:
        """Step by step, until the job has ended or must wait for longer than a worker keeps it."""
        while (at := await advance(lease, self._deps)) is not None:
            now = self._clock.now()
            if at >= self._end or at - now > LONGEST_HOLD:
                if lease.job.status is Status.RUNNING:
                    self._running.add(lease.job.id)
                await lease.save(due_at=at)
                return
            await self._clock.sleep((at - now).total_seconds())

    async def _set_aside(self, lease: Lease, error: Exception) -> None:
        message = f"A job raised {type(error).__name__}; it is tried again later."
        self._deps.log.error(Event.WINDOW, message, **lease.job.log_fields())
        try:
            await lease.save(due_at=self._clock.now() + PAUSE_AFTER_FAULT)
        except LeaseLost:
            return

    # --- what it came to -------------------------------------------------------------------------------------------

    def _count(self, before: Job, lease: Lease) -> None:
        after, counts = lease.job, self._counts
        counts.polled += lease.notes.polls
        known = {image.name for image in before.images if image.name}
        new = [image for image in after.images if image.name and image.name not in known]
        counts.completed += not before.copying_since and bool(after.copying_since)
        counts.stored += len(new)
        counts.bytes += sum(image.bytes or 0 for image in new)
        counts.failed += after.status is Status.FAILED and before.status is not Status.FAILED

    async def _report(self) -> dict[str, Any]:
        counts = {name: getattr(self._counts, name) for name in Counts.__slots__}
        seconds = round((self._clock.now() - self._began).total_seconds(), 3)
        self._deps.log.info(
            Event.WINDOW,
            "A window is over.",
            **counts,
            seconds=seconds,
            oldestDueSeconds=round(self._oldest_due, 3),
            **await self._surroundings(),
        )
        return {**counts, "seconds": seconds}

    async def _surroundings(self) -> dict[str, Any]:
        """What the dashboard shows beside the counts; not worth failing a window for."""
        try:
            now = self._clock.now()
            state = await self._deps.admission.recent()
            length = await self._deps.store.count_ahead(now + timedelta(days=365))
        except StoreError:
            return {}
        closed = gate.wait_reason_of(state, self._deps.config.limits, now)
        return {
            "queueLength": length,
            "running": len(self._running),
            "executionsToday": state.today(now),
            "newShapes": sum(self._deps.drift.counts.values()),
            "gate": closed and str(closed),
            "gateUntil": timestamp(state.closure.until) if state.closure else None,
        }

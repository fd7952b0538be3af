"""One window: claim due jobs, start queued jobs, advance each one, and release the unfinished ones at the end.

The scheduler calls at most once a minute and an image takes 10 to 20 seconds, so one call works for most of a minute. A
failing job never stops the others. Nothing starts after the window's end: a paid call that was begun is recorded, and a
copy that was begun is finished, if need be beside the next window; everything else continues in the next window.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from shared.callers import share_of
from shared.error_codes import ErrorCode
from shared.job import Job
from shared.job_states import FINAL, Status
from shared.log import Event
from shared.ports import JobRow
from shared.runtime.dependencies import Deps
from shared.runtime.lease import Lease, LeaseLost, Notes
from shared.runtime.scans import memory_of
from shared.runtime.slots import WindowOver
from shared.spending.gate_state import Slot
from shared.steps.advance import advance
from shared.steps.dispatch import put_back, send_leased, take_from_queue
from shared.steps.paid_call import WAKE_UP_SECONDS
from shared.steps.set_aside import LOST_AFTER, end_early, set_aside
from shared.steps.usage import close_days
from shared.store_errors import Conflict, RecordTooLarge, StoreUnavailable

from .choosing import is_suspect, shared_out, window_seconds
from .report import Counts, report

SCAN_SECONDS = 2.0
SCAN_SECONDS_WHILE_DISPATCHING = MIN_SCAN_SECONDS = 0.25
SCHEDULER_SECONDS = 60.0  # between two calls of the scheduler
# A run is released until a wake-up can reach its next poll in time.
WAKE_UP_AHEAD = timedelta(seconds=WAKE_UP_SECONDS)
MAX_JOBS = 500  # held at the same time; more wait for the next scan
MAX_BYTES = 64 * 1024 * 1024  # of memory for the jobs that are held
LARGEST_JOB = 2 * 1024 * 1024  # bytes of memory: a record of 1 MiB, with text beyond Latin-1
MAX_CLAIMS = 100  # in one scan
CLAIMS_AT_ONCE = 16
MAX_FINAL, MAX_FINAL_BYTES = 64, 8 * 1024 * 1024  # final jobs that are held to tell their receivers, and their memory
MAX_PREPARING = 32  # unpaid jobs that are held; all others are polled and copied without waiting for them
# Notifications are made without a claim, so that a round of attempts costs one write, that of its results, unless they
# are due for longer than this: then a worker that took them may have died, and claims are counted.
ON_TIME = timedelta(seconds=90)
# Seconds. A worker holds a job during a pause of up to this length; for a longer one it releases the job.
MAX_HOLD = 30.0
RECONSIDER_SECONDS = 1.0  # how often it is decided again whether a run is polled now
# Paid calls in flight. A job is stored as triggering only when its call can be sent: a crash in between leaves each of
# these jobs with an unknown outcome.
MAX_CALLS = 16
# Paid calls that no caller waits for, and copies, may take minutes: they go on beside the next window.
SLOW = (Status.TRIGGERING, Status.COPYING)


class Window:
    """One call of the poller."""

    def __init__(self, deps: Deps, notes: dict[str, Notes] | None = None) -> None:
        """`notes`: of the runs that windows of this instance have released."""
        self._deps = deps
        self._clock = deps.clock
        self._notes = {} if notes is None else notes
        self._counts = Counts()
        self._held: dict[str, Lease] = {}
        self._left = asyncio.Event()  # a job is no longer held
        self._started_at = self._busy_at = self._clock.monotonic()
        self._oldest_due = 0.0
        self._running: set[str] = set()
        self._calls = 0
        self._pause = SCAN_SECONDS
        self._next_at: datetime | None = None  # when something becomes due that is not held
        self._called = False  # since the last scan
        self.working = True

    def called(self) -> None:
        """The poller was called while this window works: there may be something new."""
        self._called = True

    async def run(self) -> dict[str, Any]:
        """Work until the window ends or has been idle for `POLL_IDLE_EXIT_SECONDS`. Return the counts."""
        longest, interval = self._deps.config.poll_window, self._deps.wake_up.interval
        self._deps.window.set(window_seconds(longest, interval, self._clock.now()))
        try:
            async with asyncio.TaskGroup() as workers:
                await self._scan(workers)
                while not self._over():
                    await self._clock.sleep(min(self._seconds_to_scan(), self._deps.window.left()))
                    if self._deps.window.left() > 0:
                        await self._scan(workers)
                await self._finish_all_but_slow_calls()
                self.working = False  # from now on a call makes a new window
                await self._replace_scheduler()
        finally:
            self.working = False
        await self._wake_up()
        await self._deps.run_times.save()
        await close_days(self._deps)
        seconds = self._clock.monotonic() - self._started_at
        return await report(self._counts, seconds, self._oldest_due, len(self._running), self._deps)

    def _over(self) -> bool:
        now = self._clock.monotonic()
        if self._held:
            self._busy_at = now
        idle = now - self._busy_at >= self._deps.config.poll_idle_exit
        return self._deps.window.left() <= 0 or (idle and not self._called)

    async def _finish_all_but_slow_calls(self) -> None:
        """Wait for what may still be in progress at the end: writes, and paid calls and copies that end soon."""
        await self._wait_until(lambda: not self._held, SCAN_SECONDS)
        await self._wait_until(lambda: all(lease.job.status in SLOW for lease in self._held.values()))

    async def _replace_scheduler(self) -> None:
        """Let windows begin while slow calls go on: the scheduler does not call before its last call has returned."""
        while self._held:
            await self._deps.wake_up.at(self._clock.now())
            await self._wait_until(lambda: not self._held, SCHEDULER_SECONDS)

    async def _wait_until(self, done: Callable[[], bool], seconds: float | None = None) -> None:
        """Wait until `done` returns true, for at most `seconds`. It is called whenever a job is no longer held."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not done():
                    self._left.clear()
                    await self._left.wait()

    async def _wake_up(self) -> None:
        """Let the next window begin when something becomes due, unless the scheduler calls earlier."""
        now = self._clock.now()
        if self._called:
            self._due_later(now)
        if self._next_at and (self._next_at - now).total_seconds() < SCHEDULER_SECONDS:
            await self._deps.wake_up.at(self._next_at)

    def _seconds_to_scan(self) -> float:
        """Return the pause before the next scan: until something becomes due, if that is known."""
        seconds = (self._next_at - self._clock.now()).total_seconds() if self._next_at else 0.0
        return min(self._pause, max(seconds, MIN_SCAN_SECONDS)) if seconds > 0 else self._pause

    def _due_later(self, at: datetime) -> None:
        self._next_at = min(self._next_at or at, at)

    # --- claiming --------------------------------------------------------------------------------------------------

    async def _scan(self, workers: asyncio.TaskGroup) -> None:
        """Claim what is due, then start what the gate admits."""
        self._called = False
        if self._next_at and self._next_at <= self._clock.now():
            self._next_at = None
        try:
            await self._claim_due(workers)
            if self._deps.window.left() > 0 and self._has_room():
                await self._start_queued(workers)
        except WindowOver:
            return
        except (Conflict, StoreUnavailable) as error:
            self._deps.log.warning(Event.WINDOW, f"The job store failed: {type(error).__name__}")
        except Exception as error:  # it must not cancel the calls and copies in progress
            self._deps.log.internal_error(error, "A scan failed and is repeated")

    async def _start_queued(self, workers: asyncio.TaskGroup) -> None:
        """Start what the gate admits."""
        dispatch = await take_from_queue(self._deps, min(MAX_CALLS - self._calls, MAX_JOBS))
        self._counts.dispatched += len(dispatch.jobs)
        self._pause = SCAN_SECONDS_WHILE_DISPATCHING if dispatch.jobs else SCAN_SECONDS
        for lease, slot in dispatch.jobs:
            workers.create_task(self._hold(lease, self._start(lease, slot)))
        if dispatch.next_at:
            self._due_later(dispatch.next_at)
            pause = (dispatch.next_at - self._clock.now()).total_seconds()
            if pause < self._deps.window.left():
                self._busy_at = self._clock.monotonic()  # do not exit as idle

    async def _claim_due(self, workers: asyncio.TaskGroup) -> None:
        """Claim due jobs, a few at a time: how large they are is known when they have been read."""
        if not self._has_room():
            return
        rows = await self._deps.scans.due(MAX_CLAIMS, self._choose, self._deps.config.lease)
        late = [(self._clock.now() - row.due_at).total_seconds() for row in rows if row.due_at]
        self._oldest_due = max([self._oldest_due, *late])
        if not self._held:
            await self._run_suspects([row for row in rows if is_suspect(row)])
        rows = [row for row in rows if not is_suspect(row)]
        for start in range(0, len(rows), CLAIMS_AT_ONCE):
            if self._deps.window.left() <= 0 or not self._has_room():
                return
            claims = (self._claim(row) for row in rows[start : start + CLAIMS_AT_ONCE])
            for lease in [lease for lease in await asyncio.gather(*claims) if lease]:
                workers.create_task(self._hold(lease, self._advance(lease)))

    def _choose(self, rows: Sequence[JobRow]) -> list[JobRow]:
        """Choose the due jobs to claim: paid ones first, and only some of those to be prepared or wrapped up."""
        free = [row for row in rows if row.id not in self._held]
        now = self._clock.now()
        final = [row for row in free if row.status in FINAL and not (row.recheck_at and row.recheck_at <= now)]
        chosen = [row for row in free if row.status is not Status.QUEUED and row not in final]
        chosen += self._choose_to_prepare([row for row in free if row.status is Status.QUEUED])
        chosen += self._choose_final(final)
        return chosen[: min(MAX_CLAIMS, MAX_JOBS - len(self._held))]

    def _choose_to_prepare(self, rows: Sequence[JobRow]) -> list[JobRow]:
        """Choose the first ones, as many as may be prepared at the same time."""
        held = [lease.job for lease in self._held.values() if lease.job.status is Status.QUEUED]
        return shared_out(rows, held, MAX_PREPARING)

    def _choose_final(self, rows: Sequence[JobRow]) -> list[JobRow]:
        """Choose the first ones, as many as may be held: their receivers may be slow, and must not delay images."""
        held = self._final()
        return shared_out(rows, held, MAX_FINAL) if sum(map(memory_of, held)) < MAX_FINAL_BYTES else []

    def _is_one_too_many(self, job: Job) -> bool:
        """Whether a job that has become final is more than may be held."""
        held = self._final()
        own = sum(share_of(one.caller) == share_of(job.caller) for one in held)
        return max(len(held) - MAX_FINAL, own - MAX_FINAL // 2) > 0 or sum(map(memory_of, held)) > MAX_FINAL_BYTES

    def _final(self) -> list[Job]:
        return [lease.job for lease in self._held.values() if lease.job.finished]

    async def _claim(self, row: JobRow) -> Lease | None:
        """Read the job and claim it. Return None if another worker was faster or the store failed."""
        job = None
        with suppress(StoreUnavailable):  # the others of this scan are claimed all the same
            job = await self._deps.scans.read(row.id)
        if job is None or job.due_at is None or job.due_at > max(self._clock.now(), row.due_at or job.due_at):
            return None
        store, seconds, late = self._deps.store, self._deps.config.lease, self._clock.now() - job.due_at
        unclaimed = Lease(job, store, self._clock, seconds)
        try:
            is_free = late < ON_TIME and job.is_only_to_notify(self._clock.now())
            lease = unclaimed if is_free else await Lease.claim(job, store, self._clock, seconds)
        except RecordTooLarge as error:
            await self._handle_error(unclaimed, error)
            return None
        if lease:
            if notes := self._notes.pop(job.id, None):
                lease.notes = notes.continued()
            lease.notes.due_at = self._clock.monotonic() - max(late.total_seconds(), 0.0)  # the clock may be set back
        self._counts.claimed += lease is not None
        return lease

    async def _run_suspects(self, rows: Sequence[JobRow]) -> None:
        """Work on jobs that may kill their worker: one by one, with no other job in memory."""
        for row in rows:
            if self._deps.window.left() > 0 and (lease := await self._claim(row)):
                lost = (row.claims or 0) >= LOST_AFTER
                work = end_early(lease, ErrorCode.WORKER_LOST, self._deps) if lost else self._advance(lease, alone=True)
                await self._hold(lease, work)

    def _has_room(self) -> bool:
        """Whether more jobs may be held, even if they are the largest there are; always if none is held."""
        room = MAX_BYTES - sum(memory_of(lease.job) for lease in self._held.values())
        return not self._held or (room >= CLAIMS_AT_ONCE * LARGEST_JOB and len(self._held) < MAX_JOBS)

    # --- working ---------------------------------------------------------------------------------------------------

    async def _hold(self, lease: Lease, work: Coroutine[Any, Any, None]) -> None:
        """Do `work` while the lease is renewed. An error affects this job only."""
        before, self._held[lease.job.id] = lease.job, lease
        keeper = asyncio.create_task(lease.keep())
        worker = asyncio.create_task(work)
        try:
            await asyncio.wait({keeper, worker}, return_when=asyncio.FIRST_COMPLETED)
            await (worker if worker.done() else keeper)
        except LeaseLost:
            self._deps.log.warning(Event.WINDOW, "Another worker holds the job by now.", **lease.job.log_fields())
        except Exception as error:  # a failing job never stops the window
            await self._handle_error(lease, error)
        finally:
            keeper.cancel()
            worker.cancel()
            await asyncio.gather(keeper, worker, return_exceptions=True)
            if self._held.get(lease.job.id) is lease:  # a job may be both due and at the head of the queue
                del self._held[lease.job.id]
            self._left.set()
            self._counts.add(before, lease)
            if lease.released and lease.job.due_at:
                self._due_later(lease.job.due_at)

    async def _start(self, lease: Lease, slot: Slot) -> None:
        if self._deps.window.left() <= 0:
            await put_back(lease, slot, self._deps)
            return
        self._calls += 1
        try:
            await send_leased(lease, slot, self._deps)
        finally:
            self._calls -= 1
        if not lease.released:
            await self._advance(lease)

    async def _advance(self, lease: Lease, *, alone: bool = False) -> None:
        """Advance the job until it is final, must wait for longer than MAX_HOLD, or the window is over.

        A job that runs `alone` is released as soon as it has made progress.
        """
        at = self._clock.now()
        while self._deps.window.left() > 0 and not (lease.job.finished and self._is_one_too_many(lease.job)):
            next_at = await advance(lease, self._deps)
            if next_at is None:
                return
            at = next_at
            pause = (at - self._clock.now()).total_seconds()
            progressed = alone and not lease.job.claims
            if pause >= self._deps.window.left() or pause > MAX_HOLD or progressed:
                break
            await self._clock.sleep(min(pause, RECONSIDER_SECONDS))
        if lease.job.status is Status.RUNNING:
            self._running.add(lease.job.id)
            self._remember(lease)
            at = max(at - WAKE_UP_AHEAD, self._clock.now())
        self._due_later(at)
        await lease.release(lease.job.due(at))

    def _remember(self, lease: Lease) -> None:
        self._notes[lease.job.id] = lease.notes
        if len(self._notes) > MAX_JOBS:  # other pollers have taken the oldest
            del self._notes[next(iter(self._notes))]

    async def _handle_error(self, lease: Lease, error: Exception) -> None:
        """Release the job for a later try, or end it at its deadline."""
        try:
            if isinstance(error, RecordTooLarge):
                await end_early(lease, ErrorCode.RECORD_TOO_LARGE, self._deps)
                return
            self._deps.log.internal_error(error, "A job failed and is retried later", **lease.job.log_fields())
            await set_aside(lease, self._deps)
        except LeaseLost:
            return
        except Exception as second:  # a failing job never stops the window
            self._deps.log.internal_error(second, "A job could not be set aside", **lease.job.log_fields())

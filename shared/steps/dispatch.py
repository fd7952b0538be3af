"""Start jobs: those that the gate admits on arrival, and those at the head of the queue."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.error_codes import Charged, ErrorCode
from shared.job import Job, Status
from shared.job_parts import JobError
from shared.log import Event
from shared.ports import RecordTooLarge, StoreError, StoreUnavailable
from shared.runtime.dependencies import Deps
from shared.runtime.lease import Lease
from shared.spending import gate
from shared.spending.gate import Slot
from shared.steps.paid_call import after_unknown, log_failure, make_paid_call
from shared.wireflow import errors

MAX_SAME_EXECUTION = 20  # jobs that are compared

WAITED_HINT = "The job waited for its maximum time. Fix the cause, then send the request with a new Idempotency-Key."


def triggered(job: Job, deps: Deps) -> Job:
    """Return the job as it is stored before its paid call, leased to its sender."""
    now = deps.clock.now()
    return job.triggered(now, now + timedelta(seconds=deps.config.lease))


async def send(job: Job, slot: Slot, deps: Deps) -> Job:
    """Make the paid call of a job that was just stored as triggering, and store the outcome.

    If the outcome cannot be stored, the job stays triggering and is resolved like any unknown outcome.
    """
    outcome = await make_paid_call(job, slot, deps)
    stored = await _store(outcome, deps)
    if stored is None:
        deps.log.error(Event.OUTCOME_UNKNOWN, "The outcome could not be stored.", **outcome.log_fields())
        return job
    disputed = await _disputed(stored, deps)
    return (disputed and await _store(disputed, deps)) or stored


async def _store(job: Job, deps: Deps) -> Job | None:
    for _ in range(2):
        try:
            return await deps.store.save(job)
        except StoreUnavailable:
            continue
        except StoreError:
            break
    return None


async def send_leased(lease: Lease, slot: Slot, deps: Deps) -> None:
    """Make the paid call of a leased job and store the outcome; a started job stays leased."""
    outcome = await make_paid_call(lease.job, slot, deps)
    if outcome.status is not Status.RUNNING:
        await lease.release(outcome)
        return
    await lease.save(outcome)
    if disputed := await _disputed(lease.job, deps):
        await lease.release(disputed)


async def _disputed(job: Job, deps: Deps) -> Job | None:
    """Return the job with an unknown outcome if an earlier job has the same execution id, else None.

    Looked up when the run is recorded: of two jobs that record it at the same time, the later one sees the other.
    """
    if job.status is not Status.RUNNING or job.execution_id is None or job.started_at is None:
        return None
    try:
        rows = await deps.store.with_execution(job.execution_id, MAX_SAME_EXECUTION)
    except StoreUnavailable:
        return None
    others = [row for row in rows if row.id != job.id and row.started_at]
    if all((row.started_at, row.id) > (job.started_at, job.id) for row in others):
        return None
    error = errors.OutcomeUnknown("Wireflow named an execution that belongs to another job.", request_id=job.request_id)
    message = "Wireflow gave two jobs the same execution id. Only the first one follows it."
    deps.log.error(Event.OUTCOME_UNKNOWN, message, otherJobId=others[0].id, **job.log_fields())
    return after_unknown(job.execution_disputed(), error, deps)


@dataclass(frozen=True, slots=True)
class Dispatch:
    """The jobs that start now, stored as triggering. `next_at`: when the next may start; None for an empty queue."""

    jobs: list[tuple[Lease, Slot]]
    next_at: datetime | None


async def take_from_queue(deps: Deps, limit: int) -> Dispatch:
    """Take as many jobs from the head of the queue as the gate admits, at most `limit`."""
    now, limits = deps.clock.now(), deps.config.limits
    if not await deps.store.queue_head(now, 1):
        return Dispatch([], None)
    await deps.admission.probe_health(deps.wireflow.healthy)
    state = await deps.admission.recent()
    wanted = min(gate.free_slots(state, limits, now), limit)
    taken = await _take(wanted, deps) if wanted > 0 else []
    return Dispatch(taken, gate.estimate_start(state, limits, len(taken), now))


async def _take(wanted: int, deps: Deps) -> list[tuple[Lease, Slot]]:
    jobs = await deps.scans.queued(wanted)
    slots = await deps.admission.acquire(len(jobs))
    leases = await asyncio.gather(*(_claim(job, deps) for job, _ in zip(jobs, slots, strict=False)))
    pairs = list(zip(leases, slots, strict=True))
    await deps.admission.release([slot for lease, slot in pairs if lease is None])
    return [(lease, slot) for lease, slot in pairs if lease is not None]


async def _claim(job: Job, deps: Deps) -> Lease | None:
    """Store the job as triggering. Return None if another worker was faster."""
    try:
        return await Lease.claim(triggered(job, deps), deps.store, deps.clock, deps.config.lease)
    except RecordTooLarge:  # it fails when it is due, at the latest
        return None


async def give_up_waiting(lease: Lease, deps: Deps) -> None:
    """Fail a job that was queued for its maximum time, with the error code of what blocked it."""
    job, now = lease.job, deps.clock.now()
    blocked = gate.wait_reason(await deps.admission.recent(), deps.config.limits, now) if job.prepared else None
    code = blocked or job.wait_reason or ErrorCode.RATE_LIMITED
    charged = job.charged(Charged.NO)
    error = JobError.of(code, charged=charged, request_id=job.request_id, hint=WAITED_HINT)
    log_failure(Event.JOB_FAILED, code, await lease.release(job.failed(error, now)), deps)

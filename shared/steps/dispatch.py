"""Start jobs: those that the gate admits on arrival, and those at the head of the queue."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from shared.error_codes import ErrorCode
from shared.job import Job
from shared.job_states import Status
from shared.log import Event
from shared.runtime.dependencies import Deps
from shared.runtime.lease import Lease
from shared.runtime.meanwhile import meanwhile
from shared.runtime.places import Places
from shared.runtime.saving import save_over
from shared.spending import gate
from shared.spending.gate_state import Gate, Slot
from shared.steps.cancel_batch import canceled_with_batch
from shared.steps.finish import finish, finish_unleased
from shared.steps.paid_call import make_paid_call, seconds_to_first_claim
from shared.steps.update_gate import update_gate
from shared.steps.waiting import hold_back, rejoin_queue
from shared.steps.wake_up import wake_up_meanwhile
from shared.store_errors import RecordTooLarge, StoreError, StoreUnavailable

NEXT_TRY = timedelta(seconds=30)  # of a chosen job that the limits do not admit yet
# Prepares the response with a job that is being stored. The places: of the queue, if the job waits in it.
Draft = Callable[[Job, Places | None], Awaitable[None]]
LOOK_AHEAD = 20  # jobs among which a trial is chosen, and from which those of suspended workflows are held


def triggered(job: Job, slot: Slot, deps: Deps) -> Job:
    """Return the job as it is stored before its paid call, leased to its sender."""
    now = deps.clock.now()
    return job.triggered(now, now + timedelta(seconds=deps.config.lease), slot.reservation)


async def send(job: Job, slot: Slot, deps: Deps, draft: Draft | None = None) -> Job:
    """Make the paid call of a job that was just stored as triggering, and store the outcome.

    If the outcome cannot be stored, the job stays triggering and is resolved like any unknown outcome.
    """
    wake_up_at = deps.clock.now() + timedelta(seconds=await seconds_to_first_claim(job, deps))
    outcome = await wake_up_meanwhile(make_paid_call(job, slot, deps), wake_up_at, deps)
    for _ in range(2):
        try:
            if outcome.finished:
                return await finish_unleased(job, outcome, deps)
            drafting = partial(draft, outcome, None) if draft and outcome.status is Status.RUNNING else None
            return await meanwhile(save_over(job, outcome, deps.store), drafting, deps.clock, deps.log)
        except StoreUnavailable:
            continue
        except StoreError:
            break
    deps.log.error(Event.OUTCOME_UNKNOWN, "The outcome could not be stored.", **outcome.log_fields())
    return job


async def send_leased(lease: Lease, slot: Slot, deps: Deps) -> None:
    """Make the paid call of a leased job and store the outcome; a started job stays leased."""
    outcome = await make_paid_call(lease.job, slot, deps, patient=True)
    if outcome.status is Status.RUNNING:
        await lease.save(outcome)
    elif outcome.finished:
        await finish(lease, outcome, deps)
    else:
        await lease.release(outcome)


async def leave_hold(lease: Lease, deps: Deps) -> datetime | None:
    """Let a held job back into the queue; start it if the operator lets it through every suspension.

    Return when to continue, or None when the job need not be held by its worker any longer.
    """
    job, now = lease.job, deps.clock.now()
    if not job.chosen or now >= job.give_up_at:
        await rejoin_queue(lease, deps)
        return None
    (slot,) = await deps.admission.acquire([job], 1)
    if slot is None:
        return now + NEXT_TRY
    await lease.save(triggered(job, slot, deps))
    await send_leased(lease, slot, deps)
    return deps.clock.now() if lease.job.status is Status.RUNNING else None


async def put_back(lease: Lease, slot: Slot, deps: Deps) -> None:
    """Return a claimed job to its place in the queue, because the window ended before its paid call was sent."""
    await update_gate(deps.admission.release([slot]), deps)
    requeued = lease.job.requeued(ErrorCode.RATE_LIMITED, attempt=lease.job.attempt)
    job = await canceled_with_batch(requeued, deps)
    await (finish(lease, job, deps) if job.finished else lease.release(job))


async def is_healthy(deps: Deps) -> bool:
    """Return whether Wireflow works. Raise WindowOver if the window ends before it responds.

    The webhook that is asked may be deleted while other workflows are in use.
    """
    others = any(workflow.id != deps.config.webhook_id for workflow in deps.config.workflows)
    return await deps.window.bound(deps.wireflow.healthy(needs_webhook=not others))


@dataclass(frozen=True, slots=True)
class Dispatch:
    """The jobs that start now, stored as triggering. `next_at`: when the next may start, if any waits."""

    jobs: list[tuple[Lease, Slot]]
    next_at: datetime | None


async def take_from_queue(deps: Deps, limit: int) -> Dispatch:
    """Take as many jobs from the head of the queue as the gate admits, at most `limit`.

    Raise WindowOver if the window ends during a health call.
    """
    now, limits = deps.clock.now(), deps.config.limits
    if not await deps.store.queue_head(deps.scans.latest(), 1):
        deps.requests.no_start_waits()
        return Dispatch([], deps.admission.next_trial())
    await deps.admission.probe_health(lambda: is_healthy(deps))
    state = await deps.admission.recent()
    wanted = deps.requests.free_starts(min(gate.free_slots(state, limits, now), limit), state.starts)
    taken, waiting = await _take(wanted, state, deps) if wanted > 0 else ([], None)
    if len(taken) < wanted:
        deps.requests.no_start_waits()
    charge = replace(deps.admission.charge(waiting), caller=None) if waiting else None
    next_start = gate.estimate_start(state, limits, len(taken), now, charge=charge)
    next_start = max(next_start, deps.requests.next_start_at())
    return Dispatch(taken, min(filter(None, (next_start, deps.admission.next_trial()))))


async def _take(wanted: int, state: Gate, deps: Deps) -> tuple[list[tuple[Lease, Slot]], Job | None]:
    """Return the jobs that start now, and the first one that waits for the gate, if it was looked at."""
    passed = state.suspension or state.workflows or deps.config.limits.spending.callers
    jobs = await deps.scans.queued(max(wanted, LOOK_AHEAD) if passed else wanted)
    slots = await deps.admission.acquire(jobs, wanted)
    admitted = [(job, slot) for job, slot in zip(jobs, slots, strict=True) if slot]
    leases = await asyncio.gather(*(_claim(job, slot, deps) for job, slot in admitted))
    pairs = [(lease, slot) for lease, (_, slot) in zip(leases, admitted, strict=True)]
    await update_gate(deps.admission.release([slot for lease, slot in pairs if lease is None]), deps)
    waiting: list[Job] = []
    with suppress(StoreError):  # what is stored as triggering must be sent all the same
        waiting = await hold_back([job for job, slot in zip(jobs, slots, strict=True) if slot is None], deps)
    return [(lease, slot) for lease, slot in pairs if lease is not None], next(iter(waiting), None)


async def _claim(job: Job, slot: Slot, deps: Deps) -> Lease | None:
    """Store the job as triggering. Return None if another worker was faster."""
    try:
        return await Lease.claim(triggered(job, slot, deps), deps.store, deps.clock, deps.config.lease)
    except RecordTooLarge:  # it fails when it is due, at the latest
        return None

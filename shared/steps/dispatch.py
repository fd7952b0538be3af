"""Start jobs: those that the gate admits on arrival, and those at the head of the queue."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.job import Job, Status
from shared.log import Event
from shared.ports import Conflict, StoreUnavailable
from shared.runtime.dependencies import Deps
from shared.runtime.lease import Lease
from shared.spending import gate
from shared.spending.gate import Gate, Slot
from shared.steps.paid_call import make_paid_call
from shared.steps.waiting import hold_suspended

LOOK_AHEAD = 20  # jobs among which a trial is chosen, and from which those of suspended workflows are held


def triggered(job: Job, deps: Deps) -> Job:
    """Return the job as it is stored before its paid call, leased to its sender."""
    now = deps.clock.now()
    return job.triggered(now, now + timedelta(seconds=deps.config.lease))


async def send(job: Job, slot: Slot, deps: Deps) -> Job:
    """Make the paid call of a job that was just stored as triggering, and store the outcome.

    If the outcome cannot be stored, the job stays triggering and is resolved like any unknown outcome.
    """
    outcome = await make_paid_call(job, slot, deps)
    for _ in range(2):
        try:
            return await deps.store.save(outcome)
        except StoreUnavailable:
            continue
        except Conflict:
            break
    deps.log.error(Event.OUTCOME_UNKNOWN, "The outcome could not be stored.", **outcome.log_fields())
    return job


async def send_leased(lease: Lease, slot: Slot, deps: Deps) -> None:
    """Make the paid call of a leased job and store the outcome; a started job stays leased."""
    outcome = await make_paid_call(lease.job, slot, deps)
    if outcome.status is Status.RUNNING:
        await lease.save(outcome)
    else:
        await lease.release(outcome)


@dataclass(frozen=True, slots=True)
class Dispatch:
    """The jobs that start now, stored as triggering. `next_at`: when the next may start, if any waits."""

    jobs: list[tuple[Lease, Slot]]
    next_at: datetime | None


async def take_from_queue(deps: Deps, limit: int) -> Dispatch:
    """Take as many jobs from the head of the queue as the gate admits, at most `limit`."""
    now, limits = deps.clock.now(), deps.config.limits
    if not await deps.store.queue_head(now, 1):
        return Dispatch([], deps.admission.next_trial())
    await deps.admission.probe_health(deps.wireflow.healthy)
    state = await deps.admission.recent()
    wanted = min(gate.free_slots(state, limits, now), limit)
    taken = await _take(wanted, state, deps) if wanted > 0 else []
    return Dispatch(taken, gate.estimate_start(state, limits, len(taken), now))


async def _take(wanted: int, state: Gate, deps: Deps) -> list[tuple[Lease, Slot]]:
    suspended = state.suspension or state.workflows
    jobs = await deps.store.queue_head(deps.clock.now(), max(wanted, LOOK_AHEAD) if suspended else wanted)
    slots = await deps.admission.acquire(jobs, wanted)
    admitted = [(job, slot) for job, slot in zip(jobs, slots, strict=True) if slot]
    leases = await asyncio.gather(*(_claim(job, deps) for job, _ in admitted))
    pairs = [(lease, slot) for lease, (_, slot) in zip(leases, admitted, strict=True)]
    await deps.admission.release([slot for lease, slot in pairs if lease is None])
    await hold_suspended([job for job, slot in zip(jobs, slots, strict=True) if slot is None], deps)
    return [(lease, slot) for lease, slot in pairs if lease is not None]


async def _claim(job: Job, deps: Deps) -> Lease | None:
    """Store the job as triggering. Return None if another worker was faster."""
    try:
        claimed = await deps.store.save(triggered(job, deps))
    except (Conflict, StoreUnavailable):
        return None
    return Lease(claimed, deps.store, deps.clock, deps.config.lease)

"""Waiting jobs: held while their workflow is suspended or their caller is at a limit, let back in, and given up."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

from shared.error_codes import EXPLANATIONS, Charged, ErrorCode
from shared.job import Job
from shared.job_parts import JobError
from shared.log import Event
from shared.runtime.dependencies import Deps
from shared.runtime.lease import Lease
from shared.spending import gate, suspensions
from shared.spending.gate_state import Gate
from shared.steps.finish import finish
from shared.steps.paid_call import log_failure
from shared.steps.placing import held_by_limit, next_place
from shared.store_errors import Conflict, StoreUnavailable

WAITED = "The job waited for its maximum time."
STEP = timedelta(microseconds=1)  # between held jobs: they come back in order


def held(job: Job, state: Gate, deps: Deps) -> Job | None:
    """Return the job out of the queue, so that others pass it; None if it may stay in the queue.

    It is held until the next trial of its workflow, or for as long as its caller is at a limit, at most an hour at a
    time: limits may be raised.
    """
    now = deps.clock.now()
    candidate = deps.admission.candidate(job)
    if suspension := gate.hold(state, now, candidate):
        return job.held_until(suspensions.held_until(suspension, candidate), suspension.reason)
    short = gate.shortage(state, deps.config.limits, candidate.charge, now)
    return held_by_limit(job, short, now) if short and short.alone else None


async def hold_back(jobs: Sequence[Job], deps: Deps) -> list[Job]:
    """Hold those of `jobs` that must not hold up others, and return the rest; another worker may be faster."""
    state = await deps.admission.recent()
    found = [held(job, state, deps) for job in jobs]

    async def save(number: int, job: Job) -> None:
        with suppress(Conflict, StoreUnavailable):
            await deps.store.save(job.due((job.due_at or job.give_up_at) + number * STEP))

    await asyncio.gather(*(save(number, job) for number, job in enumerate(filter(None, found))))
    return [job for job, hold in zip(jobs, found, strict=True) if hold is None]


async def rejoin_queue(lease: Lease, deps: Deps) -> None:
    """Give a held job a place in the queue, as to a new job of its caller, unless its reason is still there.

    A job that has waited for its maximum time is given up.
    """
    job, now = lease.job, deps.clock.now()
    if now >= job.give_up_at:
        await give_up_waiting(lease, deps)
        return
    if still_held := held(job, await deps.admission.recent(), deps):
        await lease.release(still_held)
        return
    await lease.release(job.rejoined(await next_place(job.caller, deps)))


async def give_up_waiting(lease: Lease, deps: Deps) -> None:
    """Fail a job that was queued for its maximum time, with the code of what kept it waiting."""
    job, now = lease.job, deps.clock.now()
    state, limits = await deps.admission.recent(), deps.config.limits
    blocking = gate.blocked_by(state, now, job.workflow) if job.prepared else None
    code = blocking.reason if blocking else job.wait_reason or ErrorCode.RATE_LIMITED
    if blocking is None and job.prepared and gate.shortage(state, limits, deps.admission.charge(job), now):
        code = ErrorCode.SPEND_LIMIT
    words = job.refusal.message if job.refusal and job.refusal.reason is code else None
    charged = job.charged(Charged.NO)
    hint = f"{WAITED} {EXPLANATIONS[code].failed_hint}"
    error = JobError.of(code, charged=charged, message=words, request_id=job.request_id, hint=hint)
    log_failure(Event.JOB_FAILED, code, await finish(lease, job.failed(error, now), deps), deps)

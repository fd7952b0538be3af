"""Waiting jobs: held while their workflow is suspended so that others pass them, let back in, and given up."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

from shared.error_codes import Charged, ErrorCode
from shared.job import Job
from shared.job_parts import JobError
from shared.log import Event
from shared.runtime.dependencies import Deps
from shared.runtime.lease import Lease
from shared.spending import gate
from shared.steps.paid_call import log_failure
from shared.steps.placing import next_place
from shared.store_errors import Conflict, StoreUnavailable

WAITED_HINT = "The job waited for its maximum time. Fix the cause, then send the request with a new Idempotency-Key."
STEP = timedelta(microseconds=1)  # between held jobs: they come back in order


async def hold_suspended(jobs: Sequence[Job], deps: Deps) -> None:
    """Hold those of `jobs` whose workflow is suspended until its next trial; another worker may be faster."""
    state = await deps.admission.recent()

    async def hold(number: int, job: Job) -> None:
        candidate = deps.admission.candidate(job)
        if suspension := gate.hold(state, deps.clock.now(), candidate):
            until = gate.held_until(suspension, candidate) + number * STEP
            with suppress(Conflict, StoreUnavailable):
                await deps.store.save(job.held_until(until, suspension.reason))

    await asyncio.gather(*(hold(number, job) for number, job in enumerate(jobs)))


async def rejoin_queue(lease: Lease, deps: Deps) -> None:
    """Give a held job a place in the queue, as to a new job of its caller; hold it on if its workflow is suspended.

    A job that has waited for its maximum time is given up.
    """
    job, now = lease.job, deps.clock.now()
    if now >= job.give_up_at:
        await give_up_waiting(lease, deps)
        return
    candidate = deps.admission.candidate(job)
    if suspension := gate.hold(await deps.admission.recent(), now, candidate):
        await lease.release(job.held_until(gate.held_until(suspension, candidate), suspension.reason))
        return
    await lease.release(job.rejoined(await next_place(job.caller, deps)))


async def give_up_waiting(lease: Lease, deps: Deps) -> None:
    """Fail a job that was queued for its maximum time, with the code of what kept it waiting."""
    job, now = lease.job, deps.clock.now()
    blocking = gate.blocked_by(await deps.admission.recent(), now, job.workflow) if job.prepared else None
    code = blocking.reason if blocking else job.wait_reason or ErrorCode.RATE_LIMITED
    words = job.refusal.message if job.refusal and job.refusal.reason is code else None
    charged = job.charged(Charged.NO)
    error = JobError.of(code, charged=charged, message=words, request_id=job.request_id, hint=WAITED_HINT)
    log_failure(Event.JOB_FAILED, code, await lease.release(job.failed(error, now)), deps)

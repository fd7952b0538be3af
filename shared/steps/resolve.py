"""Resolve a paid call whose outcome is unknown: retry it once, marked `possibleDuplicate`, or fail the job.

https://www.wireflow.ai/docs/api/executions: the retry carries the same idempotency key.
"""

from datetime import datetime, timedelta

from shared.config import OnUnknown
from shared.error_codes import ErrorCode
from shared.job import Job
from shared.job_states import Status
from shared.log import Event
from shared.runtime.dependencies import Deps
from shared.runtime.lease import Lease
from shared.runtime.slots import WindowOver
from shared.spending import gate
from shared.spending.gate_state import Slot
from shared.steps.dispatch import is_healthy, send_leased
from shared.steps.finish import finish
from shared.steps.paid_call import log_failure, outcome_unknown

MIN_PAUSE, MAX_PAUSE = timedelta(seconds=1), timedelta(seconds=60)  # the gate may resume earlier than estimated


async def resolve(lease: Lease, deps: Deps) -> datetime | None:
    """Retry the call if that is allowed. Return when to continue, or None when the job need not be held any longer."""
    job, now = lease.job, deps.clock.now()
    retryable = deps.config.on_unknown is OnUnknown.RETRY and not job.possible_duplicate
    slot = await _acquire_slot(job, deps) if retryable else None
    if slot is not None:
        if deps.window.left() <= 0:
            await deps.admission.release([slot])
            raise WindowOver
        await lease.save(job.retried(now, slot.reservation))
        await send_leased(lease, slot, deps)
        return deps.clock.now() if lease.job.status is Status.RUNNING else None
    if retryable and now < job.give_up_at:
        state, charge = await deps.admission.recent(), deps.admission.charge(job)
        start = gate.estimate_start(state, deps.config.limits, 0, now, job.workflow, charge)
        return min(max(start, now + MIN_PAUSE), now + MAX_PAUSE)
    failed = await finish(lease, outcome_unknown(job, None, deps.clock.now()), deps)
    log_failure(Event.JOB_FAILED, ErrorCode.OUTCOME_UNKNOWN, failed, deps)
    return None


async def _acquire_slot(job: Job, deps: Deps) -> Slot | None:
    """Return a slot if Wireflow is healthy: an outage must not use up the only retry."""
    await deps.admission.probe_health(lambda: is_healthy(deps))
    if not gate.free_slots(await deps.admission.recent(), deps.config.limits, deps.clock.now()):
        return None
    if not await is_healthy(deps):
        await deps.admission.health_check_failed()
        return None
    (slot,) = await deps.admission.acquire([job], 1)
    return slot

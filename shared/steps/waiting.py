"""What keeps a job in line, and when it can go if nothing changes."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.error_codes import ErrorCode
from shared.job import Job, Status
from shared.ports import StoreUnavailable
from shared.runtime.dependencies import Deps
from shared.spending import gate


@dataclass(frozen=True, slots=True)
class Wait:
    """`reason`: None where nothing but its turn keeps it; `until`: None where nobody can tell."""

    reason: ErrorCode | None
    until: datetime | None


async def waiting(job: Job, deps: Deps) -> Wait | None:
    """Why a queued job waits; None for any other, and for one that is about to be prepared."""
    if job.status is not Status.QUEUED:
        return None
    if job.queue_at is None:
        return Wait(job.wait_reason, job.due_at) if job.wait_reason else None
    now, limits = deps.clock.now(), deps.config.limits
    try:
        state, ahead = await deps.admission.recent(), await deps.store.count_ahead(job.queue_at)
    except StoreUnavailable:  # the job is recorded: an answer without a good estimate is better than none
        return Wait(job.wait_reason or ErrorCode.RATE_LIMITED, _next_minute(now))
    reason = gate.wait_reason_of(state, limits, now) or job.wait_reason
    if reason is ErrorCode.RATE_LIMITED and ahead == 0 and gate.free(state, limits, now):
        reason = None  # the poller's next look takes it along
    at = max(gate.estimate(state, limits, ahead, now), job.queue_at)
    return Wait(reason, at if at > now else _next_minute(now))


def _next_minute(now: datetime) -> datetime:
    """The poller's next call: the scheduler makes one a minute."""
    return now.replace(second=0, microsecond=0) + timedelta(minutes=1)

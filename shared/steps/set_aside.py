"""End or postpone a job that its own steps cannot end: after a fault of ours, lost workers, or with a full record."""

from datetime import datetime, timedelta

from shared.config import MAX_COPY_TIME
from shared.error_codes import Charged, ErrorCode
from shared.job import Job
from shared.job_parts import JobError
from shared.job_states import Status
from shared.log import Event
from shared.runtime.dependencies import Deps
from shared.runtime.lease import Lease
from shared.steps import follow
from shared.steps.copy import give_up_copying
from shared.steps.deliver import log_delivery
from shared.steps.finish import finish
from shared.steps.paid_call import log_failure, outcome_unknown
from shared.steps.recheck import GIVE_UP_AFTER
from shared.steps.waiting import give_up_waiting

PAUSE = timedelta(minutes=5)
# A job that is claimed this often without progress may be what kills its workers: it runs alone, and then it fails.
ALONE_AFTER, LOST_AFTER = 3, 5

# Whether a job in this state has cost money, if it ends here.
CHARGED = {
    Status.QUEUED: Charged.NO,
    Status.TRIGGERING: Charged.UNKNOWN,
    Status.RUNNING: Charged.UNKNOWN,
    Status.COPYING: Charged.YES,
}


async def set_aside(lease: Lease, deps: Deps) -> None:
    """Hand a job back that raised an unexpected exception. At its deadline it ends as it would have without it."""
    now, deadline = deps.clock.now(), _deadline(lease.job, deps)
    if deadline is None or now < deadline:
        await lease.release(lease.job.due(min(now + PAUSE, deadline or now + PAUSE)))
        return
    match lease.job.status:
        case Status.QUEUED:
            await give_up_waiting(lease, deps)
        case Status.TRIGGERING:
            failed = await finish(lease, outcome_unknown(lease.job, None, now), deps)
            log_failure(Event.JOB_FAILED, ErrorCode.OUTCOME_UNKNOWN, failed, deps)
        case Status.RUNNING:
            await follow.time_out(lease, deps)
        case Status.COPYING:
            await give_up_copying(lease, deps)
        case _:
            await lease.release(lease.job.rechecked())
    await _hand_back(lease, deps)


async def end_early(lease: Lease, code: ErrorCode, deps: Deps) -> None:
    """End a job that cannot go on, without what may be dropped from its record. Stored images stay.

    The request is kept for a retry, unless it makes the record too large.
    """
    if lease.job.finished:
        pending = {callback.key for callback in lease.job.callbacks if callback.next_attempt_at}
        abandoned = await lease.release(lease.job.trimmed().abandoned())
        for callback in abandoned.callbacks:
            if callback.key in pending:
                log_delivery(abandoned, callback, deps)
        return
    job = lease.job.reduced() if code is ErrorCode.RECORD_TOO_LARGE else lease.job.trimmed()
    error = JobError.of(code, charged=job.charged(CHARGED[job.status]), request_id=job.request_id)
    failed = await finish(lease, job.failed(error, deps.clock.now()), deps)
    log_failure(Event.JOB_FAILED, code, failed, deps)
    await _hand_back(lease, deps)


async def _hand_back(lease: Lease, deps: Deps) -> None:
    """Leave what is left to do, such as its notifications, to another worker."""
    if not lease.released:
        await lease.release(lease.job.due(deps.clock.now()))


def _deadline(job: Job, deps: Deps) -> datetime | None:
    match job.status:
        case Status.QUEUED | Status.TRIGGERING:
            return job.give_up_at
        case Status.RUNNING:
            return follow.run_deadline(job, deps)
        case Status.COPYING:
            return (job.copy_began_at or job.created_at) + MAX_COPY_TIME
        case Status.FAILED if job.needs_recheck:
            return (job.completed_at or job.created_at) + GIVE_UP_AFTER
        case _:
            return None

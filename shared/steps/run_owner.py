"""One run, one job: of two jobs that Wireflow gave the same execution id, the first one follows the run.

The outcome of the other one's paid call is unknown. An instance knows its own executions; those of others are looked up
before the first poll. The job has been recorded by then, so of two jobs at least one sees the other.
"""

from datetime import datetime, timedelta

from shared.job import Job
from shared.job_states import Status
from shared.ports import JobRow
from shared.runtime.dependencies import Deps
from shared.runtime.lease import Lease
from shared.steps.finish import finish
from shared.steps.paid_call import after_unknown, execution_of_another_job
from shared.store_errors import StoreUnavailable

MAX_JOBS = 10  # of one execution that are compared
ASK_AGAIN = timedelta(seconds=1)
PATIENCE = 60.0  # seconds for a later job to give the run up


async def wait_for_run(lease: Lease, deps: Deps) -> datetime | None:
    """Return None if the run is this job's. Otherwise the job has given it up, or it is known at the time returned.

    A later job that has not looked yet gives the run up when it does. One that has taken its images keeps it.
    """
    job, notes = lease.job, lease.notes
    if notes.owns_run or job.execution_id is None:
        return None
    now, seconds = deps.clock.now(), deps.clock.monotonic()
    try:
        rows = await deps.store.with_execution(job.execution_id, MAX_JOBS)
    except StoreUnavailable:
        return now + ASK_AGAIN
    others = [row for row in rows if row.id != job.id]
    if not others:
        notes.owns_run = True
        return None
    notes.disputed_at = notes.disputed_at or seconds
    first = next((row for row in others if _keeps_run(row, job)), None)
    if first is None and seconds - notes.disputed_at < PATIENCE:
        return now + ASK_AGAIN
    other = first or others[0]
    error = execution_of_another_job(job, other.id, job.request_id, deps)
    unknown = after_unknown(job.execution_disputed(), error, deps)
    await (finish(lease, unknown, deps) if unknown.finished else lease.release(unknown))
    return now


def _keeps_run(other: JobRow, job: Job) -> bool:
    """Whether another job has the run: it started earlier, or it has moved on with it."""
    earlier = (other.started_at or other.give_up_at, other.id) < (job.started_at or job.give_up_at, job.id)
    return earlier or other.status is not Status.RUNNING

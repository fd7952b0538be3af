"""Cancel a queued job."""

from shared.job import Job, Status
from shared.log import Event
from shared.ports import Conflict
from shared.runtime.dependencies import Deps


async def cancel(job: Job, deps: Deps) -> Job:
    """Return the job, canceled. Raise Conflict if it is no longer queued."""
    if job.status is not Status.QUEUED:
        raise Conflict(job.id)
    canceled = await deps.store.save(job.canceled(deps.clock.now()))
    deps.log.info(Event.JOB_CANCELED, "A job was canceled by its caller.", **canceled.log_fields())
    return canceled

"""Cancel a queued job."""

from shared.job import Job
from shared.job_states import Status
from shared.log import Event
from shared.runtime.dependencies import Deps
from shared.steps.finish import finish_unleased
from shared.store_errors import Conflict


async def cancel(job: Job, deps: Deps) -> Job:
    """Return the job, canceled. Raise Conflict if it is no longer queued."""
    if job.status is not Status.QUEUED:
        raise Conflict(job.id)
    canceled = await finish_unleased(job, job.canceled(deps.clock.now()), deps)
    deps.log.info(Event.JOB_CANCELED, "A job was canceled by its caller.", **canceled.log_fields())
    return canceled

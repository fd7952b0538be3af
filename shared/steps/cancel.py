"""Taking back a job that still waits."""

from shared.job import Job, Status
from shared.log import Event
from shared.ports import Conflict
from shared.runtime.dependencies import Deps


async def cancel(job: Job, deps: Deps) -> Job:
    """The job, canceled; Conflict if it does not wait any more."""
    if job.status is not Status.QUEUED:
        raise Conflict(job.id)
    now = deps.clock.now()
    changes = {"status": Status.CANCELED, "completed_at": now, "queue_at": None, "due_at": None, "wait_reason": None}
    canceled = await deps.store.save(job.evolve(**changes))
    deps.log.info(Event.JOB_CANCELED, "A job was cancelled by its caller.", **canceled.log_fields())
    return canceled

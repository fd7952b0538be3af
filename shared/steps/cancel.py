"""Taking back a job that still waits."""

from shared.job import Job, Status
from shared.log import Event
from shared.ports import Conflict
from shared.steps.services import Services


async def cancel(job: Job, services: Services) -> Job:
    """The job, canceled; Conflict if it does not wait any more."""
    if job.status is not Status.QUEUED:
        raise Conflict(job.id)
    now = services.clock.now()
    changes = {"status": Status.CANCELED, "completed_at": now, "queue_at": None, "due_at": None, "wait_reason": None}
    canceled = await services.store.save(job.evolve(**changes))
    services.log.info(Event.JOB_CANCELED, "A job was cancelled by its caller.", **canceled.log_fields())
    return canceled

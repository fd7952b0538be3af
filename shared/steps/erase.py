"""Erase a job: its record is reduced to a tombstone at once, its images are deleted by the poller."""

from datetime import timedelta

from shared.copy_errors import CopyError
from shared.job import Job
from shared.log import Event
from shared.runtime.dependencies import Deps
from shared.runtime.lease import Lease
from shared.steps.action_refused import NotErasable
from shared.steps.wake_up import wake_up_meanwhile

RETRY_AFTER = timedelta(minutes=5)
SECOND_PASS = timedelta(minutes=15)  # by then a worker that lost the job has stopped storing its images


async def erase(job: Job, deps: Deps) -> Job:
    """Return the tombstone of a final job; the poller deletes the images within a minute.

    Raise NotErasable, or Conflict if the job was changed since it was read.
    """
    if job.erased_at:
        return job
    if not job.finished:
        raise NotErasable(f"The status of the job is {job.status}. Only final jobs can be erased: cancel a queued one.")
    now = deps.clock.now()
    erased = await wake_up_meanwhile(deps.store.save(job.erased(now)), now, deps)
    deps.log.info(Event.JOB_ERASED, "A job was erased.", **erased.log_fields())
    return erased


async def erase_images(lease: Lease, deps: Deps) -> None:
    """Delete all images of an erased job, and record when to do it again."""
    job, now = lease.job, deps.clock.now()
    try:
        await deps.images.delete_job(job.id)
    except CopyError:
        message = "Images of an erased job could not be deleted. Check the poller's permissions. This is retried."
        deps.log.error(Event.CONFIGURATION, message, **job.log_fields())
        await lease.release(job.images_erased(now + RETRY_AFTER))
        return
    second = (job.erased_at or now) + SECOND_PASS
    await lease.release(job.images_erased(second if now < second else None))

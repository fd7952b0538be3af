"""Wrap up a final job: start the one that follows it, notify its receivers, and delete its input images."""

import asyncio
from datetime import timedelta

from shared.copy_errors import CopyError
from shared.job import Job
from shared.runtime.dependencies import Deps
from shared.runtime.lease import Lease
from shared.steps.chain import start_next
from shared.steps.deliver import deliver
from shared.steps.erase import erase_images

DELETE_AGAIN = timedelta(minutes=5)


async def wrap_up(lease: Lease, deps: Deps) -> None:
    """Do what is due, and record it with one write, which ends the lease. Raise StoreUnavailable.

    The job that follows comes first, so that notifications have its id.
    """
    if lease.job.erased_at:
        await erase_images(lease, deps)
        return
    job = await start_next(lease.job, deps)
    tried, deleted = await asyncio.gather(deliver(job, deps), _delete_inputs(job, deps))
    job = job.delivered(tried)
    if deleted is True:
        job = job.inputs_deleted()
    elif deleted is False:
        job = job.deletion_failed(deps.clock.now() + DELETE_AGAIN)
    await lease.release(job)


async def _delete_inputs(job: Job, deps: Deps) -> bool | None:
    """Delete the stored input images if it is time. Return whether that succeeded, None if nothing is to be deleted."""
    if not job.input_due_at or job.input_due_at > deps.clock.now():
        return None
    try:
        for name in job.stored_inputs:
            await deps.images.delete(name)
    except CopyError:
        return False
    return True

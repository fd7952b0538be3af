"""Deliver the notifications of a final job to all of its receivers again, with the same message id."""

from shared.job import Job
from shared.log import Event
from shared.runtime.dependencies import Deps
from shared.steps.wake_up import wake_up_meanwhile


async def redeliver(job: Job, deps: Deps) -> Job:
    """Return the job, whose callbacks are pending and due now; unchanged if it has none, or is not final yet.

    Raise Conflict if it was changed since it was read.
    """
    if not (job.finished and job.callbacks):
        return job
    now = deps.clock.now()
    saved = await wake_up_meanwhile(deps.store.save(job.redelivered(now)), now, deps)
    deps.log.info(Event.JOB_REDELIVERED, "The notifications of a job are delivered again.", **saved.log_fields())
    return saved

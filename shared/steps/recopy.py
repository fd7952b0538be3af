"""Copy the missing images of a final job again from their saved source URLs, which costs nothing."""

from shared.error_codes import ErrorCode
from shared.job import Job
from shared.job_states import Status
from shared.log import Event
from shared.runtime.dependencies import Deps
from shared.steps.action_refused import NotRecopyable
from shared.steps.new_job import MAX_RUN_TIME
from shared.steps.settle import settle
from shared.steps.usage import invalidate_usage
from shared.steps.wake_up import wake_up_meanwhile

# Errors of the run itself. If it left images in spite of the error, the job fails after they are copied.
RUN_ERRORS = (ErrorCode.MODERATION, ErrorCode.UPSTREAM_ERROR, ErrorCode.CANCELED, ErrorCode.TIMED_OUT)


async def recopy(job: Job, deps: Deps) -> Job:
    """Return the job in the state copying. Raise NotRecopyable, or Conflict if it was changed since it was read."""
    if not job.recopyable:
        raise NotRecopyable(_reason(job))
    await invalidate_usage(job, deps)
    now = deps.clock.now()
    error = job.error if job.error and job.error.code in RUN_ERRORS else None
    copying = job.recopied(now, error, now + MAX_RUN_TIME)
    saved = await wake_up_meanwhile(deps.store.save(copying), now, deps)
    await settle(job, saved, deps)
    deps.log.info(Event.JOB_RECOPIED, "The images of a job are copied again.", **saved.log_fields())
    return saved


def _reason(job: Job) -> str:
    if job.status not in (Status.FAILED, Status.SUCCEEDED):
        return f"The status of the job is {job.status}. Only images of failed and succeeded jobs can be copied again."
    if not job.images:
        return "The run left no image URL from which to copy."
    return "Every image of the job is stored."

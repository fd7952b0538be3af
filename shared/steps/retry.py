"""Retry a job that ended without an image: a new paid run, which a person has confirmed.

A request names the attempt that the caller has seen. The job is saved as the next attempt only if it is still in that
attempt, and the write is conditional. So of all requests that name one attempt, at most one leads to a new run.
"""

import json
from datetime import timedelta

from shared.error_codes import ErrorCode
from shared.job import Job
from shared.job_states import Status
from shared.log import Event
from shared.runtime.dependencies import Deps
from shared.steps.action_refused import NotRetryable
from shared.steps.input_images import check_input
from shared.steps.new_job import expiry
from shared.steps.paid_call import unknown_workflow
from shared.steps.placing import accepted_places, sharers
from shared.steps.prepare import prepare_at_once
from shared.steps.usage import invalidate_usage
from shared.steps.wake_up import wake_up_meanwhile
from shared.store_errors import StoreUnavailable
from shared.workflows import Mode, Workflow, estimated_cost


async def retry(job: Job, attempt: int, deps: Deps) -> Job:
    """Return the job in its next attempt, queued like a new job. `attempt`: the one that was seen.

    Raise NotRetryable, InputGone, QueueFull, or Conflict if the job was changed since it was read.
    """
    check_retryable(job, attempt)
    await check_input(job, deps)
    await invalidate_usage(job, deps)
    now = deps.clock.now()
    async with deps.queue.recent(sharers(job.caller, deps)) as places:
        queued = prepare_at_once(_next_attempt(job, deps), deps)
        queued = queued.placed(*accepted_places(1, job.caller, places, deps))
        saved = await wake_up_meanwhile(_save(queued, deps), now, deps)
    deps.log.info(Event.JOB_RETRIED, "A job is retried.", attempt=saved.attempt, **saved.log_fields())
    return saved


def check_retryable(job: Job, attempt: int) -> None:
    """Raise NotRetryable unless the job can be retried and is still in the attempt that was seen."""
    if job.attempt != attempt:
        raise NotRetryable(
            f"The job is in attempt {job.attempt}, not {attempt}: it was retried meanwhile. Read the job before you "
            "retry it again."
        )
    if job.retryable:
        return
    if job.status not in (Status.FAILED, Status.CANCELED):
        raise NotRetryable(f"The status of the job is {job.status}. Only failed and canceled jobs can be retried.")
    if job.error and job.error.code is ErrorCode.RECORD_TOO_LARGE:
        reason = "Its request was too large to be kept."
    else:
        reason = "It has a stored image."
    raise NotRetryable(f"{reason} Send a new request with a new Idempotency-Key.")


def _next_attempt(job: Job, deps: Deps) -> Job:
    """Return the job with a new deadline and expiry, and its current price. Raise NotRetryable."""
    workflow = deps.config.workflow(job.workflow)
    if workflow is None:
        raise NotRetryable(f"{unknown_workflow(job)} The operator must add it to WIREFLOW_WORKFLOWS first.")
    now, text = deps.clock.now(), _requested_input(job, workflow)
    longest = timedelta(hours=deps.config.max_queue_hours)
    max_wait = min(job.give_up_at - (job.retried_at or job.created_at), longest)
    cost = estimated_cost(workflow, text, deps.config.usd_per_credit)
    return job.next_attempt(now, now + max_wait, expiry(now, max_wait, deps.config), text, cost)


def _requested_input(job: Job, workflow: Workflow) -> str:
    """Return the fields of the request.

    The prepared input of a saved workflow begins with the prompt and the input images, by node; these are set again.
    """
    if workflow.mode is not Mode.RUN or not job.prepared:
        return job.input
    fields = list(json.loads(job.input).items())
    ours = [job.prompt, *job.hosted_urls]
    if [value for _, value in fields[: len(ours)]] != ours:  # the workflow had another mode then
        return job.input
    return json.dumps(dict(fields[len(ours) :]), ensure_ascii=False, separators=(",", ":"))


async def _save(queued: Job, deps: Deps) -> Job:
    """Save the job. If the store does not respond, check whether the job was retried before giving up."""
    try:
        return await deps.store.save(queued)
    except StoreUnavailable:
        stored = await deps.store.get(queued.id)
        if stored is None or stored.attempt < queued.attempt:
            raise
        return stored

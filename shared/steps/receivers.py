"""The receivers that a request names: those of a new job, and those that a repeated request adds to its job."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from shared.callbacks import MAX_CALLBACKS, Callback, CallbackFormat
from shared.job import Job
from shared.runtime.dependencies import Deps
from shared.steps.wake_up import wake_up_meanwhile
from shared.store_errors import Conflict, StoreUnavailable
from shared.submission import Submission, SubmissionRefused

AT_ONCE = 16  # jobs
TRIES = 10  # to add receivers to a job that a worker changes at the same time


class TooManyReceivers(SubmissionRefused):
    """The job would have more than MAX_CALLBACKS receivers."""


def callbacks_of(submission: Submission) -> tuple[Callback, ...]:
    """Return the receivers that a submission names."""
    written = CallbackFormat(submission.callback_format)
    return tuple(Callback(url=url, format=written) for url in submission.callback_urls)


def with_receivers(job: Job, submission: Submission, now: datetime) -> Job:
    """Return an existing job with the receivers of a repeated request; erased, it has none. Raise TooManyReceivers."""
    if job.erased_at:
        return job
    changed = job.with_callbacks(callbacks_of(submission), now)
    if changed != job and sum(callback.hook_id is None for callback in changed.callbacks) > MAX_CALLBACKS:
        raise TooManyReceivers
    return changed


async def add_receivers(job: Job, submission: Submission, deps: Deps) -> Job:
    """Store the receivers that the job does not have yet. If the job is final, they are notified at once.

    A worker that holds the job keeps its lease, and saves them with its next write. Raise TooManyReceivers, and
    StoreUnavailable if they could not be stored.
    """
    for _ in range(TRIES):
        now = deps.clock.now()
        changed = with_receivers(job, submission, now)
        if changed == job:
            return job
        saving = deps.store.save(changed)
        try:
            return await (wake_up_meanwhile(saving, now, deps) if changed.finished else saving)
        except Conflict:
            stored = await deps.store.get(job.id)
        if stored is None:
            break
        job = stored
    raise StoreUnavailable(f"the receivers of job {job.id} could not be stored")


async def add_all_receivers(requests: Sequence[tuple[str, Submission]], deps: Deps) -> None:
    """Add the receivers of repeated requests to their jobs, as far as these exist. Raise as `add_receivers`."""
    limit = asyncio.Semaphore(AT_ONCE)

    async def add(job_id: str, submission: Submission) -> None:
        async with limit:
            if submission.callback_urls and (job := await deps.store.get(job_id)):
                await add_receivers(job, submission, deps)

    results = await asyncio.gather(*(add(*request) for request in requests), return_exceptions=True)
    for error in filter(None, results):
        raise error

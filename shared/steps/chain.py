"""Chains: jobs whose input image is an image of an earlier job, by request or, with `then`, automatically."""

from collections.abc import Iterable
from contextlib import suppress

from shared import idempotency
from shared.callbacks import Callback
from shared.idempotency import IdempotencyKey
from shared.job import Job
from shared.job_parts import InputImage, Then
from shared.log import Event
from shared.runtime.dependencies import Deps
from shared.steps.new_job import new_job
from shared.steps.placing import next_place
from shared.steps.prepare import prepare_at_once
from shared.store_errors import AlreadyExists, Conflict, StoreError
from shared.submission import Submission

MAX_TRIES = 3  # while others change the source job


async def start_next(job: Job, deps: Deps) -> Job:
    """Create the job that follows one that has succeeded, if there is one. Return the job with its id, not stored yet.

    The id follows from the job and its attempt: a worker that repeats this after a crash creates no second one. Raise
    StoreUnavailable.
    """
    then = job.next_to_start
    if then is None:
        return job
    key = IdempotencyKey("then", f"{job.id}.{job.attempt}")
    next_id = idempotency.job_id(key, job.caller, await deps.store.id_secret())
    follower = prepare_at_once(_follower(job, next_id, then, deps), deps)
    with suppress(AlreadyExists):
        follower = await deps.store.create(follower.placed(await next_place(job.caller, deps)))
        deps.log.info(Event.JOB_ACCEPTED, "A job follows another one.", status=follower.status, **follower.log_fields())
    return job.followed(then, next_id)


def _follower(job: Job, next_id: str, then: Then, deps: Deps) -> Job:
    """Return the job that follows: with the same prompt and receivers, and the first image as its input image."""
    image = next(image for image in job.images if image.name)
    submission = Submission(
        prompt=job.prompt,
        input="{}",
        fingerprint="",
        base_url=job.base_url,
        workflow=then.workflow,
        caller=job.caller,
        private=job.private,
        from_job=job.id,
        from_image=image.index,
        deadline_seconds=(job.give_up_at - (job.retried_at or job.created_at)).total_seconds(),
        allow_partial=job.allow_partial,
        alt_text=job.alt_text,
        metadata=job.metadata,
    )
    follower = new_job(next_id, submission, [InputImage(source=image.name or "")], deps)
    own = [Callback(url=callback.url, format=callback.format) for callback in job.callbacks if not callback.hook_id]
    return follower.with_callbacks(own, follower.created_at)


async def link(jobs: Iterable[Job], deps: Deps) -> None:
    """Record in the jobs that `jobs` continue, if they have the same caller, which ones continue them.

    If that fails, a repeat of the request records it.
    """
    continuing: dict[str, list[Job]] = {}
    for job in jobs:
        if job.previous_job is not None:
            continuing.setdefault(job.previous_job, []).append(job)
    for source_id, jobs in continuing.items():
        with suppress(StoreError):
            await _link(source_id, jobs, deps)


async def _link(source_id: str, jobs: Iterable[Job], deps: Deps) -> None:
    for _ in range(MAX_TRIES):
        source = await deps.store.get(source_id)
        if source is None or source.erased_at:
            return
        linked = source.continued_by(job.id for job in jobs if job.caller == source.caller)
        if linked == source:
            return
        with suppress(Conflict):
            await deps.store.save(linked)
            return

"""The job of a submission: its id, and the record in which it begins."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from shared import idempotency
from shared.config import Config
from shared.error_codes import ErrorCode
from shared.job import Job
from shared.job_parts import InputImage, Then
from shared.job_states import Status
from shared.runtime.dependencies import Deps
from shared.spending.money import Cost
from shared.steps.receivers import callbacks_of
from shared.submission import Submission
from shared.workflows import estimated_cost

MAX_RUN_TIME = timedelta(days=2)  # from the paid call to the last copy; no job expires before that


async def job_id_for(submission: Submission, deps: Deps) -> str:
    """Return an unguessable id; with an idempotency key the same one for the same caller and key."""
    if submission.key is None:
        return deps.random_id()
    return idempotency.job_id(submission.key, submission.caller, await deps.store.id_secret())


def new_job(job_id: str, submission: Submission, images: Sequence[InputImage], deps: Deps, index: int = 0) -> Job:
    """Return the job of a submission, queued. `images`: its input images; `index`: in a batch.

    The jobs of a batch are created a microsecond apart: the last one is the newest.
    """
    now, config = deps.clock.now() + index * timedelta(microseconds=1), deps.config
    max_wait = timedelta(hours=config.max_queue_hours)
    if submission.deadline_seconds is not None:
        max_wait = min(max_wait, timedelta(seconds=submission.deadline_seconds))
    job = Job(
        id=job_id,
        status=Status.QUEUED,
        prompt=submission.prompt,
        input=submission.input,
        fingerprint=submission.fingerprint,
        workflow=submission.workflow,
        caller=submission.caller,
        private=submission.private,
        base_url=submission.base_url,
        allow_partial=submission.allow_partial,
        alt_text=submission.alt_text,
        metadata=submission.metadata,
        callbacks=callbacks_of(submission),
        estimated_cost=_price(submission.workflow, submission.input, config),
        previous_job=submission.from_job,
        then=_then(submission, deps),
        created_at=now,
        expire_at=expiry(now, max_wait, config),
        give_up_at=now + max_wait,
        queue_at=now,
        place=now,
        due_at=now + max_wait,
        wait_reason=ErrorCode.RATE_LIMITED,
    )
    return job.with_input_images(images) if images else job


def _then(submission: Submission, deps: Deps) -> Then | None:
    if submission.then is None:
        return None
    return Then(workflow=submission.then, estimated_cost=_price(submission.then, "{}", deps.config))


def _price(workflow: str, text: str, config: Config) -> Cost | None:
    return estimated_cost(config.workflow(workflow), text, config.usd_per_credit)


def expiry(now: datetime, max_wait: timedelta, config: Config) -> datetime:
    """Return when a job expires that is queued now, for at most `max_wait`: not before its last copy."""
    return now + max(timedelta(days=config.retention_days), max_wait + MAX_RUN_TIME)

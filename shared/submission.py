"""An submission: a request that is known to be good, and the job that it becomes."""

from dataclasses import dataclass
from datetime import timedelta

from shared import idempotency
from shared.error_codes import ErrorCode
from shared.idempotency import IdempotencyKey
from shared.job import Job, Status
from shared.runtime.dependencies import Deps

# From the paid call to the end of the last copy: a job must not expire before.
LONGEST_RUN = timedelta(days=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A request that is known to be good. `input`: JSON, what goes to Wireflow beside the prompt and the image.

    At most one of `image_url`, `file` and `from_job` is the input image.
    """

    prompt: str
    input: str
    fingerprint: str
    key: IdempotencyKey | None = None
    workflow: str = "default"
    caller: str | None = None
    private: bool = False  # only its caller may read the job
    admin: bool = False  # the jobs of all callers count as its own
    image_url: str | None = None
    file: bytes | None = None
    from_job: str | None = None
    from_image: int = 0
    deadline_seconds: float | None = None
    allow_partial: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """The submission's job. `replayed`: it was there before."""

    job: Job
    replayed: bool = False


class KeyReused(Exception):
    """The key came before with another request."""


async def id_of(submission: Submission, deps: Deps) -> str:
    """Unguessable; with a key the same for the same caller and key, so that a repeat meets the same document."""
    if submission.key is None:
        return deps.random_id()
    return idempotency.job_id(submission.key, submission.caller, await deps.store.id_secret())


def replay(job: Job, submission: Submission) -> Accepted:
    """The job that the submission's key led to; KeyReused if it was made of another request."""
    if job.fingerprint != submission.fingerprint:
        raise KeyReused
    return Accepted(job, replayed=True)


def new_job(job_id: str, submission: Submission, source: str | None, deps: Deps, row: int = 0) -> Job:
    """The submission's job, waiting in line. `source`: its input image; `row`: its place in an array.

    The rows of an array line up a minute's executions apart: one caller's hundred do not block another's one.
    """
    now, config = deps.clock.now(), deps.config
    patience = timedelta(hours=config.max_queue_hours)
    if submission.deadline_seconds is not None:
        patience = min(patience, timedelta(seconds=submission.deadline_seconds))
    apart = timedelta(seconds=60 / config.limits.per_minute if config.limits.per_minute else 0)
    return Job(
        id=job_id,
        status=Status.QUEUED,
        prompt=submission.prompt,
        input=submission.input,
        fingerprint=submission.fingerprint,
        workflow=submission.workflow,
        caller=submission.caller,
        private=submission.private,
        image1=source,
        image1_kept=source if submission.file is not None else None,
        allow_partial=submission.allow_partial,
        created_at=now,
        expire_at=now + max(timedelta(days=config.retention_days), patience + LONGEST_RUN),
        give_up_at=now + patience,
        queue_at=now + row * apart,
        due_at=now + patience,
        wait_reason=ErrorCode.RATE_LIMITED,
    )

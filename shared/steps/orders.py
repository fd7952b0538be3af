"""An order: a request that is known to be good, and the job that it becomes."""

from dataclasses import dataclass
from datetime import timedelta

from shared.errorcodes import ErrorCode
from shared.job import Job, Status
from shared.steps import identity
from shared.steps.identity import Key
from shared.steps.services import Services

# From the paid call to the end of the last copy: a job must not expire before.
LONGEST_RUN = timedelta(days=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A request that is known to be good. `input`: JSON, what goes to Wireflow beside the prompt and the image.

    At most one of `image_url`, `file` and `from_job` is the input image.
    """

    prompt: str
    input: str
    fingerprint: str
    key: Key | None = None
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
    """The order's job. `replayed`: it was there before."""

    job: Job
    replayed: bool = False


class KeyReused(Exception):
    """The key came before with another request."""


async def id_of(order: Order, services: Services) -> str:
    """Unguessable; with a key the same for the same caller and key, so that a repeat meets the same document."""
    if order.key is None:
        return services.random_id()
    return identity.job_id(order.key, order.caller, await services.store.id_secret())


def replay(job: Job, order: Order) -> Accepted:
    """The job that the order's key led to; KeyReused if it was made of another request."""
    if job.fingerprint != order.fingerprint:
        raise KeyReused
    return Accepted(job, replayed=True)


def new_job(job_id: str, order: Order, source: str | None, services: Services, row: int = 0) -> Job:
    """The order's job, waiting in line. `source`: its input image; `row`: its place in an array.

    The rows of an array line up a minute's executions apart: one caller's hundred do not block another's one.
    """
    now, config = services.clock.now(), services.config
    patience = timedelta(hours=config.max_queue_hours)
    if order.deadline_seconds is not None:
        patience = min(patience, timedelta(seconds=order.deadline_seconds))
    apart = timedelta(seconds=60 / config.limits.per_minute if config.limits.per_minute else 0)
    return Job(
        id=job_id,
        status=Status.QUEUED,
        prompt=order.prompt,
        input=order.input,
        fingerprint=order.fingerprint,
        workflow=order.workflow,
        caller=order.caller,
        private=order.private,
        image1=source,
        image1_kept=source if order.file is not None else None,
        allow_partial=order.allow_partial,
        created_at=now,
        expire_at=now + max(timedelta(days=config.retention_days), patience + LONGEST_RUN),
        give_up_at=now + patience,
        queue_at=now + row * apart,
        due_at=now + patience,
        wait_reason=ErrorCode.RATE_LIMITED,
    )

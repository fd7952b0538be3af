"""The part of a job's record that a list shows: without what is only sent to Wireflow, which may be half a megabyte."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from shared.callbacks import Callback, CallbackStatus
from shared.error_codes import Charged, ErrorCode
from shared.job_parts import MAX_ATTEMPTS, Attempt, Image, JobError, Step, Then
from shared.job_states import FINAL, Status
from shared.spending.money import Cost, total_cost


@dataclass(frozen=True, kw_only=True)
class ListedJob:
    """The fields of a `Job` that callers see, and those that explain them. It cannot be saved.

    `due_at`: when a job in flight needs attention, or when its lease ends; `queue_at`: its place in the queue. A job
    with nothing left to do has neither. A held job has the last place in the queue until `due_at`.
    """

    id: str
    status: Status
    prompt: str
    created_at: datetime
    give_up_at: datetime  # a job still queued at this time fails
    workflow: str = "default"
    caller: str | None = None
    alt_text: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)  # of the caller, never sent to Wireflow
    callbacks: tuple[Callback, ...] = ()
    attempt: int = 1
    attempts: tuple[Attempt, ...] = ()  # earlier paid runs, at most MAX_ATTEMPTS
    execution_id: str | None = None
    request_id: str | None = None
    possible_duplicate: bool = False
    outcome_unknown: bool = False  # a paid call of this attempt was sent and its outcome is unknown
    credits_used: float | None = None
    estimated_cost: Cost | None = None  # of one image, when the job was accepted
    cost: Cost | None = None  # of the current attempt, as far as it is known, once the run has ended
    earlier_cost: Cost | None = None  # of earlier attempts, as far as it is known
    earlier_duplicate: bool | None = None  # an earlier attempt was a possible duplicate
    steps: tuple[Step, ...] = ()
    images: tuple[Image, ...] = ()
    error: JobError | None = None
    wait_reason: ErrorCode | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    copying_since: datetime | None = None
    copy_tries: int = 0
    due_at: datetime | None = None
    queue_at: datetime | None = None
    batch_id: str | None = None  # of the upload that it is a row of
    batch_row: int | None = None  # its number there; row 1 is the header
    place: datetime | None = None  # its fair `queue_at`, to which it returns after a refusal that may pass soon
    previous_job: str | None = None  # whose image is the input image
    next_jobs: tuple[str, ...] = ()  # of the same caller, which have an image of this job as input; the newest ones
    then: Then | None = None
    erased_at: datetime | None = None

    @property
    def finished(self) -> bool:
        """Whether the job is in a final state."""
        return self.status in FINAL

    @property
    def retryable(self) -> bool:
        """Whether a person may pay for another run: the job has ended without an image, and its request is known."""
        ended = self.status in (Status.FAILED, Status.CANCELED) and not any(image.name for image in self.images)
        return ended and not self.erased_at and not (self.error and self.error.code is ErrorCode.RECORD_TOO_LARGE)

    @property
    def error_retryable(self) -> bool | None:
        """Whether a retry is possible and may succeed; None without an error."""
        return self.error.retryable and self.retryable if self.error else None

    @property
    def recopyable(self) -> bool:
        """Whether missing images can be copied again from their saved source URLs."""
        return self.status in (Status.FAILED, Status.SUCCEEDED) and any(image.name is None for image in self.images)

    @property
    def delivering(self) -> bool:
        """Whether a receiver is still to be notified that the job is final."""
        return self.finished and any(callback.status is CallbackStatus.PENDING for callback in self.callbacks)

    @property
    def total_cost(self) -> Cost | None:
        """What all attempts have cost, as far as it is known; None as long as it is not known of the current one."""
        return total_cost([self.earlier_cost, self.cost]) if self.cost and self.earlier_cost else self.cost

    @property
    def runs(self) -> tuple[Attempt, ...]:
        """The newest paid runs. The current one is last, once it was started or its outcome is unknown."""
        charged = self.error is not None and self.error.charged is not Charged.NO
        paid = bool(self.execution_id or self.outcome_unknown or self.possible_duplicate or charged)
        return (*self.attempts, *([self._run()] if paid else []))[-MAX_ATTEMPTS:]

    def _run(self) -> Attempt:
        error = self.error if self.finished else None
        return Attempt(
            attempt=self.attempt,
            status=self.status,
            execution_id=self.execution_id,
            request_id=self.request_id,
            started_at=self.started_at,
            completed_at=self.completed_at,
            error_code=error.code if error else None,
            error_message=error.message if error else None,
            error_charged=error.charged if error else None,
            credits_used=self.credits_used,
            cost=self.cost,
        )

    @property
    def held(self) -> bool:
        """Whether the job is out of the queue until `due_at`: it was refused, or its workflow is suspended."""
        return self.status is Status.QUEUED and self.queue_at == self.give_up_at

    @property
    def estimates(self) -> tuple[Cost | None, ...]:
        """What one image costs, of this job and of the one that follows it."""
        return (self.estimated_cost, self.then.estimated_cost) if self.then else (self.estimated_cost,)

    @property
    def size(self) -> int:
        """About how many bytes the fields of a list take, in memory and in a response."""
        texts = [self.prompt, *(image.source_url for image in self.images), *(step.label or "" for step in self.steps)]
        texts += [self.alt_text or "", *self.metadata, *self.metadata.values()]
        texts += [callback.url for callback in self.callbacks]
        parts = len(self.images) + len(self.callbacks) + len(self.attempts)
        return 2_048 + 512 * parts + sum(len(text.encode()) for text in texts)

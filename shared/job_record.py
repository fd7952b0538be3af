"""The record of a job: its fields, what follows from them, and how a changed copy is made."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self

from shared.error_codes import Charged, ErrorCode
from shared.job_parts import (
    MAX_RESPONSES,
    RECORD_BYTES,
    InputImage,
    Refusal,
    Then,
    VendorResponse,
    bytes_of,
    require_aware,
)
from shared.job_states import RESTARTS, TRANSITIONS, Status
from shared.listed_job import ListedJob
from shared.records import changed
from shared.spending.budget import Reservation
from shared.spending.money import dollars

INPUT_KEPT = timedelta(days=7)  # after the end of a job that may be retried
BEFORE_EXPIRY = timedelta(days=1)  # an expired job cannot delete its input image

# The fields that describe one attempt: a retry begins with their defaults, `FRESH`.
OF_ATTEMPT = (
    *("execution_id", "request_id", "possible_duplicate", "outcome_unknown", "credits_used", "cost", "steps", "images"),
    *("error", "started_at", "completed_at", "copying_since", "copy_tries", "hosted_url", "prepared"),
    *("preparing_tries", "input_gone_since", "model", "reservation", "refusal", "recopied_at", "triggered_at"),
    *("missing_since", "recheck_at", "recheck_done", "last_response", "claims", "workflow_unknown_since", "chosen"),
)


@dataclass(frozen=True, kw_only=True)
class JobRecord(ListedJob):
    """A request for images and its state. Times are aware UTC datetimes.

    `input` is the JSON text of the fields sent to Wireflow in addition to `prompt`; for a saved workflow that is run by
    its inputs it holds, once prepared, all inputs by node.
    """

    expire_at: datetime
    input: str = "{}"
    fingerprint: str | None = None  # of the request, to detect an idempotency key reused with another request
    private: bool = False  # readable by its caller only
    image1: str | None = None  # the first input image, with the next two; see `input_images`
    stored_input: str | None = None
    hosted_url: str | None = None
    more_inputs: tuple[InputImage, ...] = ()
    prepared: bool = True  # nothing has to be uploaded or looked up before the paid call
    preparing_tries: int = 0
    input_gone_since: datetime | None = None
    allow_partial: bool = False
    base_url: str | None = None  # what the URLs in messages about it begin with
    model: str | None = None  # as Wireflow names it: it may have replaced a retired one
    reservation: Reservation | None = None  # of the last start, until its cost is known; only with spend limits
    refusal: Refusal | None = None
    responses: tuple[VendorResponse, ...] = ()  # of all attempts, the newest MAX_RESPONSES
    retried_at: datetime | None = None  # when the current attempt was confirmed by a person; None for the first one
    recopied_at: datetime | None = None  # when copying was last started again
    triggered_at: datetime | None = None
    missing_since: datetime | None = None  # since when Wireflow reports that it does not know the run
    recheck_at: datetime | None = None  # when Wireflow is asked for a late result
    recheck_done: bool = False
    last_response: str | None = None  # that was not understood, or has no image; bounded
    claims: int | None = None  # by workers, since the last write that was not a claim or a renewal
    workflow_unknown_since: datetime | None = None  # since when a poller without this workflow has left it to others
    chosen: bool | None = None  # by the operator, to start through every suspension
    erase_images_at: datetime | None = None  # of an erased job: when its images are deleted, None once they are
    revision: Any = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Reject naive datetimes: they cannot be compared with the clock."""
        require_aware(self)

    @property
    def needs_recheck(self) -> bool:
        """Whether the job failed because its run timed out and a late result has not been looked for yet."""
        return self.error is not None and self.error.code is ErrorCode.TIMED_OUT and not self.recheck_done

    @property
    def next_to_start(self) -> Then | None:
        """The job that is to be created now, because this one has succeeded; None if there is none."""
        return self.then if self.then and self.then.job is None and self.status is Status.SUCCEEDED else None

    @property
    def left_to_do_at(self) -> datetime | None:
        """When a final job needs attention next; None if nothing is left to do.

        For a notification, the job that follows it, its recheck, its input image, or its images once it is erased.
        """
        return min(filter(None, (self.notify_at, self._other_work_at)), default=None)

    @property
    def notify_at(self) -> datetime | None:
        """When the next notification of a final job is due; None if none is pending."""
        return min(filter(None, (callback.next_attempt_at for callback in self.callbacks)), default=None)

    @property
    def _other_work_at(self) -> datetime | None:
        times = [self.erase_images_at, self.input_due_at]
        if self.next_to_start:
            times.append(self.completed_at)
        if self.needs_recheck:
            times.append(self.recheck_at or self.due_at)  # earlier versions stored `due_at` only
        return min(filter(None, times), default=None)

    def is_only_to_notify(self, now: datetime) -> bool:
        """Whether all that a due job needs now are notifications, and no worker has taken it for that before."""
        other = self._other_work_at
        is_free = self.due_at is not None and self.due_at == self.notify_at and not self.claims
        return is_free and (other is None or other > now)

    @property
    def input_due_at(self) -> datetime | None:
        """When the stored input images of a final job are deleted: at the end, or later if a retry may need it."""
        if not (self.stored_inputs and self.completed_at and self.retryable):
            return self.completed_at if self.stored_inputs else None
        return max(self.completed_at, min(self.completed_at + INPUT_KEPT, self.expire_at - BEFORE_EXPIRY))

    @property
    def input_images(self) -> tuple[InputImage, ...]:
        """The input images, in order."""
        source = self.image1 or self.stored_input or self.hosted_url
        if source is None:
            return ()
        return (InputImage(source=source, stored=self.stored_input, hosted_url=self.hosted_url), *self.more_inputs)

    @property
    def hosted_urls(self) -> list[str]:
        """The URLs of the input images at Wireflow, as far as they are there."""
        return [image.hosted_url for image in self.input_images if image.hosted_url]

    @property
    def stored_inputs(self) -> tuple[str, ...]:
        """The names of the input images in the image store that are to be deleted after the job."""
        return tuple(image.stored for image in self.input_images if image.stored)

    def is_recheck_due(self, now: datetime) -> bool:
        """Whether a final job, which a worker holds, is to be rechecked now."""
        return self.needs_recheck and (self.recheck_at is None or self.recheck_at <= now)

    @property
    def idempotency_key(self) -> str:
        """The idempotency key of the paid call, the same for every request of one attempt."""
        return f"{self.id}.{self.attempt}"

    @property
    def request_bytes(self) -> int:
        """The bytes of the record that the request takes."""
        texts = [self.prompt, self.input, self.alt_text or "", *self.metadata, *self.metadata.values()]
        return sum(len(text.encode()) for text in texts)

    @property
    def room(self) -> int:
        """The bytes of the record that hooks may take beside the request and the images."""
        return RECORD_BYTES - self.request_bytes - sum(map(bytes_of, self.images))

    def charged(self, apparently: Charged) -> Charged:
        """Whether the job cost money. With a retried call the first may have been paid even if the last was not."""
        return Charged.UNKNOWN if apparently is Charged.NO and self.possible_duplicate else apparently

    def log_fields(self) -> dict[str, Any]:
        """Return the fields of every log line about this job."""
        started, ended = self.started_at, self.completed_at
        known = {
            "jobId": self.id,
            "executionId": self.execution_id,
            "requestId": self.request_id,
            "model": self.model,
            "errorCode": self.error.code if self.error else None,
            # from the start of the run to the final state
            "secondsSinceStart": (ended - started).total_seconds() if started and ended else None,
            "cost": dollars(self.cost.micros) if self.cost else None,
        }
        return {name: value for name, value in known.items() if value is not None}

    @property
    def copy_began_at(self) -> datetime | None:
        """When copying was last started, which limits how long it is retried."""
        return self.recopied_at or self.copying_since

    # --- changes ---------------------------------------------------------------------------------------------------

    def with_input_images(self, images: Sequence[InputImage]) -> Self:
        """Return a copy with these input images."""
        if not images:
            return self.evolve(image1=None, stored_input=None, hosted_url=None, more_inputs=())
        first, *more = images
        return self.evolve(
            image1=first.source, stored_input=first.stored, hosted_url=first.hosted_url, more_inputs=tuple(more)
        )

    def responded(self, response: VendorResponse) -> Self:
        """Return a copy with a response of Wireflow, for the history of the job; the newest are kept."""
        return self.evolve(responses=(*self.responses, response)[-MAX_RESPONSES:])

    def evolve(self, **changes: Any) -> Self:
        """Return a copy with exactly `changes`. Raise ValueError for a status that may not follow."""
        status = changes.get("status", self.status)
        restarts = status in RESTARTS.get(self.status, ())
        if not (status is self.status or status in TRANSITIONS[self.status] or restarts):
            raise ValueError(f"a job that is {self.status} cannot become {status}")
        return changed(self, changes)


FRESH = {field.name: field.default for field in dataclasses.fields(JobRecord) if field.name in OF_ATTEMPT}

"""The notifications of a job: one callback for each receiver, with the delivery of the job's newest event."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.job_parts import require_aware
from shared.job_states import Status

MAX_CALLBACKS = 8  # of one job, in addition to those of hooks
RECORD_BYTES = 500  # of a callback in the record of its job, without its URL and `last_body`
BODY_LIMIT = 1_024  # bytes that are kept of the response to a failed attempt

# By the state in which a job ended: https://www.standardwebhooks.com, "event types".
EVENTS: Mapping[Status, str] = {
    Status.SUCCEEDED: "image.completed",
    Status.FAILED: "image.failed",
    Status.CANCELED: "image.canceled",
}


class CallbackStatus(StrEnum):
    """The state of delivering an event to one receiver."""

    PENDING = "pending"  # the job is not final yet, or the next attempt is due
    DELIVERED = "delivered"  # a response with 2xx
    UNDELIVERED = "undelivered"  # every attempt failed
    ENDED = "ended"  # the receiver responded with 410 Gone: it gets no more events


class CallbackFormat(StrEnum):
    """How the body of a message is written."""

    STANDARD = "standard"  # {"type", "timestamp", "data"} of Standard Webhooks
    CLOUDEVENTS = "cloudevents"  # the structured JSON of CloudEvents 1.0
    FLAT = "flat"  # the public job alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """One receiver of a job. `hook_id`: the subscription that it comes from; None for a `callbackUrl`.

    `of_other_caller`: the hook belongs to an admin, not to the job's caller, who must not see its path: it may be a
    secret (Slack, Zapier).

    `last_error` and `last_body`: what went wrong in the last attempt, if it failed, and the beginning of the response.
    Only the operator sees them.
    """

    url: str
    hook_id: str | None = None
    of_other_caller: bool = False
    format: CallbackFormat = CallbackFormat.STANDARD
    event: str | None = None  # None until the job is final
    status: CallbackStatus = CallbackStatus.PENDING
    attempts: int = 0  # to deliver this event
    last_status: int | None = None  # of the receiver's last response
    last_error: str | None = None
    last_body: str | None = None
    last_attempt_at: datetime | None = None
    next_attempt_at: datetime | None = None

    def __post_init__(self) -> None:
        """Reject naive datetimes."""
        require_aware(self)

    @property
    def key(self) -> tuple[str, str | None]:
        """The identity of a receiver among those of its job."""
        return self.url, self.hook_id

    def is_due(self, now: datetime) -> bool:
        """Whether an attempt is to be made now."""
        return self.next_attempt_at is not None and self.next_attempt_at <= now

    def of_event(self, event: str, now: datetime) -> "Callback":
        """A new event is due now, unless the receiver has ended."""
        if self.status is CallbackStatus.ENDED:
            return self
        return dataclasses.replace(self.renewed(), event=event, next_attempt_at=now)

    def renewed(self) -> "Callback":
        """The callback waits for the next event of the job, unless the receiver has ended."""
        if self.status is CallbackStatus.ENDED:
            return self
        return Callback(url=self.url, hook_id=self.hook_id, of_other_caller=self.of_other_caller, format=self.format)

    def again(self, event: str, now: datetime) -> "Callback":
        """The event is due again by request, even if it was delivered or the receiver has ended."""
        pending = CallbackStatus.PENDING
        return dataclasses.replace(self, event=event, status=pending, attempts=0, next_attempt_at=now)

    def attempted(
        self,
        began_at: datetime,
        status: CallbackStatus,
        *,
        response: int | None = None,
        error: str | None = None,
        body: str | None = None,
        next_at: datetime | None = None,
    ) -> "Callback":
        """An attempt was made. `response`: the status of the response; `next_at`: of the next attempt, if pending."""
        return dataclasses.replace(
            self,
            status=status,
            attempts=self.attempts + 1,
            last_status=response,
            last_error=error,
            last_body=body,
            last_attempt_at=began_at,
            next_attempt_at=next_at,
        )

    def postponed(self, until: datetime) -> "Callback":
        """The attempt is postponed; it does not count."""
        return dataclasses.replace(self, next_attempt_at=until)

    def ended(self) -> "Callback":
        """The receiver gets no more events."""
        return dataclasses.replace(self, status=CallbackStatus.ENDED, next_attempt_at=None)

    def given_up(self) -> "Callback":
        """A pending event is no longer delivered."""
        if self.status is not CallbackStatus.PENDING:
            return self
        return dataclasses.replace(self, status=CallbackStatus.UNDELIVERED, next_attempt_at=None)

"""The job: one frozen record and its transitions.

Every transition is a method that returns a new, valid record; no other code sets the fields of a state. A job store
makes the new record durable, and only if the record it was computed from is still the newest (`revision`).
"""

import dataclasses
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from shared.error_codes import Charged, ErrorCode
from shared.job_parts import MESSAGE_LIMIT, Image, JobError, Refusal, Step, require_aware
from shared.job_states import RESCUE, TRANSITIONS, Status
from shared.listed_job import ListedJob
from shared.spending.budget import Reservation
from shared.spending.money import Cost, cost_of_run, dollars


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(ListedJob):
    """A request for images and its state. Times are aware UTC datetimes.

    `input` is the JSON text of the fields sent to Wireflow beside `prompt`; for a saved workflow that is run by its
    inputs it holds, once prepared, all inputs by node.
    """

    expire_at: datetime
    input: str = "{}"
    fingerprint: str | None = None  # of the request, to detect an idempotency key reused with another request
    private: bool = False  # readable by its caller only
    image1: str | None = None  # the input image: a URL, or a name in the image store
    stored_input: str | None = None  # the input image's name in the image store, until it is deleted
    hosted_url: str | None = None  # the input image's URL at Wireflow
    prepared: bool = True  # nothing has to be uploaded or looked up before the paid call
    preparing_tries: int = 0
    input_gone_since: datetime | None = None
    allow_partial: bool = False
    attempt: int = 1
    model: str | None = None  # as Wireflow names it: it may have replaced a retired one
    reservation: Reservation | None = None  # of the last start, until its cost is known; only with limits in money
    refusal: Refusal | None = None
    triggered_at: datetime | None = None
    missing_since: datetime | None = None  # since when Wireflow reports that it does not know the run
    recheck_done: bool = False
    last_response: str | None = None  # the first response that was not understood, bounded
    claims: int | None = None  # by workers, since the last write that was not a claim or a renewal
    workflow_unknown_since: datetime | None = None  # since when a poller without this workflow has left it to others
    chosen: bool | None = None  # by the operator, to start through every suspension
    revision: Any = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Reject naive datetimes: they cannot be compared with the clock."""
        require_aware(self)

    # --- derived values --------------------------------------------------------------------------------------------

    @property
    def needs_recheck(self) -> bool:
        """Whether the job failed because its run timed out and a late result has not been looked for yet."""
        return self.error is not None and self.error.code is ErrorCode.TIMED_OUT and not self.recheck_done

    @property
    def idempotency_key(self) -> str:
        """The idempotency key of the paid call, the same for every request of one attempt."""
        return f"{self.id}.{self.attempt}"

    @property
    def request_bytes(self) -> int:
        """The bytes of the record that the request takes."""
        texts = [self.prompt, self.input, self.alt_text or "", *self.metadata, *self.metadata.values()]
        return sum(len(text.encode()) for text in texts)

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

    # --- queued ----------------------------------------------------------------------------------------------------

    def unprepared(self) -> "Job":
        """A new job that must be prepared first: due at once, not in the queue yet."""
        return self.evolve(prepared=False, queue_at=None, due_at=self.queue_at, wait_reason=None)

    def with_input(self, text: str) -> "Job":
        """A new job that is prepared: `text` is the JSON for Wireflow."""
        return self.evolve(input=text)

    def in_batch(self, batch_id: str, row: int) -> "Job":
        """A new job that is a row of an upload."""
        return self.evolve(batch_id=batch_id, batch_row=row)

    def deferred(self, delay: timedelta) -> "Job":
        """A new job that is not expected to start before `delay`: its deadlines count from then."""
        give_up_at = self.give_up_at + delay
        return self.evolve(give_up_at=give_up_at, due_at=give_up_at, expire_at=self.expire_at + delay)

    def input_stored(self, name: str) -> "Job":
        """The input image is in the image store under `name`."""
        return self.evolve(stored_input=name)

    def input_hosted(self, url: str) -> "Job":
        """The input image is at Wireflow, at `url`."""
        return self.evolve(hosted_url=url)

    def input_gone(self, now: datetime) -> "Job":
        """The server of the input image reports that it does not exist."""
        return self.evolve(input_gone_since=self.input_gone_since or now)

    def prepare_failed(self, reason: ErrorCode) -> "Job":
        """Preparing failed for a reason that may be temporary."""
        return self.evolve(wait_reason=reason, preparing_tries=self.preparing_tries + 1)

    def placed(self, queue_at: datetime) -> "Job":
        """A job that waits takes a place in the queue; one that must be prepared first keeps it for then."""
        return self.evolve(queue_at=queue_at if self.prepared else None, place=queue_at)

    def queued(self, text: str, queue_at: datetime) -> "Job":
        """Prepared: the job enters the queue; `text` is the JSON for Wireflow."""
        job = self.evolve(input=text, prepared=True, wait_reason=ErrorCode.RATE_LIMITED, due_at=self.give_up_at)
        return job.placed(queue_at)

    def requeued(self, reason: ErrorCode, *, attempt: int, request_id: str | None = None) -> "Job":
        """The paid call was refused for a reason that may be temporary: back to its place in the queue."""
        job = self.evolve(status=Status.QUEUED, attempt=attempt, request_id=request_id, wait_reason=reason)
        job = job.evolve(queue_at=self.place or self.created_at, due_at=self.give_up_at)
        return job.evolve(triggered_at=None, reservation=None)

    def refused(self, reason: ErrorCode, message: str, now: datetime, *, again: bool) -> "Job":
        """Wireflow refused this job for now, in the words of `message`; `again`: count refusals for this reason."""
        times = self.refusal.times + 1 if again and self.refusal and self.refusal.reason is reason else 1
        return self.evolve(refusal=Refusal(reason=reason, message=message[:MESSAGE_LIMIT], times=times, at=now))

    def held_until(self, until: datetime, reason: ErrorCode) -> "Job":
        """The job leaves the queue until `until`; the others pass it."""
        return self.evolve(queue_at=self.give_up_at, due_at=min(until, self.give_up_at), wait_reason=reason)

    def rejoined(self, queue_at: datetime) -> "Job":
        """A held job takes a new place in the queue."""
        return self.placed(queue_at).evolve(due_at=self.give_up_at)

    def chosen_for_trial(self, now: datetime) -> "Job":
        """The operator lets the job through every suspension: a worker starts it next."""
        return self.evolve(chosen=True, queue_at=self.give_up_at, due_at=now)

    # --- triggering ------------------------------------------------------------------------------------------------

    def triggered(self, now: datetime, lease_ends_at: datetime, reservation: Reservation | None = None) -> "Job":
        """The paid call is about to be made by the holder of a lease."""
        job = self.evolve(status=Status.TRIGGERING, queue_at=None, due_at=lease_ends_at, wait_reason=None)
        return job.evolve(triggered_at=now, reservation=reservation, chosen=None)

    def retried(self, now: datetime, reservation: Reservation | None = None) -> "Job":
        """The paid call is about to be retried after an unknown outcome; what was reserved for it stays reserved."""
        return self.evolve(possible_duplicate=True, triggered_at=now, reservation=reservation)

    def unresolved(self, request_id: str | None) -> "Job":
        """The outcome of the paid call is unknown. The lease keeps its end, which is later than that of the call."""
        return self.evolve(outcome_unknown=True, request_id=request_id)

    def run_lost(self) -> "Job":
        """Wireflow does not know the run: the outcome of the paid call is unknown after all."""
        return self.evolve(status=Status.TRIGGERING, outcome_unknown=True, missing_since=None)

    # --- running ---------------------------------------------------------------------------------------------------

    def started(self, execution_id: str, request_id: str | None, now: datetime, due_at: datetime) -> "Job":
        """Wireflow started the run; the first poll is due at `due_at`."""
        return self.evolve(
            status=Status.RUNNING,
            execution_id=execution_id,
            request_id=request_id,
            started_at=now,
            outcome_unknown=False,
            wait_reason=None,
            missing_since=None,
            due_at=due_at,
        )

    def execution_disputed(self) -> "Job":
        """Wireflow gave another job the same execution id: whose run it is cannot be told."""
        return self.evolve(status=Status.TRIGGERING, execution_id=None, started_at=None)

    def run_missing(self, now: datetime) -> "Job":
        """Wireflow reports for the first time that it does not know the run."""
        return self.evolve(missing_since=now)

    def polled(self, images: tuple[Image, ...], last_response: str | None) -> "Job":
        """The run continues and has reported `images`; `last_response`: a response that was not understood."""
        return self.evolve(images=images, last_response=last_response, missing_since=None)

    # --- copying ---------------------------------------------------------------------------------------------------

    def copying(self, images: tuple[Image, ...], now: datetime, error: JobError | None = None) -> "Job":
        """The run has ended and its images are to be copied; with `error` the job fails afterwards."""
        job = self.evolve(status=Status.COPYING, images=images, copying_since=now, error=error)
        return job._settled()

    def rescued(self, images: tuple[Image, ...], now: datetime, error: JobError | None) -> "Job":
        """A run that had timed out has produced images after all; with `error` the job still fails afterwards."""
        error = error and dataclasses.replace(error, request_id=self.request_id)  # of the late response
        return self.copying(images, now, error).evolve(recheck_done=True, completed_at=None)

    def copied(self, images: tuple[Image, ...]) -> "Job":
        """Some images are stored; the others are not tried now."""
        return self.evolve(images=images)

    def copy_tried(self, images: tuple[Image, ...]) -> "Job":
        """Some images are still missing after another try."""
        return self.evolve(images=images, copy_tries=self.copy_tries + 1)

    def with_run_details(
        self, request_id: str | None, credits_used: float | None, model: str | None, cost: Cost | None
    ) -> "Job":
        """Record what a response says about the run as a whole, and the cost of its credits; None changes nothing."""
        credits_used = self.credits_used if credits_used is None else credits_used
        request_id, model, cost = request_id or self.request_id, model or self.model, cost or self.cost
        return self.evolve(request_id=request_id, credits_used=credits_used, model=model, cost=cost)

    def with_last_response(self, text: str | None) -> "Job":
        """Keep a response that was not understood; the first one is kept."""
        return self.evolve(last_response=self.last_response or text)

    # --- final -----------------------------------------------------------------------------------------------------

    def succeeded(self, images: tuple[Image, ...], now: datetime) -> "Job":
        """Every image is stored (with `allow_partial`: at least one)."""
        return self._final(Status.SUCCEEDED, now, images=images)

    def failed(
        self,
        error: JobError,
        now: datetime,
        *,
        images: tuple[Image, ...] | None = None,
        recheck_at: datetime | None = None,
    ) -> "Job":
        """The job ends with `error`; at `recheck_at` Wireflow is asked for a late result."""
        images = self.images if images is None else images
        failed = self._final(Status.FAILED, now, error=error, request_id=error.request_id, images=images)
        return failed.evolve(due_at=recheck_at) if recheck_at else failed

    def canceled(self, now: datetime) -> "Job":
        """The caller no longer wants the images; possible only in the queue."""
        return self._final(Status.CANCELED, now, wait_reason=None)

    def rechecked(self) -> "Job":
        """No late result was found."""
        return self.evolve(recheck_done=True, due_at=self.completed_at if self.stored_input else None)

    def input_left_over(self, name: str) -> "Job":
        """The input image of a final job was stored again and must be deleted again."""
        return self.evolve(stored_input=name, due_at=self.due_at or self.completed_at)

    def input_deleted(self) -> "Job":
        """The input image of a final job is no longer in the image store."""
        return self.evolve(stored_input=None, due_at=None)

    def _final(self, status: Status, now: datetime, **changes: Any) -> "Job":
        """The job is final; the only work left is to delete its input image from the image store."""
        due_at = now if self.stored_input else None
        job = self.evolve(status=status, completed_at=now, queue_at=None, due_at=due_at, **changes)
        return job._settled()

    def _settled(self) -> "Job":
        """The job with its cost, once its run has ended; a known cost takes the place of what was reserved."""
        charged = self.charged(Charged.NO) if self.status is Status.CANCELED else Charged.YES
        charged = self.error.charged if self.error else charged
        cost = cost_of_run(self.cost, self.estimated_cost, charged, self.images)
        return self.evolve(cost=cost, reservation=None if cost else self.reservation)

    # --- any state -------------------------------------------------------------------------------------------------

    def due(self, at: datetime) -> "Job":
        """The job needs attention at `at`; until then it may be leased."""
        return self.evolve(due_at=at)

    def claimed(self, lease_ends_at: datetime) -> "Job":
        """A worker takes the job. Unless it writes again, it has died, or has lost the job."""
        return self.evolve(due_at=lease_ends_at, claims=(self.claims or 0) + 1)

    def progressed(self) -> "Job":
        """The worker that holds the job writes."""
        return self.evolve(claims=None, workflow_unknown_since=None)

    def workflow_unknown(self, now: datetime) -> "Job":
        """A poller does not know the workflow and leaves the job to others for a while."""
        return self.evolve(workflow_unknown_since=now)

    def trimmed(self) -> "Job":
        """The record without what is only good to know."""
        return self.evolve(steps=(), last_response=None)

    def reduced(self) -> "Job":
        """The record of a job that ends now, with no more than what callers see."""
        return self.evolve(steps=(), last_response=None, input="{}")

    def abandoned(self) -> "Job":
        """Nothing more is done for a final job, not even what was left to do."""
        return self.evolve(due_at=None)

    def at_revision(self, revision: Any) -> "Job":
        """The same record, computed from the stored record of `revision`."""
        return self.evolve(revision=revision)

    def with_steps(self, steps: tuple[Step, ...]) -> "Job":
        """Record the last report about the nodes of the run."""
        return self.evolve(steps=steps)

    def evolve(self, **changes: Any) -> "Job":
        """Return a copy with exactly `changes`. Raise ValueError for a status that TRANSITIONS does not allow."""
        status = changes.get("status", self.status)
        allowed = status is self.status or status in TRANSITIONS[self.status] or (self.status, status) == RESCUE
        if not allowed:
            raise ValueError(f"a job that is {self.status} cannot become {status}")
        return dataclasses.replace(self, **changes)

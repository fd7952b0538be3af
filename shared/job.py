"""The job: a frozen record and its transitions.

Every transition is a method that returns a new, valid record; no other code sets the fields of a state. A job store
makes the new record durable, and only if the record it was computed from is still the newest (`revision`).
"""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.callbacks import EVENTS, Callback
from shared.error_codes import Charged, ErrorCode
from shared.final_job import FinalJob
from shared.job_parts import MESSAGE_LIMIT, Image, InputImage, JobError, Refusal, Step
from shared.job_record import FRESH
from shared.job_states import Status
from shared.spending.budget import Reservation
from shared.spending.money import Cost, cost_of_run


@dataclass(frozen=True, kw_only=True)
class Job(FinalJob):
    """A request for images: its record, with a method for each transition."""

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

    def input_stored(self, index: int, name: str) -> "Job":
        """An input image is in the image store under `name`."""
        images = [*self.input_images]
        images[index] = images[index].evolve(stored=name)
        return self.with_input_images(images)

    def input_hosted(self, index: int, url: str) -> "Job":
        """An input image is at Wireflow, at `url`."""
        images = [*self.input_images]
        images[index] = images[index].evolve(hosted_url=url)
        return self.with_input_images(images)

    def input_gone(self, now: datetime) -> "Job":
        """The server of an input image reports that it does not exist."""
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
        return self.evolve(
            status=Status.TRIGGERING,
            queue_at=None,
            due_at=lease_ends_at,
            wait_reason=None,
            triggered_at=now,
            reservation=reservation,
            chosen=None,
        )

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
        """Wireflow gave another job the same execution id: it is not known whose run it is."""
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

    def with_last_response(self, text: str | None, *, final: bool = False) -> "Job":
        """Keep a response that was not understood: the first one, or that of the end of a run without an image."""
        return self.evolve(last_response=text if final else self.last_response or text)

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
        """The job ends with `error`; at `recheck_at` Wireflow is asked for a late result, without it never."""
        images = self.images if images is None else images
        recheck = {"recheck_at": recheck_at, "recheck_done": recheck_at is None}
        return self._final(Status.FAILED, now, error=error, request_id=error.request_id, images=images, **recheck)

    def canceled(self, now: datetime) -> "Job":
        """The caller no longer wants the images; possible only in the queue."""
        return self._final(Status.CANCELED, now, wait_reason=None)

    def rechecked(self) -> "Job":
        """No late result was found."""
        return self.evolve(recheck_done=True, recheck_at=None).rescheduled()

    def recheck_postponed(self, at: datetime) -> "Job":
        """Wireflow did not respond; it is asked for a late result again at `at`."""
        return self.evolve(recheck_at=at).rescheduled()

    def delivered(self, tried: Iterable[Callback]) -> "Job":
        """Deliveries of a final job were attempted: `tried` are the callbacks after that."""
        by_key = {callback.key: callback for callback in tried}
        callbacks = tuple(by_key.get(callback.key, callback) for callback in self.callbacks)
        return self.evolve(callbacks=callbacks).rescheduled()

    def inputs_left_over(self, again: Sequence[InputImage]) -> "Job":
        """The input images of a final job were stored again and must be deleted again."""
        return self._with_more_to_do(self.with_input_images(again))

    def inputs_deleted(self) -> "Job":
        """The input images of a final job are no longer in the image store."""
        return self._without_stored_inputs().rescheduled()

    # --- restarted by a person -------------------------------------------------------------------------------------

    def next_attempt(
        self, now: datetime, give_up_at: datetime, expire_at: datetime, text: str, estimated_cost: Cost | None
    ) -> "Job":
        """Another paid run was confirmed: queued like a new job, with a new key; what was paid so far is remembered.

        What an earlier attempt has reserved stays counted. `text`: the JSON of the request's fields.
        """
        job = self.evolve(
            attempt=self.attempt + 1,
            attempts=self.runs,
            earlier_cost=self.total_cost or self.earlier_cost,
            earlier_duplicate=(self.earlier_duplicate or self.possible_duplicate) or None,
            callbacks=tuple(callback.renewed() for callback in self.callbacks if callback.hook_id is None),
            **FRESH,
            status=Status.QUEUED,
        )
        job = job.with_input_images([image.evolve(hosted_url=None) for image in self.input_images])
        job = job.evolve(input=text, estimated_cost=estimated_cost, retried_at=now)
        job = job.evolve(give_up_at=give_up_at, expire_at=expire_at, due_at=give_up_at)
        return job.evolve(queue_at=now, place=now, wait_reason=ErrorCode.RATE_LIMITED)

    def recopied(self, now: datetime, error: JobError | None, expire_at: datetime) -> "Job":
        """The missing images are copied again; with `error`, that of its run, the job fails afterwards."""
        images = tuple(image if image.name else image.evolve(error=None, gone_since=None) for image in self.images)
        job = self.evolve(status=Status.COPYING, images=images, error=error, completed_at=None, copy_tries=0)
        job = job.evolve(recopied_at=now, expire_at=max(self.expire_at, expire_at), due_at=now)
        return job.evolve(callbacks=tuple(callback.renewed() for callback in self.callbacks))._settled()

    def redelivered(self, now: datetime) -> "Job":
        """Every receiver of a final job is to be notified again, at once."""
        event = EVENTS[self.status]
        told = tuple(callback.again(event, now) for callback in self.callbacks)
        return self._with_more_to_do(self.evolve(callbacks=told))

    # --- more to do for a final job --------------------------------------------------------------------------------

    def deletion_failed(self, again_at: datetime) -> "Job":
        """The input images of a final job could not be deleted; that is tried again, at the latest at `again_at`."""
        others = self._without_stored_inputs().left_to_do_at
        return self.evolve(due_at=min(others or again_at, again_at))

    def with_callbacks(self, new: Iterable[Callback], now: datetime) -> "Job":
        """The job with receivers that it does not have yet. If it is final, they are due at once."""
        known = {callback.key for callback in self.callbacks}
        added = [callback for callback in new if callback.key not in known]
        if not self.finished:
            return self.evolve(callbacks=(*self.callbacks, *added))
        told = [callback if callback.event else callback.of_event(EVENTS[self.status], now) for callback in added]
        return self._with_more_to_do(self.evolve(callbacks=(*self.callbacks, *told)))

    def heard_by(self, hooks: Iterable[Callback]) -> "Job":
        """A job that has just become final, with the receivers of `hooks` in place of those of an earlier attempt."""
        hooks = tuple(hooks)
        keys = {hook.key for hook in hooks}
        known = tuple(one for one in self.callbacks if one.hook_id is None or one.key in keys)
        return self.evolve(callbacks=known).rescheduled().with_callbacks(hooks, self.completed_at or self.created_at)

    def with_additions_of(self, stored: "Job", base: "Job") -> "Job | None":
        """The record, computed from `base`, on top of the `stored` one, to which requests have added something.

        That is receivers, or jobs that continue this one. None if anything else was changed in it.
        """
        added = stored != base and stored.callbacks[: len(base.callbacks)] == base.callbacks
        if not added or dataclasses.replace(stored, callbacks=base.callbacks, next_jobs=base.next_jobs) != base:
            return None
        job = self.with_callbacks(stored.callbacks, self.completed_at or self.created_at)
        return job.continued_by(stored.next_jobs).at_revision(stored.revision)

    def _final(self, status: Status, now: datetime, **changes: Any) -> "Job":
        """The job is final: its receivers are to be notified at once."""
        callbacks = tuple(callback.of_event(EVENTS[status], now) for callback in self.callbacks)
        job = self.evolve(status=status, completed_at=now, queue_at=None, callbacks=callbacks, **changes)
        return job._settled().rescheduled()

    def _with_more_to_do(self, changed: "Job") -> "Job":
        """A final job with more to do. If a worker holds it, it stays leased: that worker finds the rest."""
        leased = self.due_at != self.left_to_do_at
        return changed if leased else changed.rescheduled()

    def _without_stored_inputs(self) -> "Job":
        return self.with_input_images([image.evolve(stored=None) for image in self.input_images])

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

    def at_revision(self, revision: Any) -> "Job":
        """The same record, computed from the stored record of `revision`."""
        return self.evolve(revision=revision)

    def with_steps(self, steps: tuple[Step, ...]) -> "Job":
        """Record the last report about the nodes of the run."""
        return self.evolve(steps=steps)

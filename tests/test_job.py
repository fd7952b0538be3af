"""The job record: its transitions, its document, and its public form."""

import dataclasses
import re
from datetime import UTC, datetime, timedelta

import pytest

from shared.callbacks import Callback, CallbackFormat, CallbackStatus
from shared.callers import share_of
from shared.error_codes import EXPLANATIONS, Charged, ErrorCode
from shared.job import Job
from shared.job_parts import Attempt, Image, InputImage, JobError
from shared.job_states import FINAL, RESTARTS, TRANSITIONS, Status
from shared.jobs.job_documents import from_document, to_document
from shared.public_job import SENTENCES, public_job, timestamp
from shared.spending.money import Cost, CostSource

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def job(**changes) -> Job:
    defaults = {"id": "a" * 32, "status": Status.QUEUED, "prompt": "a cat"}
    return Job(**{**defaults, "created_at": NOON, "expire_at": NOON, "give_up_at": NOON, **changes})


def test_every_state_has_transitions_and_a_sentence():
    assert set(TRANSITIONS) == set(Status) == set(SENTENCES)


def test_every_error_code_has_a_message_and_a_hint():
    assert set(EXPLANATIONS) == set(ErrorCode)
    assert all(text.message.endswith(".") and text.hint.endswith(".") for text in EXPLANATIONS.values())


@pytest.mark.parametrize("code", ErrorCode)
def test_a_waiting_job_is_not_told_to_retry_and_a_failed_one_not_to_wait(code: ErrorCode):
    waiting = public_job(job(wait_reason=code), "https://a.test", owner=True, wait_reason=code)["message"]
    assert "resumes automatically" in waiting
    assert "retry" not in waiting.lower()
    failed = job().failed(JobError.of(code, charged=Charged.NO), NOON)
    message = public_job(failed, "https://a.test", owner=True)["message"]
    assert "resumes automatically" not in message
    assert not re.search(r"\bwait (until|for)\b", message, re.IGNORECASE)


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("successor", list(Status))
def test_only_the_transitions_of_the_table_are_allowed(status: Status, successor: Status):
    if successor is status or successor in TRANSITIONS[status] | RESTARTS.get(status, frozenset()):
        assert job(status=status).evolve(status=successor).status is successor
    else:
        with pytest.raises(ValueError, match="cannot become"):
            job(status=status).evolve(status=successor)


ERROR = JobError.of(ErrorCode.TIMED_OUT, charged=Charged.UNKNOWN, request_id="req_1")
HOUR = timedelta(hours=1)
LATER, IMAGES = NOON + timedelta(hours=1), (Image(index=0, source_url="https://cdn.wireflow.ai/a.png", name="a.png"),)


def in_flight(status: Status, **changes) -> Job:
    return job(status=status, due_at=NOON, queue_at=NOON if status is Status.QUEUED else None, **changes)


FINAL_TRANSITIONS = {
    "succeeded": lambda stored: in_flight(Status.COPYING, stored_input=stored).succeeded(IMAGES, LATER),
    "failed": lambda stored: in_flight(Status.RUNNING, stored_input=stored).failed(ERROR, LATER),
    "canceled": lambda stored: in_flight(Status.QUEUED, stored_input=stored).canceled(LATER),
}


@pytest.mark.parametrize("name", FINAL_TRANSITIONS)
def test_a_final_job_is_due_only_to_delete_its_input_image(name: str):
    plain, with_input = FINAL_TRANSITIONS[name](None), FINAL_TRANSITIONS[name]("inputs/a")
    assert plain.status == with_input.status == name
    assert (plain.completed_at, plain.due_at, plain.queue_at) == (LATER, None, None)
    assert (with_input.completed_at, with_input.due_at, with_input.queue_at) == (LATER, LATER, None)
    assert with_input.inputs_deleted().due_at is None


def test_a_job_whose_run_timed_out_is_due_to_delete_its_input_image_and_for_a_recheck():
    failed = in_flight(Status.RUNNING, stored_input="inputs/a").failed(ERROR, NOON, recheck_at=LATER)
    assert (failed.due_at, failed.recheck_at, failed.is_recheck_due(NOON)) == (NOON, LATER, False)
    failed = failed.inputs_deleted()
    assert (failed.due_at, failed.needs_recheck, failed.is_recheck_due(LATER)) == (LATER, True, True)
    assert failed.recheck_postponed(LATER + timedelta(minutes=1)).due_at == LATER + timedelta(minutes=1)
    assert (failed.rechecked().due_at, failed.rechecked().needs_recheck) == (None, False)
    rescued = failed.rescued(IMAGES, LATER, None)
    assert (rescued.status, rescued.error, rescued.completed_at, rescued.images) == ("copying", None, None, IMAGES)


def test_a_refused_job_returns_to_the_queue_under_a_new_idempotency_key():
    triggered = in_flight(Status.QUEUED, wait_reason=ErrorCode.RATE_LIMITED).triggered(NOON, LATER)
    assert (triggered.status, triggered.queue_at, triggered.due_at) == ("triggering", None, LATER)
    requeued = triggered.requeued(ErrorCode.KEY_REFUSED, attempt=2, request_id="req_2")
    assert requeued.idempotency_key != triggered.idempotency_key
    assert (requeued.queue_at, requeued.due_at, requeued.triggered_at) == (
        requeued.created_at,
        requeued.give_up_at,
        None,
    )


def test_a_job_that_was_refused_for_a_moment_returns_to_its_place():
    job = in_flight(Status.QUEUED).placed(LATER).triggered(NOON, LATER)
    assert job.requeued(ErrorCode.RATE_LIMITED, attempt=2).queue_at == LATER


def test_a_held_job_leaves_the_queue_and_takes_a_new_place_afterwards():
    held = (
        in_flight(Status.QUEUED, give_up_at=LATER + timedelta(hours=1))
        .placed(NOON)
        .held_until(LATER, ErrorCode.KEY_REFUSED)
    )
    assert (held.held, held.due_at, held.queue_at) == (True, LATER, held.give_up_at)
    rejoined = held.rejoined(LATER)
    assert (rejoined.held, rejoined.queue_at, rejoined.place) == (False, LATER, LATER)
    assert rejoined.due_at == rejoined.give_up_at
    late = in_flight(Status.QUEUED, give_up_at=LATER)
    assert late.held_until(late.give_up_at + timedelta(hours=1), ErrorCode.KEY_REFUSED).due_at == late.give_up_at


def test_refusals_in_a_row_are_counted_for_one_reason():
    job = in_flight(Status.TRIGGERING).refused(ErrorCode.KEY_REFUSED, "no", NOON, again=True)
    job = job.refused(ErrorCode.KEY_REFUSED, "no " * 1000, LATER, again=True)
    assert job.refusal
    assert (job.refusal.times, job.refusal.at, len(job.refusal.message)) == (2, LATER, 500)
    job = job.refused(ErrorCode.WORKFLOW_NOT_FOUND, "no", LATER, again=True)
    assert job.refusal
    assert job.refusal.times == 1


def test_the_visitors_of_all_forms_have_one_share_of_the_queue():
    assert share_of("form:https://a.example") == share_of("form:https://b.example") != share_of("zap")
    assert share_of(None) == ""


def test_a_start_clears_the_unknown_outcome():
    triggered = in_flight(Status.QUEUED).triggered(NOON, LATER).unresolved("req_1").retried(LATER)
    assert (triggered.outcome_unknown, triggered.possible_duplicate, triggered.triggered_at) == (True, True, LATER)
    started = triggered.started("exec_1", "req_2", LATER, LATER)
    assert (started.status, started.outcome_unknown, started.possible_duplicate) == ("running", False, True)
    assert started.run_lost().outcome_unknown is True


def test_a_rescued_job_that_fails_has_the_request_id_of_the_late_response():
    timed_out = in_flight(Status.RUNNING, request_id="req_1").failed(ERROR, NOON, recheck_at=LATER)
    rescued = timed_out.with_run_details("req_2", 10, None, None).rescued(IMAGES, LATER, ERROR)
    assert rescued.error
    assert rescued.failed(rescued.error, LATER).request_id == "req_2"


STORED = InputImage(source="inputs/a", stored="inputs/a")


def test_an_input_that_is_stored_again_does_not_bring_a_recheck_forward():
    succeeded = in_flight(Status.COPYING).succeeded(IMAGES, NOON)
    assert succeeded.inputs_left_over([STORED]).due_at == NOON
    timed_out = in_flight(Status.RUNNING).failed(ERROR, NOON, recheck_at=LATER).inputs_left_over([STORED])
    assert (timed_out.due_at, timed_out.recheck_at) == (NOON, LATER)


def test_a_job_that_an_earlier_version_stored_without_the_time_of_its_recheck_is_rechecked_when_it_is_due():
    stored = in_flight(Status.FAILED, error=ERROR)
    assert (stored.left_to_do_at, stored.is_recheck_due(NOON)) == (NOON, True)
    assert stored.rechecked().due_at is None


def test_a_run_that_failed_without_a_recheck_is_not_rechecked_when_the_job_is_due_for_something_else():
    failed = in_flight(Status.RUNNING, stored_input="inputs/a").failed(ERROR, NOON)
    assert (failed.due_at, failed.is_recheck_due(LATER)) == (NOON, False)


RECEIVER = Callback(url="https://receiver.example/hook?secret=1")


@pytest.mark.parametrize("name", FINAL_TRANSITIONS)
def test_the_receivers_of_a_final_job_are_told_at_once(name: str):
    running = {
        "succeeded": in_flight(Status.COPYING, callbacks=(RECEIVER,)).succeeded(IMAGES, LATER),
        "failed": in_flight(Status.RUNNING, callbacks=(RECEIVER,)).failed(ERROR, LATER, recheck_at=LATER + HOUR),
        "canceled": in_flight(Status.QUEUED, callbacks=(RECEIVER,)).canceled(LATER),
    }
    final = running[name]
    (callback,) = final.callbacks
    events = {"succeeded": "image.completed", "failed": "image.failed", "canceled": "image.canceled"}
    assert (callback.event, callback.status, callback.next_attempt_at) == (events[name], "pending", LATER)
    assert final.due_at == LATER


def test_a_job_that_is_rescued_tells_its_receivers_twice_but_not_one_that_wants_no_more():
    ended = Callback(url="https://gone.example", status=CallbackStatus.ENDED)
    failed = in_flight(Status.RUNNING, callbacks=(RECEIVER, ended)).failed(ERROR, NOON, recheck_at=LATER)
    told = failed.evolve(callbacks=(dataclasses.replace(failed.callbacks[0], status=CallbackStatus.DELIVERED), ended))
    completed = told.rescued(IMAGES, LATER, None).succeeded(IMAGES, LATER)
    assert [callback.event for callback in completed.callbacks] == ["image.completed", None]
    assert [callback.status for callback in completed.callbacks] == ["pending", "ended"]


def test_a_receiver_that_is_added_to_a_final_job_is_told_at_once_unless_a_worker_holds_the_job():
    final = in_flight(Status.COPYING).succeeded(IMAGES, NOON)
    assert final.due_at is None
    added = final.with_callbacks([RECEIVER], LATER)
    assert (added.due_at, added.callbacks[0].event) == (LATER, "image.completed")
    assert added.with_callbacks([RECEIVER], LATER + HOUR) == added, "it has that receiver already"
    leased = final.claimed(LATER + HOUR).with_callbacks([RECEIVER], LATER)
    assert (leased.due_at, leased.left_to_do_at) == (LATER + HOUR, LATER)
    assert in_flight(Status.RUNNING).with_callbacks([RECEIVER], LATER).callbacks == (RECEIVER,)


def test_a_job_that_is_abandoned_gives_up_its_notifications():
    abandoned = in_flight(Status.RUNNING, callbacks=(RECEIVER,)).failed(ERROR, NOON).abandoned()
    assert (abandoned.due_at, abandoned.left_to_do_at, abandoned.callbacks[0].status) == (None, None, "undelivered")


def test_only_the_owner_of_a_job_sees_its_receivers_and_earlier_runs_and_no_query():
    earlier = Attempt(attempt=1, status=Status.FAILED, error_code=ErrorCode.UPSTREAM_ERROR, error_charged=Charged.NO)
    record = in_flight(Status.RUNNING, callbacks=(RECEIVER,), attempt=2, attempts=(earlier,))
    owned, other = (public_job(record, "https://x", owner=owner) for owner in (True, False))
    assert (owned["attempt"], other["attempt"], other["callbacks"], other["attempts"]) == (2, 2, None, None)
    assert [callback["url"] for callback in owned["callbacks"]] == ["https://receiver.example/hook"]
    assert [(one["status"], one["errorCode"], one["errorCharged"]) for one in owned["attempts"]] == [
        ("failed", "upstream_error", "no")
    ]


def test_evolve_sets_no_field_silently():
    before = in_flight(Status.COPYING, stored_input="inputs/a")
    after = before.evolve(status=Status.SUCCEEDED)
    changed = {name for name in before.__dataclass_fields__ if getattr(before, name) != getattr(after, name)}
    assert changed == {"status"}


def test_every_state_leads_to_a_final_state():
    assert {Status.SUCCEEDED, Status.FAILED, Status.CANCELED} == FINAL
    leads_to_final = set(FINAL)
    for _ in Status:
        leads_to_final |= {status for status, successors in TRANSITIONS.items() if successors & leads_to_final}
    assert leads_to_final == set(Status)
    assert set(RESTARTS) == FINAL


@pytest.mark.parametrize("name", ["created_at", "due_at", "queue_at", "started_at", "missing_since"])
def test_naive_datetimes_are_rejected(name: str):
    with pytest.raises(ValueError, match=name):
        job(**{name: datetime(2026, 3, 1)})  # noqa: DTZ001 - what is tested


def test_a_job_survives_a_round_trip_through_its_document():
    full = job(
        status=Status.FAILED,
        images=(
            Image(index=0, source_url="https://cdn.wireflow.ai/a.png", gone_since=NOON),
            Image(index=1, source_url="x", error=ErrorCode.COPY_FAILED),
        ),
        error=JobError.of(ErrorCode.MODERATION, charged=Charged.NO, request_id="req_1"),
        wait_reason=ErrorCode.RATE_LIMITED,
        due_at=NOON,
        recheck_at=NOON,
        base_url="https://images.example",
        callbacks=(
            Callback(url="https://a.example", hook_id="b" * 32, format=CallbackFormat.FLAT, next_attempt_at=NOON),
        ),
        attempts=(
            Attempt(attempt=1, status=Status.FAILED, error_code=ErrorCode.TIMED_OUT, error_charged=Charged.UNKNOWN),
            Attempt(
                attempt=2, status=Status.CANCELED, started_at=NOON, cost=Cost(micros=200_000, source=CostSource.PRICE)
            ),
        ),
    )
    document = to_document(full)
    assert document["schemaVersion"] == 1
    assert "id" not in document
    assert from_document(full.id, document, None) == full


def test_a_field_with_its_default_is_left_out_unless_it_is_stored_already():
    always = {"status", "prompt", "workflow", "createdAt", "giveUpAt", "expireAt", "schemaVersion"}
    new = to_document(job(), stored=())
    assert set(new) == always
    assert from_document(job().id, new, None) == job()
    again = to_document(job(), stored={"attempt", "steps", "callbacks"})
    assert again == {**new, "attempt": 1, "steps": [], "callbacks": None}


def test_unknown_fields_of_a_document_are_ignored():
    assert from_document("b" * 32, {**to_document(job()), "later": 1}, None).id == "b" * 32


def test_an_image_has_no_url_before_it_is_stored():
    images = (Image(index=0, source_url="https://cdn/a.png"), Image(index=1, source_url="https://cdn/b.png", name="b"))
    public = public_job(job(status=Status.COPYING, images=images), "https://x", owner=True)
    assert [image["url"] for image in public["images"]] == [None, f"https://x/jobs/{'a' * 32}/image/1"]
    assert public["imageCount"] == len(public["imageUrls"]) == 1


def test_times_are_utc_with_milliseconds():
    assert timestamp(NOON) == "2026-03-01T12:00:00.123Z"

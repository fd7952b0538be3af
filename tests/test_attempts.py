"""What a retry keeps of a job, and what it begins anew: every field of the record is one or the other."""

import dataclasses
from datetime import timedelta

import pytest

from shared.callbacks import Callback, CallbackStatus
from shared.error_codes import Charged, ErrorCode
from shared.job import Job
from shared.job_parts import Image, JobError
from shared.job_record import BEFORE_EXPIRY, INPUT_KEPT, OF_ATTEMPT
from shared.job_states import Status
from shared.spending.money import Cost, CostSource
from tests.jobs.places import NOW
from tests.jobs.test_store import everything

LATER = NOW + timedelta(days=3)
# What belongs to the request, for as long as the job exists.
KEPT = {
    *("id", "prompt", "created_at", "workflow", "caller", "alt_text", "metadata", "fingerprint", "private", "image1"),
    *("stored_input", "allow_partial", "base_url", "batch_id", "batch_row", "revision"),
    *("then", "previous_job", "next_jobs", "erased_at", "erase_images_at", "responses"),
}
# What `next_attempt` sets.
SET = {
    *("status", "attempt", "attempts", "earlier_cost", "earlier_duplicate", "callbacks", "input", "estimated_cost"),
    *("retried_at", "more_inputs", "give_up_at", "expire_at", "due_at", "queue_at", "place", "wait_reason"),
}
CENT = Cost(micros=10_000, source=CostSource.PRICE)


def failed(**changes: object) -> Job:
    return dataclasses.replace(everything(), **{"images": (), "erased_at": None, **changes})


def retried(job: Job) -> Job:
    return job.next_attempt(LATER, LATER + timedelta(hours=1), LATER + timedelta(days=90), "{}", CENT)


def test_every_field_is_kept_or_set_or_begins_anew():
    assert not KEPT & set(OF_ATTEMPT)
    assert not SET & set(OF_ATTEMPT)
    assert {field.name for field in dataclasses.fields(Job)} == {*KEPT, *SET, *OF_ATTEMPT}


def test_a_retry_is_like_a_new_job_of_the_same_request():
    before, after = failed(), retried(failed())
    assert {name: getattr(after, name) for name in KEPT} == {name: getattr(before, name) for name in KEPT}
    new = Job(id="x", status=Status.QUEUED, prompt="", created_at=NOW, expire_at=NOW, give_up_at=NOW)
    assert {name: getattr(after, name) for name in OF_ATTEMPT} == {name: getattr(new, name) for name in OF_ATTEMPT}
    assert (after.status, after.attempt, after.idempotency_key) == (Status.QUEUED, 4, "full.4")
    assert (after.queue_at, after.place, after.due_at) == (LATER, LATER, after.give_up_at)


def test_what_was_paid_is_remembered():
    paid, unknown = failed(earlier_cost=None, cost=CENT), failed(earlier_cost=CENT, cost=None)
    assert retried(paid).earlier_cost == CENT
    assert retried(unknown).earlier_cost == CENT
    assert retried(dataclasses.replace(retried(paid), status=Status.FAILED, cost=CENT)).earlier_cost == Cost(
        micros=20_000, source=CostSource.PRICE
    )
    assert [run.attempt for run in retried(failed()).attempts] == [2, 3]
    assert retried(failed()).earlier_duplicate
    assert retried(failed(possible_duplicate=False, earlier_duplicate=None)).earlier_duplicate is None


UNPAID = {"execution_id": None, "outcome_unknown": False, "possible_duplicate": False, "attempts": ()}


@pytest.mark.parametrize(
    ("changes", "listed"),
    [
        ({"execution_id": "exec_1"}, True),
        ({"outcome_unknown": True}, True),
        ({"possible_duplicate": True}, True),
        ({"error": JobError.of(ErrorCode.OUTCOME_UNKNOWN, charged=Charged.UNKNOWN)}, True),
        ({"error": JobError.of(ErrorCode.INVALID_REQUEST, charged=Charged.NO)}, False),
        ({"error": None}, False),
    ],
)
def test_a_run_is_listed_if_it_was_started_or_may_have_been(changes: dict[str, object], listed: bool):
    error = JobError.of(ErrorCode.INVALID_REQUEST, charged=Charged.NO)
    assert bool(failed(**{**UNPAID, "error": error, **changes}).runs) is listed


def test_receivers_wait_for_the_next_event_and_hooks_are_matched_anew():
    told = Callback(url="https://a.test/", status=CallbackStatus.DELIVERED, event="image.failed", attempts=3)
    ended = dataclasses.replace(told, url="https://b.test/", status=CallbackStatus.ENDED)
    hook = dataclasses.replace(told, hook_id="b" * 32)
    after = retried(failed(callbacks=(told, ended, hook)))
    assert after.callbacks == (Callback(url="https://a.test/"), ended)


# --- the input image -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELED])
def test_the_input_image_is_kept_for_a_retry(status: Status):
    expire_at = NOW + timedelta(days=90)
    job = failed(status=status, completed_at=NOW, expire_at=expire_at)
    assert job.input_due_at == NOW + INPUT_KEPT
    expiring = failed(status=status, completed_at=NOW, expire_at=NOW + timedelta(days=5))
    assert expiring.input_due_at == NOW + timedelta(days=5) - BEFORE_EXPIRY
    expired = failed(status=status, completed_at=NOW, expire_at=NOW)
    assert expired.input_due_at == NOW


def test_without_a_retry_the_input_image_is_deleted_at_once():
    stored = (Image(index=0, source_url="https://cdn.test/a.png", name="jobs/full/1/0.png"),)
    for changes in ({"status": Status.SUCCEEDED}, {"images": stored}):
        assert dataclasses.replace(failed(completed_at=NOW, expire_at=LATER), **changes).input_due_at == NOW
    assert failed(stored_input=None, more_inputs=()).input_due_at is None

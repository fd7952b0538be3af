"""What the port `JobStore` promises of jobs, held against both stores."""

import dataclasses
from datetime import UTC, datetime, timedelta, timezone

import pytest

from shared.callbacks import Callback, CallbackFormat, CallbackStatus
from shared.error_codes import Charged, ErrorCode
from shared.job import Job
from shared.job_parts import (
    Attempt,
    Image,
    InputImage,
    JobError,
    Refusal,
    Step,
    Then,
    VendorCall,
    VendorResponse,
)
from shared.job_states import Status
from shared.ports import JobStore
from shared.spending.budget import Reservation
from shared.spending.gate_state import Gate
from shared.spending.money import Cost, CostSource
from shared.store_errors import AlreadyExists, Conflict
from tests.jobs.places import NOW, Place, a_job, outcomes

SECOND = timedelta(seconds=1)


def everything(job_id: str = "full") -> Job:
    """A job with a value in every field."""
    images = (
        Image(index=0, source_url="https://cdn.example/a.png", gone_since=NOW, error=ErrorCode.IMAGE_EXPIRED),
        Image(
            index=1,
            source_url="https://cdn.example/b.png",
            place="gen-1/0",
            name=f"jobs/{job_id}/1/1.png",
            content_type="image/png",
            width=1024,
            height=768,
            bytes=2_500_000,
            sha256="ab" * 32,
            crc32c="yZRlqg==",
            stored_at=NOW,
        ),
    )
    error = JobError.of(ErrorCode.IMAGE_EXPIRED, charged=Charged.YES, message="gone", request_id="req_1")
    times = [item.name for item in dataclasses.fields(Job) if "datetime" in str(item.type)]
    return a_job(
        job_id,
        **{name: NOW + index * SECOND for index, name in enumerate(times)},
        status=Status.FAILED,
        prompt='Füchse "im" Schnee 🦊 \\ \u0000 $date',
        input='{"n": 12345678901234567890, "nested": [[1], {"$date": "x"}]}',
        fingerprint="f" * 64,
        workflow="pro",
        caller="zap",
        private=True,
        image1="https://example.com/cat.png",
        stored_input="inputs/job1",
        hosted_url="https://cdn.example/hosted.png",
        more_inputs=(
            InputImage(source="https://example.com/dog.png", stored="inputs/job1-2"),
            InputImage(source="inputs/job1-3", stored="inputs/job1-3", hosted_url="https://cdn.example/3.png"),
        ),
        prepared=False,
        preparing_tries=2,
        steps=(Step(label="Prompt", status="COMPLETED", progress=100), Step(label="Generate 🦊", progress=0.5), Step()),
        allow_partial=True,
        alt_text="A fox 🦊",
        metadata={"order.id": "1042", "größe": ""},
        attempt=3,
        execution_id="exec_1",
        possible_duplicate=True,
        outcome_unknown=True,
        request_id="req_2",
        credits_used=0.24,
        estimated_cost=Cost(micros=130_000, source=CostSource.PRICE),
        previous_job="a" * 32,
        next_jobs=("b" * 32, "c" * 32),
        then=Then(workflow="best", estimated_cost=Cost(micros=200_000, source=CostSource.ESTIMATE), job="c" * 32),
        reservation=Reservation(micros=130_000, day="2026-03-01", part=177_000_000),
        cost=Cost(micros=2_400, source=CostSource.CREDITS),
        earlier_cost=Cost(micros=5_000, source=CostSource.ESTIMATE),
        earlier_duplicate=True,
        model="nano_banana_2_1",
        images=images,
        error=error,
        wait_reason=ErrorCode.RATE_LIMITED,
        refusal=Refusal(reason=ErrorCode.KEY_REFUSED, message="Forbidden", times=2, at=NOW),
        base_url="https://images.example",
        batch_id="c" * 32,
        batch_row=7,
        callbacks=(
            Callback(
                url="https://receiver.example/?a=1",
                hook_id="b" * 32,
                format=CallbackFormat.FLAT,
                event="image.failed",
                status=CallbackStatus.UNDELIVERED,
                attempts=11,
                last_status=500,
                last_error="500",
                last_body="no 🦊",
                last_attempt_at=NOW,
            ),
            Callback(url="https://receiver.example/?a=2", next_attempt_at=NOW),
        ),
        responses=(
            VendorResponse(attempt=3, call=VendorCall.RESULT, at=NOW, http_status=200, request_id="req_2"),
            VendorResponse(attempt=2, call=VendorCall.START, at=NOW, error_code=ErrorCode.OUTCOME_UNKNOWN),
        ),
        attempts=(
            Attempt(
                attempt=2,
                status=Status.FAILED,
                execution_id="exec_0",
                request_id="req_0",
                started_at=NOW,
                completed_at=NOW + SECOND,
                error_code=ErrorCode.UPSTREAM_ERROR,
                error_message="failed",
                error_charged=Charged.YES,
                credits_used=0.5,
                cost=Cost(micros=5_000, source=CostSource.CREDITS),
            ),
        ),
        copy_tries=2,
        recheck_done=True,
        chosen=True,
        claims=2,
        last_response="<html>",
    )


# --- create and get ------------------------------------------------------------------------------------------------


async def test_a_job_read_equals_the_job_written(store: JobStore):
    created = await store.create(everything())
    found = await store.get("full")
    assert found == created == everything()
    assert found.revision == created.revision is not None


def test_the_job_of_that_test_has_a_value_in_every_field():
    unset = [item.name for item in dataclasses.fields(Job) if getattr(everything(), item.name) == item.default]
    assert unset == ["revision"]


async def test_a_job_with_nothing_but_the_required_fields_comes_back_too(store: JobStore):
    await store.create(a_job())
    assert await store.get("job1") == a_job()


async def test_an_unknown_job_is_none(store: JobStore):
    assert await store.get("unknown") is None


async def test_times_come_back_as_plain_datetimes_in_utc_with_microseconds(store: JobStore):
    elsewhere = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
    await store.create(a_job(due_at=elsewhere))
    found = await store.get("job1")
    assert type(found.due_at) is datetime
    assert (found.due_at, found.due_at.tzinfo, found.due_at.microsecond) == (NOW, UTC, 123456)


async def test_what_is_not_known_is_not_stored(place: Place, store: JobStore):
    await store.create(a_job())
    assert not {"dueAt", "queueAt", "error", "executionId"} & (await place.look("jobs/job1")).keys()


async def test_a_second_create_meets_the_same_document(store: JobStore):
    first = await store.create(a_job(prompt="first"))
    with pytest.raises(AlreadyExists) as met:
        await store.create(a_job(prompt="second"))
    assert (met.value.job.prompt, met.value.job.revision) == ("first", first.revision)


async def test_of_two_creates_at_once_one_wins_and_the_other_meets_its_document(place: Place):
    stores = [place.open(), place.open()]
    jobs = [a_job(prompt="left"), a_job(prompt="right")]
    results = await outcomes(*(store.create(job) for store, job in zip(stores, jobs, strict=True)))
    (won,) = [result for result in results if isinstance(result, Job)]
    (lost,) = [result for result in results if isinstance(result, AlreadyExists)]
    assert lost.job == won
    await outcomes(*(store.close() for store in stores))


# --- save ----------------------------------------------------------------------------------------------------------


async def test_a_save_replaces_the_fields_and_carries_the_new_revision(store: JobStore):
    created = await store.create(a_job(queue_at=NOW))
    saved = await store.save(created.evolve(status=Status.TRIGGERING, queue_at=None, due_at=NOW))
    found = await store.get("job1")
    assert found == saved == a_job(status=Status.TRIGGERING, due_at=NOW)
    assert created.revision != saved.revision == found.revision
    await store.save(saved.evolve(status=Status.RUNNING))


async def test_a_save_of_the_same_content_is_a_new_revision(store: JobStore):
    created = await store.create(a_job())
    await store.save(created)
    with pytest.raises(Conflict):
        await store.save(created)


async def test_a_stale_revision_is_a_conflict_and_changes_nothing(store: JobStore):
    stale = await store.create(a_job())
    newest = await store.save(stale.evolve(attempt=2))
    with pytest.raises(Conflict):
        await store.save(stale.evolve(attempt=9))
    assert (await store.get("job1")).attempt == newest.attempt == 2


async def test_a_job_that_create_met_can_be_saved(store: JobStore):
    await store.create(a_job())
    with pytest.raises(AlreadyExists) as met:
        await store.create(a_job())
    await store.save(met.value.job.evolve(attempt=2))


async def test_of_many_saves_at_once_one_wins(place: Place):
    stores = [place.open() for _ in range(4)]
    job = await stores[0].create(a_job())
    results = await outcomes(*(store.save(job.evolve(attempt=number)) for number, store in enumerate(stores * 4, 2)))
    (won,) = [result for result in results if isinstance(result, Job)]
    assert sum(isinstance(result, Conflict) for result in results) == 15
    assert await stores[0].get("job1") == won
    await outcomes(*(store.close() for store in stores))


@pytest.mark.parametrize("stored", [True, False])
async def test_a_job_without_a_revision_is_a_conflict(store: JobStore, stored: bool):
    if stored:
        await store.create(a_job())
    with pytest.raises(Conflict):
        await store.save(a_job(attempt=2))
    assert await store.get("job1") == (a_job() if stored else None)


async def test_a_job_that_is_gone_is_a_conflict_and_does_not_come_back(store: JobStore):
    job = await store.create(a_job("other"))
    with pytest.raises(Conflict):
        await store.save(dataclasses.replace(job, id="job1"))
    assert await store.get("job1") is None


async def test_unknown_fields_survive_a_save(place: Place, store: JobStore):
    await store.create(a_job())
    await place.put("jobs/job1", fromTomorrow={"a": [1, 2]})
    job = await store.get("job1")
    await store.save(job.evolve(attempt=2))
    stored = await place.look("jobs/job1")
    assert (stored["fromTomorrow"], stored["attempt"], stored["schemaVersion"]) == ({"a": [1, 2]}, 2, 1)


async def test_a_document_of_an_earlier_version_is_a_job(place: Place, store: JobStore):
    await store.create(a_job(private=True, prepared=False, preparing_tries=2, steps=(Step(status="RUNNING"),)))
    named = {"private", "prepared", "preparingTries", "steps"}
    assert named <= (await place.look("jobs/job1")).keys()
    await place.put("jobs/job1", **dict.fromkeys(named))
    assert await store.get("job1") == a_job()


async def test_a_field_that_has_its_default_again_is_read_as_that(store: JobStore):
    created = await store.create(a_job(prepared=False, preparing_tries=2, copy_tries=1))
    again = await store.save(created.evolve(prepared=True, preparing_tries=0))
    assert await store.get("job1") == again
    assert (again.prepared, again.preparing_tries, again.copy_tries) == (True, 0, 1)
    await store.save(again.evolve(prepared=False, copy_tries=0))
    found = await store.get("job1")
    assert (found.prepared, found.copy_tries) == (False, 0)


async def test_lists_and_errors_are_replaced_as_a_whole(store: JobStore):
    created = await store.create(everything())
    left = dataclasses.replace(created.images[1], name=None, width=None)
    error = JobError.of(ErrorCode.COPY_FAILED, charged=Charged.YES)
    await store.save(created.evolve(images=(left,), error=error, steps=(Step(status="RUNNING"),)))
    found = await store.get("full")
    assert (found.images, found.error, found.steps) == ((left,), error, (Step(status="RUNNING"),))


# --- scans ---------------------------------------------------------------------------------------------------------


async def test_a_naive_time_inside_a_record_is_refused(store: JobStore):
    with pytest.raises(ValueError, match="aware"):
        Image(index=0, source_url="https://cdn.example/a.png", gone_since=NOW.replace(tzinfo=None))
    with pytest.raises(ValueError, match="aware"):
        await store.save_gate(Gate(starts=(NOW.replace(tzinfo=None),)))
    assert await store.read_gate() == Gate()

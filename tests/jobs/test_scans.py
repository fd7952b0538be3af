"""What the port `JobStore` promises of scans (due jobs, the queue, an execution), held against both stores."""

import json
from datetime import timedelta, timezone

import pytest

from shared.job_states import Status
from shared.ports import JobRow, JobStore
from shared.store_errors import UnreadableJob
from tests.jobs.places import NOW, Place, a_job

SECOND = timedelta(seconds=1)


async def test_a_scan_gives_rows_that_tell_enough_to_choose_a_job_and_cannot_be_saved(store: JobStore):
    await store.create(
        a_job(
            due_at=NOW,
            queue_at=NOW + SECOND,
            started_at=NOW - SECOND,
            workflow="pro",
            caller="zap",
            prepared=False,
            claims=3,
            workflow_unknown_since=NOW,
            execution_id="exec_1",
        )
    )
    expected = JobRow(
        id="job1",
        status=Status.QUEUED,
        give_up_at=NOW + timedelta(hours=72),
        workflow="pro",
        caller="zap",
        prepared=False,
        claims=3,
        workflow_unknown_since=NOW,
        started_at=NOW - SECOND,
        due_at=NOW,
        queue_at=NOW + SECOND,
    )
    assert await store.due(NOW, 1) == await store.queue_head(NOW + SECOND, 1) == [expected]
    assert await store.with_execution("exec_1", 1) == [expected]
    assert not hasattr(expected, "revision")


async def test_jobs_are_found_by_their_execution(store: JobStore):
    for job_id, execution_id in {"one": "exec_1", "two": "exec_1", "three": "exec_2", "none": None}.items():
        await store.create(a_job(job_id, execution_id=execution_id))
    assert {row.id for row in await store.with_execution("exec_1", 9)} == {"one", "two"}
    assert [row.id for row in await store.with_execution("exec_2", 9)] == ["three"]
    assert await store.with_execution("exec_3", 9) == []
    assert len(await store.with_execution("exec_1", 1)) == 1


@pytest.mark.parametrize(("scan", "field"), [("due", "due_at"), ("queue_head", "queue_at")])
async def test_a_scan_gives_what_is_due_in_order_up_to_its_limit(store: JobStore, scan: str, field: str):
    offsets = {"late": 1e-6, "now": 0, "third": -1e-6, "second": -1, "first": -3600 * 24 * 400}
    for job_id, seconds in offsets.items():
        await store.create(a_job(job_id, **{field: NOW + timedelta(seconds=seconds)}))
    await store.create(a_job("never"))
    found = getattr(store, scan)
    assert [job.id for job in await found(NOW, 10)] == ["first", "second", "third", "now"]
    assert [job.id for job in await found(NOW, 2)] == ["first", "second"]
    assert [job.id for job in await found(NOW, 10, NOW - SECOND)] == ["second", "third", "now"]
    assert await found(NOW - timedelta(days=500), 10) == []
    assert [job.id for job in await found(NOW.astimezone(timezone(-9 * 3600 * SECOND)), 1)] == ["first"]


@pytest.mark.parametrize(("scan", "field"), [("due", "due_at"), ("queue_head", "queue_at")])
async def test_a_scan_no_longer_gives_a_job_whose_time_was_taken_away(store: JobStore, scan: str, field: str):
    job = await store.create(a_job(**{field: NOW}))
    assert [row.id for row in await getattr(store, scan)(NOW, 10)] == [job.id]
    await store.save(job.evolve(**{field: None}))
    assert await getattr(store, scan)(NOW, 10) == []


async def test_a_scan_for_nothing_gives_nothing(store: JobStore):
    await store.create(a_job(due_at=NOW, queue_at=NOW))
    assert await store.due(NOW, 0) == await store.queue_head(NOW, 0) == []


async def test_a_scan_of_jobs_in_flight_leaves_out_those_that_are_final(store: JobStore):
    for number, status in enumerate(Status):
        await store.create(a_job(status, status=status, due_at=NOW + number * SECOND))
    later = NOW + 9 * SECOND
    assert [row.id for row in await store.due(later, 9)] == list(Status)
    assert [row.id for row in await store.due(later, 9, in_flight=True)] == [
        "queued",
        "triggering",
        "running",
        "copying",
    ]
    assert [row.id for row in await store.due(later, 1, NOW + SECOND, in_flight=True)] == ["triggering"]


async def test_one_field_does_not_stand_for_the_other(store: JobStore):
    await store.create(a_job("flying", due_at=NOW))
    await store.create(a_job("waiting", queue_at=NOW))
    assert [job.id for job in await store.due(NOW, 10)] == ["flying"]
    assert [job.id for job in await store.queue_head(NOW, 10)] == ["waiting"]


async def test_count_ahead_counts_queued_jobs_before_a_time(store: JobStore):
    assert await store.count_ahead(NOW) == 0
    for number in range(5):
        await store.create(a_job(f"job{number}", queue_at=NOW + number * SECOND))
    await store.create(a_job("flying", due_at=NOW))
    assert [await store.count_ahead(NOW + number * SECOND) for number in range(7)] == [0, 1, 2, 3, 4, 5, 5]


async def test_count_queued_counts_the_queued_jobs_of_a_caller_up_to_a_limit(store: JobStore):
    for number in range(4):
        await store.create(a_job(f"held{number}", caller="zap", queue_at=NOW + number * SECOND, due_at=NOW))
    await store.create(a_job("prepared", caller="zap", due_at=NOW))
    await store.create(a_job("other", caller="shop", due_at=NOW))
    await store.create(a_job("running", caller="zap", status=Status.RUNNING, due_at=NOW))
    assert [await store.count_queued("zap", limit) for limit in (3, 5, 9)] == [3, 5, 5]
    assert await store.count_queued("unknown", 9) == 0


async def test_a_document_that_cannot_be_read_does_not_stop_the_others(
    place: Place, store: JobStore, capsys: pytest.CaptureFixture[str]
):
    for job_id in ("broken", "corrupt", "whole"):
        await store.create(a_job(job_id, due_at=NOW))
    await place.put("jobs/broken", status="from tomorrow")
    await place.put("jobs/corrupt", images=["no map"], prompt=None)
    assert [row.id for row in await store.due(NOW, 9)] == ["corrupt", "whole"]
    assert {json.loads(line)["jobId"] for line in capsys.readouterr().out.splitlines()} == {"broken"}
    with pytest.raises(UnreadableJob, match="cannot be read"):
        await store.get("corrupt")


@pytest.mark.parametrize("call", ["due", "queue_head", "count_ahead"])
async def test_a_naive_time_is_refused(store: JobStore, call: str):
    naive = NOW.replace(tzinfo=None)
    with pytest.raises(ValueError, match="aware"):
        await (store.count_ahead(naive) if call == "count_ahead" else getattr(store, call)(naive, 1))

"""The contract of `BatchStore`, tested with both stores."""

import dataclasses
from datetime import timedelta

from shared.batches import Batch
from shared.job_states import Status
from shared.jobs.batch_documents import batch_to_document
from shared.ports import JobQuery, JobStore
from shared.spending.money import Cost, CostSource
from shared.store_errors import Conflict
from tests.jobs.places import NOW, Place, a_job, outcomes

COST = Cost(micros=130_000, source=CostSource.PRICE)
BATCH = Batch(
    id="batch1",
    fingerprint="f1",
    total=3,
    created_at=NOW,
    expire_at=NOW + timedelta(days=90),
    caller="zap",
    private=True,
    estimated_cost=COST,
)


async def test_a_batch_that_was_stored_is_read_as_it_is(store: JobStore) -> None:
    created = await store.create_batch(BATCH)
    assert created == BATCH
    assert await store.get_batch("batch1") == BATCH
    assert await store.get_batch("batch2") is None


async def test_of_two_requests_that_create_a_batch_both_get_the_first(store: JobStore) -> None:
    first = await store.create_batch(BATCH)
    await store.save_batch(first.completed(first.expire_at))
    again = await store.create_batch(dataclasses.replace(BATCH, total=7))
    assert (again.total, again.stored) == (3, True)


async def test_a_save_needs_the_newest_revision(store: JobStore) -> None:
    created = await store.create_batch(BATCH)
    done, canceled = created.completed(NOW + timedelta(days=91)), created.canceled(NOW)
    results = await outcomes(store.save_batch(done), store.save_batch(canceled))
    assert sum(isinstance(result, Conflict) for result in results) == 1
    assert await store.get_batch("batch1") in (done, canceled)
    saved = await store.save_batch((await store.get_batch("batch1") or created).canceled(NOW))
    assert (await store.get_batch("batch1"), saved.canceled_at) == (saved, NOW)


async def test_a_field_of_a_later_version_is_kept_and_ignored(store: JobStore, place: Place) -> None:
    path = "control/batch_batch1" if place.name == "sqlite" else "batches/batch1"
    created = await store.create_batch(BATCH)
    await place.put(path, later="x")
    read = await store.get_batch("batch1")
    assert read == created
    assert read
    await store.save_batch(read.canceled(NOW))
    assert (await place.look(path))["later"] == "x"


async def test_the_rows_of_a_batch_are_its_jobs_and_no_others(store: JobStore) -> None:
    jobs = [
        a_job("a", batch_id="batch1", batch_row=2, queue_at=NOW),
        a_job("b", batch_id="batch1", batch_row=3, status=Status.SUCCEEDED, cost=COST, workflow="pro"),
        a_job("c", batch_id="batch2", batch_row=2),
        a_job("d"),
    ]
    await store.create_all(jobs)
    found = {row.id: row for row in await store.batch_rows("batch1")}
    assert set(found) == {"a", "b"}
    assert (found["a"].status, found["a"].queue_at, found["a"].batch_row) == (Status.QUEUED, NOW, 2)
    assert (found["b"].status, found["b"].cost, found["b"].workflow) == (Status.SUCCEEDED, COST, "pro")
    assert await store.batch_rows("batch3") == []


async def test_a_thousand_rows_are_read_at_once(store: JobStore) -> None:
    for start in range(0, 1_000, 100):
        await store.create_all(
            [a_job(f"job{number:04}", batch_id="b", batch_row=number + 2) for number in range(start, start + 100)]
        )
    assert sorted(row.batch_row or 0 for row in await store.batch_rows("b")) == [*range(2, 1_002)]


async def test_a_list_may_be_that_of_a_batch(store: JobStore) -> None:
    await store.create_all([a_job(name, batch_id="b" if name in "ac" else None) for name in "abcd"])
    assert [job.id for job in await store.list_jobs(JobQuery(limit=9, batch_id="b"))] == ["c", "a"]
    listed = await store.list_jobs(JobQuery(limit=9, batch_id="b", status=Status.QUEUED, before=(NOW, "c")))
    assert [(job.id, job.batch_id) for job in listed] == [("a", "b")]


def test_the_stored_names_of_a_batch_never_change() -> None:
    expected = "fingerprint total createdAt expireAt caller private estimatedCost stored canceledAt"
    assert [*batch_to_document(BATCH)] == expected.split()

"""Retries at the store, and what the port promises of bulk actions, held against both stores."""

import asyncio
import dataclasses
from datetime import timedelta

import pytest

from shared.bulk_action import BulkAction
from shared.error_codes import Charged, ErrorCode
from shared.job_parts import JobError
from shared.job_states import Status
from shared.jobs.action_documents import action_from_document, action_to_document
from shared.ports import JobStore
from shared.store_errors import Conflict
from tests.jobs.places import NOW, Place, a_job

PLAN = BulkAction(id="a" * 32, fingerprint="f" * 64, plan={"job1": 1, "job2": 3}, matched=5, skipped=2, next_until=NOW)


async def test_of_two_retries_of_one_attempt_one_is_stored(place: Place) -> None:
    stores = [place.open() for _ in range(4)]
    error = JobError.of(ErrorCode.UPSTREAM_ERROR, charged=Charged.NO)
    await stores[0].create(a_job(status=Status.FAILED, completed_at=NOW, error=error, queue_at=None, due_at=None))
    seen = [await store.get("job1") for store in stores]
    later = NOW + timedelta(days=1)
    again = [job.next_attempt(NOW, later, later, "{}", None) for job in seen if job]
    saved = await asyncio.gather(
        *(store.save(job) for store, job in zip(stores, again, strict=True)), return_exceptions=True
    )
    assert sum(isinstance(one, Conflict) for one in saved) == 3
    stored = await stores[0].get("job1")
    assert stored is not None
    assert (stored.attempt, stored.status, [run.attempt for run in stored.attempts]) == (2, Status.QUEUED, [])
    await asyncio.gather(*(store.close() for store in stores))


async def test_a_bulk_action_read_equals_the_one_written(store: JobStore) -> None:
    assert await store.read_action(PLAN.id) is None
    created = await store.save_action(PLAN)
    assert await store.read_action(PLAN.id) == created == PLAN
    done = await store.save_action(dataclasses.replace(created, response={"done": 2, "jobs": ["job1"]}))
    assert await store.read_action(PLAN.id) == done
    assert done.response == {"done": 2, "jobs": ["job1"]}


def test_a_bulk_action_that_was_stored_without_an_until_is_read() -> None:
    document = action_to_document(PLAN)
    del document["nextUntil"]  # by an earlier version
    assert action_from_document(PLAN.id, document, 1) == dataclasses.replace(PLAN, next_until=None)


async def test_a_bulk_action_is_planned_once(store: JobStore) -> None:
    await store.save_action(PLAN)
    with pytest.raises(Conflict):
        await store.save_action(dataclasses.replace(PLAN, plan={"job3": 1}))
    planned = await store.read_action(PLAN.id)
    assert planned is not None
    assert planned.plan == PLAN.plan


async def test_a_bulk_action_is_changed_only_as_it_was_read(store: JobStore) -> None:
    created = await store.save_action(PLAN)
    await store.save_action(dataclasses.replace(created, response={"done": 2}))
    with pytest.raises(Conflict):
        await store.save_action(dataclasses.replace(created, response={"done": 1}))

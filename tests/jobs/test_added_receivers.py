"""A request adds receivers to a job while a worker holds it: both writes last, and the lease is not lost."""

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from shared.callbacks import MAX_CALLBACKS, Callback
from shared.job_states import Status
from shared.log import Log
from shared.runtime.dependencies import Deps
from shared.runtime.lease import Lease, LeaseLost
from shared.runtime.saving import save_over
from shared.steps.receivers import TooManyReceivers, add_receivers
from shared.store_errors import Conflict
from shared.submission import Submission
from shared.wake_up.in_process import NoWakeUp
from shared.wiring import SystemClock
from tests.jobs.places import Place, a_job

MINUTE = timedelta(minutes=1)


def adding(*urls: str) -> Submission:
    return Submission(prompt="a red fox", input="{}", fingerprint="f", callback_urls=urls)


def deps_of(store: Any) -> Deps:
    return cast(Deps, SimpleNamespace(store=store, clock=SystemClock(), wake_up=NoWakeUp(), log=Log()))


@pytest.mark.parametrize("writes", [1, 8])
async def test_workers_and_requests_write_at_the_same_time_and_nothing_is_lost(place: Place, writes: int) -> None:
    worker, requests = place.open(), [place.open() for _ in range(4)]
    now = datetime.now(UTC)
    job = await worker.create(a_job("busy", status=Status.RUNNING, execution_id="exec_1", due_at=now))
    lease = await Lease.claim(job, worker, SystemClock(), 60.0)
    assert lease

    async def work() -> None:
        for number in range(writes):
            await lease.save(lease.job.with_last_response(str(number)).run_missing(now + number * MINUTE))

    async def request(number: int) -> None:
        store = requests[number % 4]
        found = await store.get("busy")
        assert found
        await add_receivers(found, adding(f"https://receiver.test/{number}"), deps_of(store))

    await asyncio.gather(work(), *(request(number) for number in range(MAX_CALLBACKS)))
    await lease.release(lease.job.copying((), now).succeeded((), now))
    final = await requests[0].get("busy")
    assert final
    assert sorted(callback.url for callback in final.callbacks) == [f"https://receiver.test/{n}" for n in range(8)]
    assert {callback.event for callback in final.callbacks} == {"image.completed"}
    assert (final.status, final.missing_since, final.due_at) == (Status.SUCCEEDED, now + (writes - 1) * MINUTE, now)
    with pytest.raises(TooManyReceivers):
        await add_receivers(final, adding("https://receiver.test/9"), deps_of(requests[0]))
    await asyncio.gather(*(store.close() for store in (worker, *requests)))


async def test_any_other_change_means_that_the_lease_is_lost(place: Place) -> None:
    worker, other = place.open(), place.open()
    job = await worker.create(a_job("taken", status=Status.RUNNING, due_at=datetime.now(UTC)))
    lease = await Lease.claim(job, worker, SystemClock(), 60.0)
    assert lease
    stored = await other.get("taken")
    assert stored
    receiver = Callback(url="https://receiver.test/")
    await other.save(stored.with_callbacks([receiver], stored.created_at).claimed(datetime.now(UTC) + MINUTE))
    with pytest.raises(LeaseLost):
        await lease.save(lease.job.run_missing(datetime.now(UTC)))
    with pytest.raises(Conflict):
        await save_over(lease.job, lease.job.run_missing(datetime.now(UTC)), worker)
    await asyncio.gather(worker.close(), other.close())


async def test_a_receiver_that_is_added_while_a_message_is_under_way_is_told_next(place: Place) -> None:
    """The worker records what became of the first message, and finds the second one due."""
    worker, other = place.open(), place.open()
    now = datetime.now(UTC)
    first = Callback(url="https://receiver.test/1")
    copying = a_job("told", status=Status.COPYING, callbacks=(first,), due_at=now)
    job = await worker.create(copying.succeeded((), now))
    lease = await Lease.claim(job, worker, SystemClock(), 60.0)
    assert lease
    stored = await other.get("told")
    assert stored
    added = await add_receivers(stored, adding("https://receiver.test/2"), deps_of(other))
    assert added.due_at == lease.job.due_at, "it leaves the lease alone"
    told = lease.job.callbacks[0].attempted(now, lease.job.callbacks[0].status.DELIVERED, response=204)
    released = await lease.release(lease.job.delivered([told]))
    assert [callback.status for callback in released.callbacks] == ["delivered", "pending"]
    assert released.due_at
    assert released.due_at <= datetime.now(UTC)
    await asyncio.gather(worker.close(), other.close())

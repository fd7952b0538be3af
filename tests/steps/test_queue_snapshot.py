"""What an instance knows of the queue, if the store is slow, if it had no CPU meanwhile, and beside other instances."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.ports import JobStore
from shared.store_errors import StoreUnavailable
from tests.harness.world import SMALL, World
from tests.steps.conftest import OpenWorld
from tests.steps.test_acceptance import Calls, counts, send
from tests.steps.test_callers import AUTH, bearer
from tests.steps.test_fair_queue import post_batch
from tests.steps.test_poison import submit

READS = {"queue_head", "count_ahead", "count_queued", "list_jobs", "read_gate"}
LIMITED = {**AUTH, "EXECUTIONS_PER_MINUTE": "10"}


class Slow(Calls):
    """A job store whose answers to reads of the queue arrive `seconds` later, and not while there is no `cpu`."""

    def __init__(self, inner: JobStore) -> None:
        super().__init__(inner)
        self.seconds = 0.0
        self.cpu = asyncio.Event()
        self.cpu.set()

    def __getattr__(self, name: str) -> Any:
        call = super().__getattr__(name)

        async def slow(*arguments: Any, **options: Any) -> Any:
            seconds, answer = self.seconds, await call(*arguments, **options)
            await asyncio.sleep(seconds)
            await self.cpu.wait()
            return answer

        return slow if name in READS else call


def store_of(world: World) -> Slow:
    assert isinstance(world.store, Slow)
    return world.store


async def test_no_request_waits_long_for_a_slow_store_to_read_the_queue(open_world: OpenWorld) -> None:
    async with open_world(wrap=Slow, EXECUTIONS_PER_MINUTE="1") as world:
        store_of(world).seconds = 3.0
        for number in range(20):
            await world.accepted(f"cat {number}")
            await world.clock.sleep(0.5)
        counts(world).clear()
        for number in range(600):
            began = world.clock.monotonic()
            await world.accepted(f"dog {number}")
            assert world.clock.monotonic() - began <= 0.2
            await world.clock.sleep(0.5)
        assert counts(world)["queue_head"] >= 3
        assert counts(world)["count_ahead"] >= 3


class CountsFail(Calls):
    """A job store that counts nothing."""

    async def count_ahead(self, _queue_at: datetime) -> int:
        self.counts["count_ahead"] += 1
        raise StoreUnavailable("count_ahead")


async def test_a_count_that_fails_is_not_repeated_more_often(open_world: OpenWorld) -> None:
    async with open_world(wrap=CountsFail, EXECUTIONS_PER_MINUTE="1", MAX_QUEUED_JOBS="0") as world:
        for number in range(600):
            await world.accepted(f"cat {number}")
            await world.clock.sleep(0.1)
        assert counts(world)["count_ahead"] <= 60 / 5
        assert counts(world)["queue_head"] >= 40


async def test_a_new_instance_counts_the_queue_before_it_estimates(open_world: OpenWorld) -> None:
    async with open_world(**LIMITED) as one, open_world(simulator=one.simulator, wrap=Slow, **LIMITED) as other:
        for caller in ("ci", "admin", "ci", "admin", "zap"):
            await post_batch(one, caller, 100)
        store_of(other).seconds = 0.3
        job = (await send(other, "zap", 1)).json()
        ahead = await other.store.count_ahead((await other.record(job["id"])).queue_at)
        assert job["queuePosition"] == pytest.approx(ahead + 1, rel=0.2)


@pytest.mark.parametrize("seconds", [5, 80])
async def test_a_pause_is_obeyed_after_a_time_without_cpu(open_world: OpenWorld, seconds: int) -> None:
    async with open_world(wrap=Slow, **AUTH) as world, open_world(simulator=world.simulator, **AUTH) as other:
        await submit(world, "zap", "cat")
        await world.clock.sleep(1.2)
        await lose_cpu(world)
        await other.deps.admission.pause()
        await regain_cpu(world, seconds)
        assert (await send(world, "zap", 2)).json()["status"] == "queued"


@pytest.mark.parametrize("bound", ["0", "10000"])
@pytest.mark.parametrize("seconds", [3, 62])
async def test_a_job_waits_behind_those_of_another_instance_after_a_time_without_cpu(
    open_world: OpenWorld, seconds: int, bound: str
) -> None:
    settings = {**LIMITED, "MAX_QUEUED_JOBS": bound}
    async with open_world(wrap=Slow, **settings) as world, open_world(simulator=world.simulator, **settings) as other:
        await submit(world, "zap", "cat")
        await world.clock.sleep(1.2)
        await lose_cpu(world)
        await post_batch(other, "ci", 30)
        await regain_cpu(world, seconds)
        counts(world).clear()
        assert (await send(world, "zap", 2)).json()["status"] == "queued"
        assert counts(world)["queue_head"] >= 1


async def lose_cpu(world: World) -> None:
    """Let a request refresh what is known, and end before the answers arrive."""
    store_of(world).seconds = 0.15
    await world.http.post("/", json={"prompt": "a quote", "dryRun": True, **SMALL}, headers=bearer("zap"))
    store_of(world).cpu.clear()


async def regain_cpu(world: World, seconds: float) -> None:
    await world.clock.sleep(seconds)
    store_of(world).seconds = 0.02
    store_of(world).cpu.set()


async def test_jobs_in_the_queue_of_another_instance_are_counted_once(open_world: OpenWorld) -> None:
    settings = {**LIMITED, "MAX_QUEUED_JOBS": "60"}
    async with open_world(wrap=Calls, **settings) as world, open_world(simulator=world.simulator, **settings) as other:
        await submit(world, "zap", "cat")
        await post_batch(other, "ci", 48)
        waiting = await other.store.count_ahead(other.clock.now() + timedelta(minutes=1))
        await world.clock.sleep(10)
        for number in range(60 - waiting):
            assert (await send(world, "zap", number)).status_code == 202
            await world.clock.sleep(1)

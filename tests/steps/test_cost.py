"""What one image costs at the store: design, "The job"."""

import asyncio
from datetime import timedelta

import pytest

from tests.harness.counting import WatchedJobs
from tests.harness.world import World
from tests.steps.conftest import Open

MOST_WRITES, MOST_READS = 6, 5  # create, gate, running, claim, copying, succeeded


async def one_image(here: World, after: float, **request: object) -> tuple[int, int]:
    """Writes and reads of one image that is asked for so many seconds after a window began."""
    scheduler = asyncio.create_task(here.run_for(timedelta(minutes=3)))
    await here.clock.sleep(after)
    here.store.reset()
    answer = await here.post(**request)
    await scheduler
    cost = (here.store.writes, here.store.reads)
    assert (await here.job(answer.json()["id"]))["status"] == "succeeded"
    return cost


@pytest.mark.parametrize("after", [0.5, 5.0, 30.0, 59.0])
@pytest.mark.parametrize("plan", ["free", "enterprise"])
async def test_an_image_of_15_s_costs_at_most_6_writes_and_5_reads(open_world: Open, plan: str, after: float) -> None:
    limits = {"WIREFLOW_PLAN": plan, "EXECUTIONS_PER_MINUTE": "10"}
    async with open_world(wrap=WatchedJobs, plan=plan, run_seconds=(15.0, 15.0), **limits) as here:
        await here.accepted("the first of all creates the gate")
        await here.run_for(timedelta(minutes=2))
        writes, reads = await one_image(here, after)
        assert writes <= MOST_WRITES
        assert reads <= MOST_READS


@pytest.mark.parametrize("seconds", [10.0, 20.0])
async def test_so_does_one_of_10_or_20_s_with_a_key_and_four_images(open_world: Open, seconds: float) -> None:
    async with open_world(wrap=WatchedJobs, run_seconds=(seconds, seconds)) as here:
        writes, reads = await one_image(here, 1.0, key="k", count=4)
        assert writes <= MOST_WRITES
        assert reads <= MOST_READS


async def test_polls_of_a_long_run_cost_a_renewal_and_nothing_more(open_world: Open) -> None:
    async with open_world(wrap=WatchedJobs, run_seconds=(35.0, 35.0)) as here:
        writes, reads = await one_image(here, 0.5)
        assert len(here.vendor.to("poll")) >= 7
        assert writes <= MOST_WRITES + 1
        assert reads <= MOST_READS


async def test_scans_that_find_nothing_cost_nothing(open_world: Open) -> None:
    async with open_world(wrap=WatchedJobs) as here:
        await here.run_for(timedelta(minutes=30))
        assert here.store.writes == 0
        assert here.store.reads <= 30, "a look at the gate for the log line of each window"

"""How many reads and writes of the job store one image costs."""

import asyncio
from datetime import timedelta

import pytest

from tests.harness.counting import WatchedJobs
from tests.harness.world import World
from tests.steps.conftest import OpenWorld

MAX_WRITES, MAX_READS = 6, 7  # create, gate, running, claim, copying, succeeded


async def one_image(world: World, after: float, **request: object) -> tuple[int, int]:
    """Submit one image `after` seconds from the start of a window; return the writes and reads that it costs."""
    scheduler = asyncio.create_task(world.run_for(timedelta(minutes=3)))
    await world.clock.sleep(after)
    world.store.reset()
    response = await world.post(**request)
    await scheduler
    cost = (world.store.writes, world.store.reads)
    assert (await world.job(response.json()["id"]))["status"] == "succeeded"
    return cost


@pytest.mark.parametrize("after", [0.5, 5.0, 30.0, 59.0])
@pytest.mark.parametrize("plan", ["free", "enterprise"])
async def test_an_image_of_15_s_costs_at_most_6_writes_and_7_reads(
    open_world: OpenWorld, plan: str, after: float
) -> None:
    limits = {"WIREFLOW_PLAN": plan, "EXECUTIONS_PER_MINUTE": "10"}
    async with open_world(wrap=WatchedJobs, plan=plan, run_seconds=(15.0, 15.0), **limits) as world:
        await world.accepted("the first job creates the document of the gate")
        await world.run_for(timedelta(minutes=2))
        writes, reads = await one_image(world, after)
        assert writes <= MAX_WRITES
        assert reads <= MAX_READS


@pytest.mark.parametrize(("credits", "corrections"), [(10.0, 0), (25.0, 1)])
async def test_with_spend_limits_a_corrected_price_costs_one_write_more(
    open_world: OpenWorld, credits: float, corrections: int
) -> None:
    workflows = '{"default": {"mode": "webhook", "id": "demo-webhook", "pricePerImage": 0.1}}'
    limits = {"WIREFLOW_WORKFLOWS": workflows, "DAILY_SPEND_USD": "5", "CALLER_LIMITS": '{"zap": {"usdPerDay": 1}}'}
    async with open_world(wrap=WatchedJobs, run_seconds=(15.0, 15.0), credits=credits, **limits) as world:
        await world.accepted("the first job creates the document of the gate")
        await world.run_for(timedelta(minutes=2))
        writes, reads = await one_image(world, 5.0)
        assert writes <= MAX_WRITES + corrections
        assert reads <= MAX_READS + corrections


@pytest.mark.parametrize("seconds", [10.0, 20.0])
async def test_an_idempotency_key_and_four_images_cost_no_more(open_world: OpenWorld, seconds: float) -> None:
    async with open_world(wrap=WatchedJobs, run_seconds=(seconds, seconds)) as world:
        writes, reads = await one_image(world, 1.0, key="k", count=4)
        assert writes <= MAX_WRITES
        assert reads <= MAX_READS


async def test_a_longer_run_costs_one_lease_renewal_more(open_world: OpenWorld) -> None:
    async with open_world(wrap=WatchedJobs, run_seconds=(35.0, 35.0)) as world:
        writes, reads = await one_image(world, 0.5)
        assert len(world.vendor.to("poll")) >= 7
        assert writes <= MAX_WRITES + 1
        assert reads <= MAX_READS


async def test_windows_without_jobs_cost_no_writes_and_one_read_each(open_world: OpenWorld) -> None:
    async with open_world(wrap=WatchedJobs) as world:
        await world.run_for(timedelta(minutes=30))
        assert world.store.writes == 0
        assert world.store.reads <= 30, "one read of the gate for the log line of each window"

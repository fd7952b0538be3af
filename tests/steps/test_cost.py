"""How many reads and writes of the job store one image costs."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from shared.job_states import Status
from tests.harness.counting import WatchedJobs
from tests.harness.receivers import Receiver
from tests.harness.world import SMALL, World
from tests.steps.conftest import OpenWorld
from tests.steps.test_callers import AUTH, bearer

MAX_WRITES, MAX_READS = 6, 7  # create, gate, running, claim, copying, succeeded
MONEY = {
    "WIREFLOW_WORKFLOWS": '{"default": {"mode": "webhook", "id": "demo-webhook", "pricePerImage": 0.1}}',
    "DAILY_SPEND_USD": "5",
    "CALLER_LIMITS": '{"zap": {"usdPerDay": 1}}',
}


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
    async with open_world(wrap=WatchedJobs, run_seconds=(15.0, 15.0), credits=credits, **MONEY) as world:
        await world.accepted("the first job creates the document of the gate")
        await world.run_for(timedelta(minutes=2))
        writes, reads = await one_image(world, 5.0)
        assert writes <= MAX_WRITES + corrections
        assert reads <= MAX_READS + corrections


# --- every way in --------------------------------------------------------------------------------------------------


async def prompt(world: World) -> str:
    return await world.accepted()


async def repeated(world: World) -> str:
    """A request with a key, which is sent again at once."""
    await world.accepted(key="k")
    return await world.accepted(key="k")


async def notified(world: World) -> str:
    return await world.accepted(callbackUrl=Receiver(world, "receiver.test").url)


async def event(world: World) -> str:
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/tests", "ce-type": "image"}
    return str((await world.http.post("/", json={"prompt": "a cat", **SMALL}, headers=headers)).json()["id"])


async def array(world: World) -> str:
    return str((await world.http.post("/", json={"prompts": ["a cat"], **SMALL})).json()["jobs"][0]["id"])


async def row(world: World) -> str:
    answer = await world.http.post("/batches", content=b"prompt\na cat\n", headers={"content-type": "text/csv"})
    (job,) = (await world.http.get(f"/batches/{answer.json()['batchId']}/jobs")).json()["jobs"]
    return str(job["id"])


# Beyond those of an image. A repeated request: the attempt to create the job again. A receiver: the result of the
# delivery. A row: the batch when it begins and when all rows are stored.
MORE_WRITES = {repeated: 1, notified: 1, row: 2}
MORE_READS = {repeated: 1, row: 5}  # the job that exists; the batch again and again, and the list of its jobs


@pytest.mark.parametrize("way", [prompt, repeated, notified, event, array, row])
@pytest.mark.parametrize("waits", [False, True], ids=["starts", "waits for the poller"])
@pytest.mark.parametrize("limits", [{}, MONEY], ids=["no spend limit", "spend limits"])
async def test_every_way_in_costs_the_same(
    open_world: OpenWorld, way: Callable[[World], Awaitable[str]], waits: bool, limits: dict[str, str]
) -> None:
    """A free plan starts one execution a minute on arrival. Wake-ups call the poller, and no scheduler."""
    settings = {"WIREFLOW_PLAN": "free", "EXECUTIONS_PER_MINUTE": "10", **limits, **AUTH}
    async with open_world(wrap=WatchedJobs, wake_ups=True, run_seconds=(15.0, 15.0), **settings) as world:
        world.http.headers.update(bearer("zap"))
        await world.accepted("the first job creates the document of the gate")
        await world.clock.sleep(40 if waits else 90)
        world.store.reset()
        job_id = await way(world)
        await world.clock.sleep(60)
        writes, reads = world.store.writes, world.store.reads
        assert (await world.record(job_id)).status is Status.SUCCEEDED
        assert writes <= MAX_WRITES + MORE_WRITES.get(way, 0)
        assert reads <= MAX_READS + MORE_READS.get(way, 0)


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

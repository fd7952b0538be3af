"""Wake-ups: images are found within seconds although the scheduler calls the poller once a minute."""

import asyncio
import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from tests.harness.vendor import Call
from tests.harness.world import World, moment
from tests.steps.conftest import OpenWorld

MINUTE = timedelta(minutes=1)
RUN_SECONDS = (10.0, 20.0)


@asynccontextmanager
async def scheduler(world: World) -> AsyncIterator[None]:
    """Call the poller once a minute, whether or not it is busy."""

    async def call_forever() -> None:
        async with asyncio.TaskGroup() as calls:
            while True:
                calls.create_task(world.call_poller())
                await world.clock.sleep(60)

    calling = asyncio.create_task(call_forever())
    try:
        yield
    finally:
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)


async def until_final(world: World, *job_ids: str) -> None:
    while not all([(await world.record(job_id)).finished for job_id in job_ids]):
        await world.clock.sleep(0.5)


async def lags(world: World, job_ids: list[str]) -> list[float]:
    """Return for each job the seconds from its prompt to its stored image, without its run and its wait for a start."""
    ends = {run["executionId"]: run for run in (await world.simulated("_runs"))["runs"]}
    seconds = []
    for job_id in job_ids:
        job = await world.job(job_id)
        run = ends[job["executionId"]]
        ran = datetime.fromisoformat(run["endsAt"]) - datetime.fromisoformat(run["startedAt"])
        waited = datetime.fromisoformat(run["startedAt"]) - moment(job["createdAt"])
        seconds.append((moment(job["completedAt"]) - moment(job["createdAt"]) - ran - waited).total_seconds())
    return seconds


async def test_an_accepted_job_is_stored_before_the_scheduler_calls_again(open_world: OpenWorld) -> None:
    async with open_world(wake_ups=True, run_seconds=(12.0, 12.0)) as world, scheduler(world):
        await world.clock.sleep(8)  # the first window has ended as idle
        job_id = await world.accepted()
        await until_final(world, job_id)
        assert (await lags(world, [job_id]))[0] < 8


async def test_without_wake_ups_it_waits_for_the_scheduler(open_world: OpenWorld) -> None:
    async with open_world(run_seconds=(12.0, 12.0)) as world, scheduler(world):
        await world.clock.sleep(8)
        job_id = await world.accepted()
        await until_final(world, job_id)
        assert (await lags(world, [job_id]))[0] > 30


async def test_a_queued_job_starts_within_seconds(open_world: OpenWorld) -> None:
    async with open_world(wake_ups=True, WIREFLOW_PLAN="free", EXECUTIONS_PER_MINUTE="10") as world, scheduler(world):
        await world.clock.sleep(8)
        job_ids = [await world.accepted() for _ in range(4)]
        assert [(await world.job(job_id))["status"] for job_id in job_ids] == ["running"] + ["queued"] * 3
        await world.clock.sleep(7)
        assert {(await world.job(job_id))["status"] for job_id in job_ids} == {"running"}


async def test_a_call_after_the_last_scan_of_a_window_begins_another_one(open_world: OpenWorld) -> None:
    async def slow_copy(call: Call) -> None:
        if call.endpoint == "cdn":
            await world.clock.sleep(9.9)

    settings = {"POLL_WINDOW_SECONDS": "12", "POLL_IDLE_EXIT_SECONDS": "1"}
    async with open_world(wake_ups=True, run_seconds=(0.0, 0.0), **settings) as world:
        world.vendor.script = slow_copy
        await world.accepted()
        await world.clock.sleep(14.7)  # a window from 5 s to 14.5 s is over, but for its copy
        world.vendor.reset()
        later = await world.accepted("another")
        assert await world.call_poller() == {"busy": True}
        await world.clock.sleep(4)  # before the wake-up of that job
        assert (await world.record(later)).finished


async def test_what_is_released_at_the_end_of_a_window_wakes_the_next_one(open_world: OpenWorld) -> None:
    async with open_world(wake_ups=True, run_seconds=(70.0, 70.0)) as world:
        job_id = await world.accepted()
        await world.call_poller()  # and no one else does
        await until_final(world, job_id)
        assert (await lags(world, [job_id]))[0] < 11


async def test_a_burst_makes_one_call_of_the_poller(open_world: OpenWorld) -> None:
    async with open_world(wake_ups=True) as world:
        job_ids = [await world.accepted(f"prompt {number}") for number in range(50)]
        await until_final(world, *job_ids)
        await world.clock.sleep(120)
        assert len(world.log("window")) <= 2


async def test_half_of_100_images_are_stored_within_2_5_s_of_the_end_of_their_run(open_world: OpenWorld) -> None:
    limits = {"WIREFLOW_PLAN": "pro", "EXECUTIONS_PER_MINUTE": "10"}
    async with open_world(wake_ups=True, plan="pro", run_seconds=RUN_SECONDS, **limits) as world, scheduler(world):
        job_ids = []
        for number in range(100):
            job_ids.append(await world.accepted(f"prompt {number}"))
            await world.clock.sleep(12)
        await until_final(world, *job_ids)
        seconds = await lags(world, job_ids)
        assert statistics.median(seconds) <= 2.5
        assert (await world.simulated("_stats"))["rateLimited"] == 0

"""Wake-ups: images are found within seconds although the scheduler calls the poller once a minute."""

import asyncio
import statistics
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.steps import control
from tests.harness.background import meanwhile
from tests.harness.receivers import Receiver
from tests.harness.vendor import Call
from tests.harness.world import World, moment
from tests.steps.conftest import OpenWorld
from tests.steps.test_callers import AUTH, bearer

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

    async with meanwhile(call_forever()):
        yield


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


# --- what becomes due in the trigger, or by command ----------------------------------------------------------------


async def post(world: World, path: str, **body: Any) -> None:
    (await world.http.post(path, **body)).raise_for_status()


async def erase(world: World, job_id: str) -> None:
    (await world.http.delete(f"/jobs/{job_id}?erase=true")).raise_for_status()


EVENT = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/tests", "ce-type": "image"}
CSV = {"content": b"prompt\na cat\n", "headers": {"content-type": "text/csv"}}
ACTIONS: dict[str, Callable[[World, str], Awaitable[Any]]] = {
    "a prompt": lambda world, _: post(world, "/", json={"prompt": "a cat"}),
    "an array": lambda world, _: post(world, "/", json={"prompts": ["a cat", "a dog"]}),
    "rows": lambda world, _: post(world, "/batches", **CSV),
    "an event": lambda world, _: post(world, "/", json={"prompt": "a cat"}, headers=EVENT),
    "retry": lambda world, job_id: post(world, f"/jobs/{job_id}/retry", json={"confirm": True, "attempt": 1}),
    "redeliver": lambda world, job_id: post(world, f"/jobs/{job_id}/redeliver"),
    "erase": erase,
    "resume": lambda world, _: control.resume(world.deps),
}


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
@pytest.mark.parametrize("starts", [True, False], ids=["starts", "waits"])
async def test_whatever_becomes_due_wakes_the_poller_up(
    open_world: OpenWorld, action: Callable[[World, str], Awaitable[Any]], starts: bool
) -> None:
    async with open_world(wake_ups=True, run_seconds=(3.0, 3.0), **AUTH) as world:
        world.http.headers.update(bearer("zap"))  # an array needs a token
        receiver = Receiver(world, "receiver.test")
        job_id = await world.accepted("[fault:moderation]", callbackUrl=receiver.url)
        await world.clock.sleep(600)
        if not starts:
            await control.pause(world.deps)
        before = len(world.log("window"))
        await action(world, job_id)
        await world.clock.sleep(20)
        assert len(world.log("window")) > before


async def test_a_recopy_wakes_the_poller_up(open_world: OpenWorld) -> None:
    async with open_world(wake_ups=True, run_seconds=(3.0, 3.0)) as world:
        world.vendor.always("cdn", 503)
        (job,) = await world.end_of(await world.accepted())
        assert job["errorCode"] == "copy_failed"
        world.vendor.reset()
        await world.clock.sleep(600)
        await post(world, f"/jobs/{job['id']}/recopy")
        await world.clock.sleep(7)
        assert (await world.job(job["id"]))["status"] == "succeeded"


async def test_a_job_that_the_operator_lets_through_starts_within_seconds(open_world: OpenWorld) -> None:
    async with open_world(wake_ups=True) as world:
        await control.pause(world.deps)
        job_id = await world.accepted()
        await world.clock.sleep(600)
        await control.start_one(job_id, world.deps)
        await world.clock.sleep(7)
        assert (await world.job(job_id))["status"] == "running"


async def test_a_suspension_that_ends_outside_a_window_begins_one(open_world: OpenWorld) -> None:
    async with open_world(wake_ups=True) as world:
        job_id = (await world.post("a cat [fault:rate_limited_seconds]")).json()["id"]
        await until_final(world, job_id)
        assert (await lags(world, [job_id]))[0] < 8


# --- figures -------------------------------------------------------------------------------------------------------


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

"""A clock that is set back, by an hour or over midnight, neither stops nor prolongs anything."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tests.harness.vendor import Call
from tests.harness.world import World
from tests.steps.conftest import OpenWorld

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def elapsed() -> float:
    return asyncio.get_running_loop().time()


async def succeeded(world: World, job_id: str) -> bool:
    return (await world.job(job_id))["status"] == "succeeded"


async def test_the_gate_goes_on_a_minute_after_the_clock_went_back(open_world: OpenWorld) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="3") as world:
        for _ in range(3):
            await world.accepted()
        world.clock.step(-HOUR)
        await world.clock.sleep(2)
        waiting = await world.accepted()
        assert (await world.job(waiting))["status"] == "queued"
        await world.run_for(2 * MINUTE)
        assert await succeeded(world, waiting)


async def test_jobs_that_were_queued_and_running_before_go_on(open_world: OpenWorld) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="3") as world:
        ids = [await world.accepted(f"cat {n}") for n in range(8)]
        await world.run_for(MINUTE)
        world.clock.step(-HOUR)
        jobs = await world.end_of(*ids, patience=10 * MINUTE)
        assert {job["status"] for job in jobs} == {"succeeded"}
        assert world.paid == 8


async def test_a_copy_that_fails_is_not_retried_more_often(open_world: OpenWorld) -> None:
    async with open_world() as world:
        world.vendor.always("cdn", 503)
        world.vendor.always("download", 503)
        await world.accepted()
        await world.run_for(30 * MINUTE)
        world.clock.step(-HOUR)
        before = len(world.vendor.to("cdn"))
        await world.run_for(30 * MINUTE)
        assert 1 <= len(world.vendor.to("cdn")) - before <= 6


async def test_the_lease_of_another_worker_is_respected(open_world: OpenWorld) -> None:
    async with open_world(run_seconds=(40.0, 40.0)) as one, open_world(simulator=one.simulator) as two:
        job_id = await one.accepted()
        one.clock.step(-HOUR)
        two.clock.step(-HOUR)
        await asyncio.gather(one.run_window(), two.run_window())
        jobs = await one.end_of(job_id, patience=5 * MINUTE)
        assert jobs[0]["status"] == "succeeded"
        assert not [line for line in one.log("window") + two.log("window") if "Another worker" in line["message"]]


async def test_a_suspension_of_the_future_lasts_no_longer_than_it_would_have(open_world: OpenWorld) -> None:
    async with open_world() as world:
        world.vendor.always("trigger", 429, {}, retry_after="30")
        await world.accepted()
        world.vendor.reset()
        world.clock.step(-HOUR)
        waiting = await world.accepted()
        assert (await world.job(waiting))["waitReason"] == "rate_limited"
        await world.run_for(2 * MINUTE)
        assert await succeeded(world, waiting)


async def test_a_day_is_not_granted_twice_when_the_clock_goes_back_over_midnight(open_world: OpenWorld) -> None:
    just_after = datetime(2026, 3, 3, 0, 10, tzinfo=UTC)
    async with open_world(now=just_after, DAILY_EXECUTIONS="2") as world:
        for _ in range(2):
            await world.accepted()
        world.clock.step(-HOUR)
        await world.clock.sleep(2)
        third = await world.accepted()
        job = await world.job(third)
        assert (job["status"], job["estimatedStartAt"]) == ("queued", "2026-03-04T00:00:00.000Z")
        await world.run_for(2 * HOUR)
        assert world.paid == 2


@pytest.mark.parametrize("after", [1, 5])
async def test_prefer_wait_is_not_prolonged(open_world: OpenWorld, after: float) -> None:
    async with open_world(run_seconds=(300.0, 300.0)) as world:
        began = elapsed()
        posted = asyncio.create_task(world.http.post("/", json={"prompt": "a cat"}, headers={"Prefer": "wait=10"}))
        await world.clock.sleep(after)
        world.clock.step(-HOUR)
        assert (await posted).status_code == 202
        assert elapsed() - began <= 11


async def test_a_window_is_not_prolonged_and_its_runs_are_polled_as_before(open_world: OpenWorld) -> None:
    async with open_world(run_seconds=(30.0, 30.0)) as world:
        job_id = await world.accepted()
        began = elapsed()
        window = asyncio.create_task(world.run_window())
        await world.clock.sleep(12)
        world.clock.step(-HOUR)
        counts = await window
        assert elapsed() - began <= 56
        assert counts["stored"] == 1
        assert 0 < counts["seconds"] <= 56
        assert await succeeded(world, job_id)


async def test_the_budget_of_requests_is_not_used_up_for_an_hour(open_world: OpenWorld) -> None:
    limits = {"WIREFLOW_PLAN": "free", "EXECUTIONS_PER_MINUTE": "10"}
    async with open_world(run_seconds=(90.0, 90.0), plan="free", **limits) as world:
        job_id = await world.accepted()
        window = asyncio.create_task(world.run_window())
        await world.clock.sleep(15)
        world.clock.step(-HOUR)
        await window
        await world.run_for(3 * MINUTE)
        assert await succeeded(world, job_id)


async def test_a_lease_is_renewed_and_keeps_other_pollers_away(open_world: OpenWorld) -> None:
    async with open_world(run_seconds=(50.0, 50.0), LEASE_SECONDS="20") as world:
        job_id = await world.accepted()
        window = asyncio.create_task(world.run_window())
        await world.clock.sleep(5)
        world.clock.step(-HOUR)
        await world.clock.sleep(25)
        record = await world.record(job_id)
        assert record.due_at is not None
        assert timedelta() < record.due_at - world.clock.now() <= 20 * SECOND
        await window


async def test_a_clock_that_goes_ahead_does_not_end_a_wait(open_world: OpenWorld) -> None:
    async with open_world(run_seconds=(6.0, 6.0)) as world:

        def ahead(_call: Call) -> None:
            world.clock.step(MINUTE)

        world.vendor.answer("health", ahead)
        posted = asyncio.create_task(world.http.post("/", json={"prompt": "a cat"}, headers={"Prefer": "wait=20"}))
        window = asyncio.create_task(world.run_window())
        await world.clock.sleep(2)
        world.clock.step(MINUTE)
        assert (await posted).json()["status"] == "succeeded"
        await window

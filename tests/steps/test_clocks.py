"""A clock that is set back, by an hour or over midnight, neither stops nor prolongs anything."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tests.harness.vendor import Call
from tests.harness.world import World
from tests.steps.conftest import Open

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def elapsed() -> float:
    return asyncio.get_running_loop().time()


async def succeeded(here: World, job_id: str) -> bool:
    return (await here.job(job_id))["status"] == "succeeded"


async def test_the_gate_goes_on_a_minute_after_the_clock_went_back(open_world: Open) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="3") as here:
        for _ in range(3):
            await here.accepted()
        here.clock.step(-HOUR)
        await here.clock.sleep(2)
        waiting = await here.accepted()
        assert (await here.job(waiting))["status"] == "queued"
        await here.run_for(2 * MINUTE)
        assert await succeeded(here, waiting)


async def test_a_suspension_of_the_future_lasts_no_longer_than_it_would_have(open_world: Open) -> None:
    async with open_world() as here:
        here.vendor.always("trigger", 429, {}, retry_after="30")
        await here.accepted()
        here.vendor.well()
        here.clock.step(-HOUR)
        waiting = await here.accepted()
        assert (await here.job(waiting))["waitReason"] == "rate_limited"
        await here.run_for(2 * MINUTE)
        assert await succeeded(here, waiting)


async def test_a_day_is_not_granted_twice_when_the_clock_goes_back_over_midnight(open_world: Open) -> None:
    just_after = datetime(2026, 3, 3, 0, 10, tzinfo=UTC)
    async with open_world(now=just_after, DAILY_EXECUTIONS="2") as here:
        for _ in range(2):
            await here.accepted()
        here.clock.step(-HOUR)
        await here.clock.sleep(2)
        third = await here.accepted()
        job = await here.job(third)
        assert (job["status"], job["estimatedStartAt"]) == ("queued", "2026-03-04T00:00:00.000Z")
        await here.run_for(2 * HOUR)
        assert here.paid == 2


@pytest.mark.parametrize("after", [1, 5])
async def test_prefer_wait_is_not_prolonged(open_world: Open, after: float) -> None:
    async with open_world(run_seconds=(300.0, 300.0)) as here:
        began = elapsed()
        posted = asyncio.create_task(here.http.post("/", json={"prompt": "a cat"}, headers={"Prefer": "wait=10"}))
        await here.clock.sleep(after)
        here.clock.step(-HOUR)
        assert (await posted).status_code == 202
        assert elapsed() - began <= 11


async def test_a_window_is_not_prolonged_and_its_runs_are_polled_as_before(open_world: Open) -> None:
    async with open_world(run_seconds=(30.0, 30.0)) as here:
        job_id = await here.accepted()
        began = elapsed()
        window = asyncio.create_task(here.tick())
        await here.clock.sleep(12)
        here.clock.step(-HOUR)
        counts = await window
        assert elapsed() - began <= 56
        assert counts["stored"] == 1
        assert 0 < counts["seconds"] <= 56
        assert await succeeded(here, job_id)


async def test_the_budget_of_requests_is_not_used_up_for_an_hour(open_world: Open) -> None:
    limits = {"WIREFLOW_PLAN": "free", "EXECUTIONS_PER_MINUTE": "10"}
    async with open_world(run_seconds=(90.0, 90.0), plan="free", **limits) as here:
        job_id = await here.accepted()
        window = asyncio.create_task(here.tick())
        await here.clock.sleep(15)
        here.clock.step(-HOUR)
        await window
        await here.run_for(3 * MINUTE)
        assert await succeeded(here, job_id)


async def test_a_lease_is_renewed_and_keeps_other_pollers_away(open_world: Open) -> None:
    async with open_world(run_seconds=(50.0, 50.0), LEASE_SECONDS="20") as here:
        job_id = await here.accepted()
        window = asyncio.create_task(here.tick())
        await here.clock.sleep(5)
        here.clock.step(-HOUR)
        await here.clock.sleep(25)
        record = await here.record(job_id)
        assert record.due_at is not None
        assert timedelta() < record.due_at - here.clock.now() <= 20 * SECOND
        await window


async def test_a_clock_that_goes_ahead_does_not_end_a_wait(open_world: Open) -> None:
    async with open_world(run_seconds=(6.0, 6.0)) as here:

        def ahead(_call: Call) -> None:
            here.clock.step(MINUTE)

        here.vendor.answer("health", ahead)
        posted = asyncio.create_task(here.http.post("/", json={"prompt": "a cat"}, headers={"Prefer": "wait=20"}))
        window = asyncio.create_task(here.tick())
        await here.clock.sleep(2)
        here.clock.step(MINUTE)
        assert (await posted).json()["status"] == "succeeded"
        await window

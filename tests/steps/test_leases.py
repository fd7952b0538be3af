"""Leases: a job has one worker at a time, however many instances run and however slow the store is."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise

import pytest

from functions.poller.window import Window
from tests.harness.slow import SlowJobs
from tests.harness.virtual_time import VirtualClock
from tests.harness.world import World
from tests.steps.conftest import OpenWorld

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


async def test_a_job_whose_worker_died_is_taken_over_when_its_lease_ends(open_world: OpenWorld) -> None:
    async with open_world(run_seconds=(50.0, 50.0)) as world:
        job_id = await world.accepted()
        window = asyncio.create_task(world.run_window())
        await world.clock.sleep(10)
        window.cancel()  # as if the instance were killed
        await asyncio.gather(window, return_exceptions=True)
        died_at = world.clock.now()
        await world.end_of(job_id)
        taken_over_at = next(at for at in world.vendor.times("poll") + world.vendor.times("details") if at > died_at)
        assert 40 * SECOND <= taken_over_at - died_at <= 2 * MINUTE
        assert (await world.job(job_id))["status"] == "succeeded"


async def test_a_worker_that_lost_its_lease_stops_working_on_the_job(open_world: OpenWorld) -> None:
    async with open_world(run_seconds=(30.0, 30.0)) as world:
        job_id = await world.accepted()
        window = asyncio.create_task(world.run_window())
        await world.clock.sleep(10)
        record = await world.record(job_id)
        await world.store.save(record.evolve(due_at=world.clock.now() + 10 * MINUTE))  # another worker claims it
        await window
        assert (await world.job(job_id))["status"] == "running"
        assert any("Another worker" in line["message"] for line in world.log("window"))


# --- two pollers -------------------------------------------------------------------------------------------------


def too_close(times: list[datetime]) -> list[tuple[datetime, datetime]]:
    """Return the pairs of successive polls of a run that are closer than the schedule of one worker allows."""
    return [(first, second) for first, second in pairwise(sorted(times)) if second - first < SECOND]


@pytest.mark.parametrize("run_seconds", [15.0, 40.0, 200.0])
async def test_two_pollers_never_poll_a_job_under_the_same_lease_or_copy_it_twice(
    open_world: OpenWorld, run_seconds: float
) -> None:
    async with (
        open_world(run_seconds=(run_seconds, run_seconds)) as world,
        open_world(simulator=world.simulator) as other,
    ):
        ids = [await world.accepted(f"cat {n}") for n in range(12)]
        await asyncio.gather(world.end_of(*ids), other.end_of(*ids))
        assert {(await world.job(job_id))["status"] for job_id in ids} == {"succeeded"}
        polls = world.simulator.state.stats.polls
        assert len(polls) == 12
        assert [too_close(times) for times in polls.values() if too_close(times)] == []
        copies: Counter[str] = Counter()
        for instance in (world, other):
            for call in instance.vendor.to("cdn"):
                copies[call.request.url.path] += 1
        assert set(copies.values()) == {1}
        assert len(copies) == 12
        if run_seconds == 15:
            assert all(len(times) <= 6 for times in polls.values()), "each run is followed by one worker"


async def test_two_pollers_share_a_queue_without_exceeding_the_rate_limit_or_paying_twice(
    open_world: OpenWorld,
) -> None:
    limits = {"EXECUTIONS_PER_MINUTE": "10", "WIREFLOW_PLAN": "enterprise"}
    async with (
        open_world(plan="enterprise", **limits) as world,
        open_world(simulator=world.simulator, **limits) as other,
    ):
        ids = [await world.accepted(f"cat {n}") for n in range(12)]
        await asyncio.gather(world.end_of(*ids), other.end_of(*ids))
        stats = await world.simulated("/_stats")
        assert (stats["paidRuns"], stats["maxStartsPerMinute"], stats["rateLimited"]) == (12, 10, 0)
        assert len({run.prompt for run in world.simulator.state.runs.all()}) == 12


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_two_pollers_on_a_slow_store_pay_for_and_copy_each_job_once(open_world: OpenWorld, seed: int) -> None:
    """A call to the store takes up to four seconds each way, so that the calls of both interleave in many orders."""
    wrap = partial(SlowJobs, clock=VirtualClock(), seed=seed)
    async with open_world(wrap=wrap) as world, open_world(simulator=world.simulator, wrap=wrap) as other:
        ids = await asyncio.gather(*(instance.accepted(f"cat {n}") for n in range(10) for instance in (world, other)))
        await asyncio.gather(world.end_of(*ids), other.end_of(*ids))
        assert {(await world.job(job_id))["status"] for job_id in ids} == {"succeeded"}
        assert world.paid == len(world.vendor.to("trigger")) + len(other.vendor.to("trigger")) == 20
        assert len(world.vendor.to("cdn")) + len(other.vendor.to("cdn")) == 20


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
async def test_canceling_a_job_that_is_about_to_start_reports_correctly_whether_it_was_paid_for(
    open_world: OpenWorld, seed: int
) -> None:
    wrap = partial(SlowJobs, clock=VirtualClock(), seconds=1.0, seed=seed)
    async with open_world(wrap=wrap, EXECUTIONS_PER_MINUTE="3") as world:
        ids = [await world.accepted(f"cat {n}") for n in range(6)]
        window = asyncio.create_task(world.run_for(5 * MINUTE))
        await world.clock.sleep(60 + seed)
        responses = await asyncio.gather(*(world.http.delete(f"/jobs/{job_id}") for job_id in ids))
        await window
        paid = {run.prompt for run in world.simulator.state.runs.all()}
        for n, response in enumerate(responses):
            assert response.status_code in {200, 409}
            assert (response.status_code == 409) == (f"cat {n}" in paid)
            assert "The job is queued" not in response.text


async def test_two_concurrent_windows_of_one_instance_copy_each_job_once(world: World) -> None:
    ids = [await world.accepted() for _ in range(10)]
    await asyncio.gather(Window(world.deps).run(), Window(world.deps).run())
    assert {(await world.job(job_id))["status"] for job_id in ids} == {"succeeded"}
    assert len(world.vendor.to("cdn")) == 10

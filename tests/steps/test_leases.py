"""Leases: a job has one worker at a time, however many instances there are and however slow their store is."""

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
from tests.steps.conftest import Open

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


async def test_a_job_whose_worker_died_is_taken_over_when_its_lease_is_over(open_world: Open) -> None:
    async with open_world(run_seconds=(50.0, 50.0)) as here:
        job_id = await here.accepted()
        window = asyncio.create_task(here.run_window())
        await here.clock.sleep(10)
        window.cancel()  # as a kill would end it
        await asyncio.gather(window, return_exceptions=True)
        died = here.clock.now()
        await here.end_of(job_id)
        taken = next(at for at in here.vendor.times("poll") + here.vendor.times("details") if at > died)
        assert 40 * SECOND <= taken - died <= 2 * MINUTE
        assert (await here.job(job_id))["status"] == "succeeded"


async def test_a_worker_that_lost_its_lease_lets_go(open_world: Open) -> None:
    async with open_world(run_seconds=(30.0, 30.0)) as here:
        job_id = await here.accepted()
        window = asyncio.create_task(here.run_window())
        await here.clock.sleep(10)
        record = await here.record(job_id)
        await here.store.save(record.evolve(due_at=here.clock.now() + 10 * MINUTE))  # somebody else claims it
        await window
        assert (await here.job(job_id))["status"] == "running"
        assert any("Another worker" in line["message"] for line in here.log("window"))


# --- two at the same time ------------------------------------------------------------------------------------------


def together(moments: list[datetime]) -> list[tuple[datetime, datetime]]:
    """Polls of one run that came closer to each other than one worker's rhythm has them."""
    return [(one, other) for one, other in pairwise(sorted(moments)) if other - one < SECOND]


@pytest.mark.parametrize("span", [15.0, 40.0, 200.0])
async def test_two_pollers_never_poll_a_job_in_the_same_lease_and_never_copy_twice(
    open_world: Open, span: float
) -> None:
    async with open_world(run_seconds=(span, span)) as here, open_world(simulator=here.simulator) as there:
        ids = [await here.accepted(f"cat {n}") for n in range(12)]
        await asyncio.gather(here.end_of(*ids), there.end_of(*ids))
        assert {(await here.job(job_id))["status"] for job_id in ids} == {"succeeded"}
        polls = here.simulator.state.stats.polls
        assert len(polls) == 12
        assert [together(times) for times in polls.values() if together(times)] == []
        copies: Counter[str] = Counter()
        for place in (here, there):
            for one in place.vendor.to("cdn"):
                copies[one.request.url.path] += 1
        assert set(copies.values()) == {1}
        assert len(copies) == 12
        if span == 15:
            assert all(len(times) <= 6 for times in polls.values()), "each run is followed by one worker"


async def test_two_pollers_drain_one_line_without_passing_the_limit_or_paying_twice(open_world: Open) -> None:
    limits = {"EXECUTIONS_PER_MINUTE": "10", "WIREFLOW_PLAN": "enterprise"}
    async with (
        open_world(plan="enterprise", **limits) as here,
        open_world(simulator=here.simulator, **limits) as there,
    ):
        ids = [await here.accepted(f"cat {n}") for n in range(12)]
        await asyncio.gather(here.end_of(*ids), there.end_of(*ids))
        stats = await here.simulated("/_stats")
        assert (stats["paidRuns"], stats["maxStartsPerMinute"], stats["rateLimited"]) == (12, 10, 0)
        assert len({run.prompt for run in here.simulator.state.runs.all()}) == 12


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_two_pollers_over_a_slow_store_pay_and_copy_each_job_once(open_world: Open, seed: int) -> None:
    """Every order of their calls that a store of up to four seconds a call can bring."""
    wrap = partial(SlowJobs, clock=VirtualClock(), seed=seed)
    async with open_world(wrap=wrap) as here, open_world(simulator=here.simulator, wrap=wrap) as there:
        ids = await asyncio.gather(*(place.accepted(f"cat {n}") for n in range(10) for place in (here, there)))
        await asyncio.gather(here.end_of(*ids), there.end_of(*ids))
        assert {(await here.job(job_id))["status"] for job_id in ids} == {"succeeded"}
        assert here.paid == len(here.vendor.to("trigger")) + len(there.vendor.to("trigger")) == 20
        assert len(here.vendor.to("cdn")) + len(there.vendor.to("cdn")) == 20


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
async def test_who_takes_back_a_job_as_its_turn_comes_is_told_the_truth(open_world: Open, seed: int) -> None:
    wrap = partial(SlowJobs, clock=VirtualClock(), seconds=1.0, seed=seed)
    async with open_world(wrap=wrap, EXECUTIONS_PER_MINUTE="3") as here:
        ids = [await here.accepted(f"cat {n}") for n in range(6)]
        window = asyncio.create_task(here.run_for(5 * MINUTE))
        await here.clock.sleep(60 + seed)
        answers = await asyncio.gather(*(here.http.delete(f"/jobs/{job_id}") for job_id in ids))
        await window
        paid = {run.prompt for run in here.simulator.state.runs.all()}
        for n, reply in enumerate(answers):
            assert reply.status_code in {200, 409}
            assert (reply.status_code == 409) == (f"cat {n}" in paid)
            assert "The job is queued" not in reply.text


async def test_two_windows_of_one_instance_share_nothing_that_breaks(here: World) -> None:
    ids = [await here.accepted() for _ in range(10)]
    await asyncio.gather(Window(here.deps).run(), Window(here.deps).run())
    assert {(await here.job(job_id))["status"] for job_id in ids} == {"succeeded"}
    assert len(here.vendor.to("cdn")) == 10

"""What a waiting job is told about its place and its start."""

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.harness.world import World, moment
from tests.steps.conftest import OpenWorld
from tests.steps.test_callers import AUTH, bearer
from tests.steps.test_fair_queue import post_batch
from tests.steps.test_poison import submit

MINUTE = timedelta(minutes=1)
LIMITED = {**AUTH, "EXECUTIONS_PER_MINUTE": "10"}
WEBHOOK = {"mode": "webhook", "id": "demo-webhook"}
SPENDING = {"WIREFLOW_WORKFLOWS": json.dumps({"default": {**WEBHOOK, "pricePerImage": 0.1}})}


async def test_on_one_instance_the_position_is_exact(open_world: OpenWorld) -> None:
    async with open_world(**LIMITED) as world:
        ids = await post_batch(world, "zap", 40)
        ids += [await submit(world, "ci", f"dog {number}") for number in range(20)]
        ids += [await submit(world, "admin", f"cow {number}") for number in range(5)]
        await check_positions(world, ids, tolerance=2)
        await world.run_for(2 * MINUTE)
        await check_positions(world, ids, tolerance=3)


async def test_a_new_instance_estimates_positions_of_callers_it_does_not_know(open_world: OpenWorld) -> None:
    async with open_world(**LIMITED) as one:
        for caller in ("zap", "ci"):
            await post_batch(one, caller, 100)
        await post_batch(one, "admin", 60)
        async with open_world(simulator=one.simulator, **LIMITED) as two:
            job_id = await submit(two, "zap", "one more")
            ahead = await two.store.count_ahead((await two.record(job_id)).queue_at)
            await two.clock.sleep(10)
            position = (await public(two, job_id))["queuePosition"]
            assert position == pytest.approx(ahead, rel=0.2)


async def test_a_job_that_does_not_wait_in_the_queue_has_no_position(open_world: OpenWorld) -> None:
    async with open_world() as world:
        assert (await world.post()).json()["queuePosition"] is None


SCENARIOS: dict[str, tuple[dict[str, int], dict[str, str]]] = {
    "shares of a minute": ({"zap": 40, "ci": 20, "admin": 8}, {}),
    "executions of a day": ({"zap": 60}, {"DAILY_EXECUTIONS": "50"}),
    "dollars of a day": ({"zap": 30, "ci": 15}, {"DAILY_SPEND_USD": "2"}),
    "dollars of ten minutes": ({"zap": 20, "ci": 10}, {"SPEND_PER_10_MINUTES_USD": "0.7"}),
    "dollars of a caller": ({"zap": 26, "ci": 15}, {"CALLER_LIMITS": '{"zap": {"usdPerDay": 1}}'}),
    "starts of a caller": ({"ci": 15, "zap": 26}, {"CALLER_LIMITS": '{"zap": {"perDay": 10}}'}),
}


@pytest.mark.parametrize(
    ("name", "batch"),
    [
        *((name, False) for name in SCENARIOS),
        *(pytest.param(name, True, marks=pytest.mark.slow) for name in SCENARIOS if name.startswith("dollars")),
    ],
)
async def test_a_job_starts_when_its_estimate_says(open_world: OpenWorld, name: str, batch: bool) -> None:
    callers, settings = SCENARIOS[name]
    async with open_world(run_seconds=(12.0, 20.0), **{**LIMITED, **SPENDING, **settings}) as world:
        ids: list[str] = []
        for caller, count in callers.items():
            ids += (
                await post_batch(world, caller, count) if batch else [await submit(world, caller) for _ in range(count)]
            )
        told: list[tuple[datetime, dict[str, Any]]] = []
        for seconds in (0, 60, 60, 3_600):
            await world.run_for(timedelta(seconds=seconds))
            told += [(world.clock.now(), await public(world, job_id)) for job_id in ids]
        starts = await starts_of(world, ids)
        for at, job in told:
            if job["status"] == "queued":
                began, estimated = starts[job["id"]], moment(job["estimatedStartAt"])
                is_close = abs(began - estimated) <= max(MINUTE, (began - at) * 0.2)
                assert is_close or is_between(began, estimated, starts.values()), (name, at, job, began)


async def starts_of(world: World, ids: list[str]) -> dict[str, datetime]:
    """Run windows until all jobs have started; return when."""

    async def started() -> bool:
        return all([(await world.record(job_id)).started_at for job_id in ids])

    await world.run_until(started, timedelta(hours=70))
    records = [await world.record(job_id) for job_id in ids]
    return {job.id: job.triggered_at for job in records if job.triggered_at}


def is_between(began: datetime, estimated: datetime, starts: Iterable[datetime]) -> bool:
    """Whether an estimate is in the middle of two starts: a place that several callers share is next to a limit."""
    other = estimated + (estimated - began)
    return any(abs(start - other) <= MINUTE for start in starts)


async def public(world: World, job_id: str) -> dict[str, Any]:
    answer = await world.http.get(f"/jobs/{job_id}", headers=bearer("admin"))
    return dict(answer.raise_for_status().json())


async def check_positions(world: World, ids: list[str], tolerance: int) -> None:
    """Compare with the order in which the store would start them."""
    records = [await world.record(job_id) for job_id in ids]
    waiting = [job for job in records if job.queue_at]
    for job in waiting:
        ahead = await world.store.count_ahead(job.queue_at)
        assert abs((await public(world, job.id))["queuePosition"] - 1 - ahead) <= tolerance

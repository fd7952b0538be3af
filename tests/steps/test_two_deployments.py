"""Two deployments with different workflows on one store: each starts what it knows and leaves the rest to the other."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.jobs.documents import MAX_BATCH
from tests.harness.world import World
from tests.steps.conftest import OpenWorld

MINUTE = timedelta(minutes=1)
WORKFLOWS = {
    "pro": {"mode": "execute", "id": "demo-execute", "model": "nano_banana_pro"},
    "saved": {"mode": "run", "id": "demo-saved"},
}
NAMED = {"WIREFLOW_WORKFLOWS": json.dumps(WORKFLOWS)}


async def submit(world, workflow: str, **fields: object) -> str:
    response = await world.http.post("/", json={"prompt": "a cat", "workflow": workflow, **fields})
    assert response.status_code == 202, response.text
    return str(response.json()["id"])


@pytest.fixture(params=["pro", "saved"])
async def waiting(open_world: OpenWorld, request: pytest.FixtureRequest) -> AsyncIterator[tuple[World, str]]:
    """A deployment that knows a workflow, and a job of it that waits until Wireflow responds again."""
    async with open_world(**NAMED) as ours:
        for endpoint in ("execute", "run", "describe"):
            ours.vendor.always(endpoint, 503)
        yield ours, await submit(ours, request.param)


async def test_a_poller_leaves_a_job_to_others_for_an_hour_and_then_fails_it(
    open_world: OpenWorld, waiting: tuple[World, str]
) -> None:
    ours, job_id = waiting
    async with open_world(simulator=ours.simulator) as theirs:
        await theirs.run_for(58 * MINUTE)
        assert (await theirs.job(job_id))["status"] == "queued"
        await theirs.run_for(6 * MINUTE)
        job = await theirs.job(job_id)
        assert (job["status"], job["errorCode"], job["errorCharged"]) == ("failed", "configuration", "no")
        assert "WIREFLOW_WORKFLOWS" in job["errorHint"]
        assert "WIREFLOW_BASE_URL" not in job["errorHint"]
        assert theirs.paid == 0


async def test_a_poller_that_knows_the_workflow_takes_the_job_from_one_that_does_not(
    open_world: OpenWorld, waiting: tuple[World, str]
) -> None:
    ours, job_id = waiting
    ours.vendor.reset()
    async with open_world(simulator=ours.simulator) as theirs:
        await theirs.run_for(20 * MINUTE)
        await asyncio.gather(theirs.run_for(10 * MINUTE), ours.run_for(10 * MINUTE))
        job = await ours.job(job_id)
        assert (job["status"], ours.paid) == ("succeeded", 1)


async def test_jobs_of_unknown_workflows_do_not_hold_up_those_behind_them(open_world: OpenWorld) -> None:
    async with open_world(DAILY_EXECUTIONS="1", **NAMED) as ours:
        await submit(ours, "pro")
        for _ in range(40):
            await submit(ours, "pro")
    async with open_world(simulator=ours.simulator) as theirs:
        job_id = await submit(theirs, "default", aspect_ratio="64:1")
        (job,) = await theirs.end_of(job_id, patience=5 * MINUTE)
        assert job["status"] == "succeeded"


async def test_thousands_of_them_do_not_either(open_world: OpenWorld) -> None:
    async with open_world(DAILY_EXECUTIONS="1", **NAMED) as ours:
        await submit(ours, "pro")
        waiting = await ours.record(await submit(ours, "pro"))
        places = (waiting.queue_at + number * timedelta(microseconds=1) for number in range(1, 4_001))
        copies = [replace(waiting, id=f"{number:032x}", queue_at=place) for number, place in enumerate(places)]
        for start in range(0, len(copies), MAX_BATCH):
            await ours.store.create_all(copies[start : start + MAX_BATCH])
    async with open_world(simulator=ours.simulator) as theirs:
        job_id = await submit(theirs, "default", aspect_ratio="64:1")
        record = await theirs.record(job_id)
        await theirs.store.save(record.placed(copies[-1].queue_at + timedelta(microseconds=1)))
        (job,) = await theirs.end_of(job_id, patience=5 * MINUTE)
        assert job["status"] == "succeeded"

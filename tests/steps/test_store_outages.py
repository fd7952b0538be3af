"""Outages of the job store, short and long: every accepted job ends, and nothing is paid for twice unmarked."""

import asyncio
from collections import Counter
from datetime import timedelta

import httpx
import pytest

from shared.job import Job
from tests.harness.flaky import FlakyJobs
from tests.harness.vendor import Call
from tests.steps.conftest import OpenWorld

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize("share", [0.05, 0.3])
@pytest.mark.parametrize("seed", [1, 2])
async def test_every_accepted_job_succeeds_on_a_store_that_fails_at_random(
    open_world: OpenWorld, seed: int, share: float
) -> None:
    async with open_world(wrap=lambda store: FlakyJobs(store, share, seed), EXECUTIONS_PER_MINUTE="10") as world:
        responses = [await world.post(f"cat {n}", key=f"key-{n}") for n in range(30)]
        assert {response.status_code for response in responses} <= {202, 503}
        await world.run_for(timedelta(hours=2))
        world.store.share = 0
        jobs = [await world.job(response.json()["id"]) for response in responses if response.status_code == 202]
        assert jobs
        assert {job["status"] for job in jobs} == {"succeeded"}
        paid = Counter(run.prompt for run in world.simulator.state.runs.all())
        assert set(paid.values()) == {1}


async def test_a_request_that_is_retried_after_a_503_is_paid_for_once(open_world: OpenWorld) -> None:
    async with open_world(wrap=lambda store: FlakyJobs(store, 0.3)) as world:
        for n in range(20):
            while (await world.post(f"cat {n}", key=f"key-{n}")).status_code == 503:
                await world.clock.sleep(5)
        world.store.share = 0
        await world.run_for(20 * MINUTE)
        paid = Counter(run.prompt for run in world.simulator.state.runs.all())
        assert paid == {f"cat {n}": 1 for n in range(20)}


async def test_no_job_is_lost_in_a_store_outage_longer_than_the_lease(open_world: OpenWorld) -> None:
    async with open_world(wrap=FlakyJobs, run_seconds=(100.0, 100.0)) as world:
        ids = [await world.accepted() for _ in range(3)]
        scheduler = asyncio.create_task(world.run_for(12 * MINUTE))
        await world.clock.sleep(20)
        world.store.share = 1
        await world.clock.sleep(300)
        world.store.share = 0
        await scheduler
        assert {(await world.job(job_id))["status"] for job_id in ids} == {"succeeded"}
        assert (world.paid, len(world.vendor.to("cdn"))) == (3, 3)


async def test_an_outcome_that_could_not_be_stored_is_unknown_and_the_retry_is_marked(open_world: OpenWorld) -> None:
    async with open_world(wrap=FlakyJobs) as world:
        world.store.share, world.store.only = 1, {"save"}
        response = await world.post()
        assert (response.status_code, response.json()["status"]) == (202, "triggering")
        world.store.share = 0
        (job,) = await world.end_of(response.json()["id"])
        assert (job["status"], job["possibleDuplicate"], world.paid) == ("succeeded", True, 1)


async def test_the_outcome_of_a_call_is_stored_even_if_the_gate_cannot_be_updated(open_world: OpenWorld) -> None:
    async with open_world(wrap=FlakyJobs) as world:

        def refuse(_call: Call) -> httpx.Response:
            world.store.share, world.store.only = 1, {"save_gate", "read_gate"}
            return httpx.Response(422, json={"error": "no"})

        world.vendor.answer("trigger", refuse)
        response = await world.post()
        assert (response.status_code, response.json()["errorCode"]) == (202, "invalid_request")


class UnavailableAfterCreate(FlakyJobs):
    """A job store that stores one job and is unavailable from then on."""

    async def create(self, job: Job) -> Job:
        created = await self._inner.create(job)
        self.share = 1
        return created


async def test_the_response_is_202_once_a_job_is_stored(open_world: OpenWorld) -> None:
    """After a 503 the caller would retry, and without an idempotency key pay again."""
    async with open_world(wrap=UnavailableAfterCreate, DAILY_EXECUTIONS="1") as world:
        for _ in range(2):
            world.store.share = 0
            response = await world.post()
            await world.clock.sleep(2)
        assert (response.status_code, response.json()["status"]) == (202, "queued")

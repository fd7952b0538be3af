"""The job store is away for a moment, or for long: what was accepted still ends, and nothing is paid twice unmarked."""

import asyncio
from collections import Counter
from datetime import timedelta

import httpx
import pytest

from shared.job import Job
from tests.harness.flaky import FlakyJobs
from tests.harness.vendor import Call
from tests.steps.conftest import Open

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize("share", [0.05, 0.3])
@pytest.mark.parametrize("seed", [1, 2])
async def test_with_a_store_that_fails_now_and_then_every_accepted_job_succeeds(
    open_world: Open, seed: int, share: float
) -> None:
    async with open_world(wrap=lambda store: FlakyJobs(store, share, seed), EXECUTIONS_PER_MINUTE="10") as here:
        answers = [await here.post(f"cat {n}", key=f"key-{n}") for n in range(30)]
        assert {answer.status_code for answer in answers} <= {202, 503}
        await here.run_for(timedelta(hours=2))
        here.store.share = 0
        jobs = [await here.job(answer.json()["id"]) for answer in answers if answer.status_code == 202]
        assert jobs
        assert {job["status"] for job in jobs} == {"succeeded"}
        paid = Counter(run.prompt for run in here.simulator.state.runs.all())
        assert set(paid.values()) == {1}


async def test_who_sends_again_after_a_503_is_not_charged_twice(open_world: Open) -> None:
    async with open_world(wrap=lambda store: FlakyJobs(store, 0.3)) as here:
        for n in range(20):
            while (await here.post(f"cat {n}", key=f"key-{n}")).status_code == 503:
                await here.clock.sleep(5)
        here.store.share = 0
        await here.run_for(20 * MINUTE)
        paid = Counter(run.prompt for run in here.simulator.state.runs.all())
        assert paid == {f"cat {n}": 1 for n in range(20)}


async def test_a_store_that_is_away_for_longer_than_the_lease_costs_no_job(open_world: Open) -> None:
    async with open_world(wrap=FlakyJobs, run_seconds=(100.0, 100.0)) as here:
        ids = [await here.accepted() for _ in range(3)]
        scheduler = asyncio.create_task(here.run_for(12 * MINUTE))
        await here.clock.sleep(20)
        here.store.share = 1
        await here.clock.sleep(300)
        here.store.share = 0
        await scheduler
        assert {(await here.job(job_id))["status"] for job_id in ids} == {"succeeded"}
        assert (here.paid, len(here.vendor.to("cdn"))) == (3, 3)


async def test_an_outcome_that_cannot_be_recorded_is_unknown_and_marked(open_world: Open) -> None:
    async with open_world(wrap=FlakyJobs) as here:
        here.store.share, here.store.only = 1, {"save"}
        answer = await here.post()
        assert (answer.status_code, answer.json()["status"]) == (202, "triggering")
        here.store.share = 0
        (job,) = await here.end_of(answer.json()["id"])
        assert (job["status"], job["possibleDuplicate"], here.paid) == ("succeeded", True, 1)


async def test_a_gate_that_cannot_be_written_does_not_hide_what_became_of_the_call(open_world: Open) -> None:
    async with open_world(wrap=FlakyJobs) as here:

        def refuse(_call: Call) -> httpx.Response:
            here.store.share, here.store.only = 1, {"save_gate", "read_gate"}
            return httpx.Response(422, json={"error": "no"})

        here.vendor.answer("trigger", refuse)
        answer = await here.post()
        assert (answer.status_code, answer.json()["errorCode"]) == (202, "invalid_request")


class AwayAfterCreate(FlakyJobs):
    """Records a job and is away from then on."""

    async def create(self, job: Job) -> Job:
        created = await self._inner.create(job)
        self.share = 1
        return created


async def test_once_a_job_is_recorded_the_answer_is_202(open_world: Open) -> None:
    """Who is told 503 sends again, and without a key pays again."""
    async with open_world(wrap=AwayAfterCreate, DAILY_EXECUTIONS="1") as here:
        for _ in range(2):
            here.store.share = 0
            answer = await here.post()
            await here.clock.sleep(2)
        assert (answer.status_code, answer.json()["status"]) == (202, "queued")

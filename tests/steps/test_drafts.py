"""The response to `POST /` is prepared while the job is stored, and is that of the job that was stored."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from functions.trigger.routes import submit
from shared.job import Job
from shared.job_states import Status
from shared.ports import JobStore
from shared.steps import accept
from tests.harness import world as harness
from tests.harness.slow import SlowJobs
from tests.harness.virtual_time import VirtualClock
from tests.harness.world import World
from tests.steps.conftest import OpenWorld

SECONDS = 5  # real ones, only if a response is never prepared


class Patient:
    """A job store that stores a job, except before its paid call, only once `prepared` is set."""

    prepared = asyncio.Event()

    def __init__(self, inner: JobStore) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def create(self, job: Job) -> Job:
        if job.status is Status.QUEUED:
            await asyncio.wait_for(self.prepared.wait(), SECONDS)
        return await self._inner.create(job)

    async def save(self, job: Job) -> Job:
        await asyncio.wait_for(self.prepared.wait(), SECONDS)
        return await self._inner.save(job)


class SlowToCreate(SlowJobs):
    """A job store that takes longer to create a job than to read."""

    async def create(self, job: Job) -> Job:
        await self._clock.sleep(0.3)
        return await self._inner.create(job)


def slow(store: JobStore) -> SlowToCreate:
    return SlowToCreate(store, VirtualClock(), seconds=0.1)


@pytest.mark.parametrize("status", ["queued", "running"])
async def test_the_response_is_prepared_once_while_the_job_is_stored(
    open_world: OpenWorld, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    made, prepare = [], submit.job_response

    async def job_response(*arguments: Any, **options: Any) -> Any:
        response = await prepare(*arguments, **options)
        made.append(response)
        Patient.prepared.set()
        return response

    monkeypatch.setattr(Patient, "prepared", asyncio.Event())
    monkeypatch.setattr(submit, "job_response", job_response)
    async with open_world(wrap=Patient, EXECUTIONS_PER_MINUTE="1") as world:
        if status == "queued":
            await world.accepted("takes the only start of this minute")
            await world.accepted("waits, so that the queue is known")
            Patient.prepared.clear()
            made.clear()
        job = (await world.post("a dog")).json()
        assert job["status"] == status
        assert len(made) == 1
        known = await world.job(job["id"])
        assert {**job, "estimatedStartAt": None} == {**known, "estimatedStartAt": None}


async def accepted_later(world: World, prompt: str) -> None:
    """Submit a prompt; a hundredth of a second later than the one before, so that its job is the newest one."""
    await world.clock.sleep(0.01)
    await world.accepted(prompt)


async def test_what_other_instances_have_queued_meanwhile_is_in_the_response(
    tmp_path: Path, open_world: OpenWorld
) -> None:
    settings = {"EXECUTIONS_PER_MINUTE": "10"}
    async with open_world(**settings) as one:
        for number in range(40):
            await accepted_later(one, f"cat {number}")
        async with harness.world(tmp_path, simulator=one.simulator, wrap=slow, **settings) as two:
            first = (await two.post("on an instance that knows nothing")).json()
            assert first["queuePosition"] == (await two.job(first["id"]))["queuePosition"] > 25
            for number in range(100):
                await accepted_later(one, f"dog {number}")
            await one.clock.sleep(30)
            later = (await two.post("after 100 on the other one")).json()
            assert later["queuePosition"] == (await two.job(later["id"]))["queuePosition"] > 100


async def test_the_queue_is_not_read_while_a_job_with_a_place_is_not_stored(
    open_world: OpenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slowly(*_arguments: Any) -> list[Any]:
        await world.clock.sleep(2)
        return []

    async with open_world(wrap=slow, EXECUTIONS_PER_MINUTE="1") as world:
        await world.accepted("takes the only start of this minute")
        await world.clock.sleep(3)
        with monkeypatch.context() as patched:
            patched.setattr(accept, "store_inputs", slowly)
            assert (await world.post("slow")).json()["status"] == "queued"
        assert (await world.post("next")).json()["queuePosition"] == 2

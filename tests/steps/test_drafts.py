"""The response to `POST /` is prepared while the job is stored, and is that of the job that was stored."""

import asyncio
from typing import Any

import pytest

from functions.trigger.routes import submit
from shared.job import Job
from shared.job_states import Status
from shared.ports import JobStore
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
            Patient.prepared.clear()
            made.clear()
        job = (await world.post("a dog")).json()
        assert job["status"] == status
        assert len(made) == 1
        known = await world.job(job["id"])
        assert {**job, "estimatedStartAt": None} == {**known, "estimatedStartAt": None}

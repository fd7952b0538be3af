"""Workflows that continue one another, and jobs that do, for tests of chains."""

import json
from typing import Any

import httpx

from shared.job import Job
from shared.ports import JobStore
from shared.store_errors import StoreUnavailable
from tests.harness.world import World

WORKFLOWS = json.dumps(
    {
        "default": {"mode": "webhook", "id": "demo-webhook", "pricePerImage": 0.04},
        "draft": {"mode": "webhook", "id": "demo-webhook", "pricePerImage": 0.04},
        "best": {"mode": "execute", "id": "demo-execute", "model": "nano_banana_pro", "pricePerImage": 0.2},
        "lite": {"mode": "execute", "id": "demo-execute", "model": "nano_banana_2_lite", "pricePerImage": 0.1},
        "saved": {"mode": "run", "id": "demo-saved", "pricePerImage": 0.2},
    }
)
SETTINGS = {"WIREFLOW_WORKFLOWS": WORKFLOWS}


async def inputs(world: World) -> list[str | None]:
    return [run["input"] for run in (await world.simulated("/_runs"))["runs"]]


async def finished(world: World, **fields: Any) -> dict[str, Any]:
    (job,) = await world.end_of(await world.accepted(**fields))
    assert job["status"] == "succeeded"
    return job


async def continued(world: World, job_id: str, key: str | None = None, **fields: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await world.http.post(f"/jobs/{job_id}/next", json={"workflow": "best", **fields}, headers=headers)


async def next_of(world: World, job_id: str) -> dict[str, Any]:
    (next_id,) = (await world.job(job_id))["nextJobs"]
    (job,) = await world.end_of(next_id)
    return job


class BrokenSaves:
    """A job store in which some jobs cannot be saved any more, or no job can be created."""

    def __init__(self, inner: JobStore) -> None:
        self._inner = inner
        self.broken: set[str] = set()  # ids
        self.creates = True
        self._at: tuple[str, str] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def break_at(self, job_id: str, lost: str) -> None:
        """As soon as the job has succeeded, lose its next save, or the creation of the next job."""
        self._at = (job_id, lost)

    async def create(self, job: Job) -> Job:
        if not self.creates:
            raise StoreUnavailable("lost")
        return await self._inner.create(job)

    async def save(self, job: Job) -> Job:
        if job.id in self.broken:
            raise StoreUnavailable("lost")
        saved = await self._inner.save(job)
        if self._at and job.id == self._at[0] and job.finished:
            self.broken, self.creates = ({job.id}, True) if self._at[1] == "save" else (set(), False)
            self._at = None
        return saved

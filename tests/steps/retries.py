"""A retry, and a job that can be retried, for tests of retries."""

from datetime import timedelta
from typing import Any

import httpx

from tests.harness.world import World

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


async def retry(world: World, job_id: str, attempt: int = 1, **fields: Any) -> httpx.Response:
    return await world.http.post(f"/jobs/{job_id}/retry", json={"confirm": True, "attempt": attempt, **fields})


async def failed_job(world: World, fault: str = "failed", prompt: str = "a cat", **fields: Any) -> str:
    """Return the id of a job whose first run failed; the next one succeeds."""
    await world.simulated("/_faults", fault=fault, times=1)
    response = await world.post(prompt, **fields)
    (job,) = await world.end_of(response.json()["id"])
    assert job["status"] == "failed", job
    return str(job["id"])

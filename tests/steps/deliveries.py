"""The state of a receiver, and windows until a job has nothing left to tell, for tests of deliveries."""

from datetime import timedelta

import pytest

from tests.harness.world import World

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


async def callback(world: World, job_id: str, index: int = 0) -> dict[str, object]:
    """Return the public state of one receiver of a job."""
    return dict((await world.job(job_id))["callbacks"][index])


async def run_until_settled(world: World, job_id: str) -> None:
    """Run a window whenever the job is due, until nothing is left to do."""
    for _ in range(100):
        if (due_at := (await world.record(job_id)).due_at) is None:
            return
        await world.clock.sleep((due_at - world.clock.now()).total_seconds())
        await world.run_window()
    pytest.fail("the job is still due")

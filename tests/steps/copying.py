"""Jobs whose images cannot be downloaded, for tests of copies."""

from collections.abc import Callable

import httpx

from tests.harness.vendor import Call
from tests.harness.world import World

Responder = Callable[[Call], httpx.Response | None]


def status(code: int, only: str = "") -> Responder:
    """Respond with this status to every file, or to those whose path ends with `only`."""
    return lambda call: httpx.Response(code) if call.request.url.path.endswith(only) else None


async def copying_job(world: World, **fields: object) -> str:
    """Return the id of a job that is copying: its run has ended, and its images cannot be downloaded yet."""
    job_id = await world.accepted(**fields)
    await world.run_window()
    assert (await world.job(job_id))["status"] == "copying"
    return job_id


def gone(world: World) -> None:
    """Let both routes to the images respond with 404."""
    world.vendor.answer("cdn", status(404))
    world.vendor.answer("download", status(404))

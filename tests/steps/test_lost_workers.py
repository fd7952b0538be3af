"""A job that kills its worker: it runs alone, then not at all, and takes no other job along."""

import asyncio
from datetime import timedelta

import httpx
import pytest

from shared.job_states import Status
from tests.harness.vendor import Call
from tests.harness.world import World
from tests.steps.conftest import OpenWorld

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


class Killed(BaseException):
    """What a SIGKILL looks like to a window: nothing of the worker is left."""


async def run_windows_with_kills(world: World, minutes: int) -> None:
    """Call the poller once a minute; a window in which the poison job is polled dies at that moment."""
    for _ in range(minutes):
        window = asyncio.create_task(world.run_window())
        while not window.done() and not world.killed.is_set():  # type: ignore[attr-defined]
            await world.clock.sleep(0.1)
        if world.killed.is_set():  # type: ignore[attr-defined]
            window.cancel()
            await asyncio.gather(window, return_exceptions=True)
            world.killed.clear()  # type: ignore[attr-defined]
        await world.clock.sleep(60 - world.clock.monotonic() % 60)


async def poison(world: World, job_id: str) -> list[int]:
    """Kill the worker whenever it polls this job; return how many other jobs were held each time."""
    world.killed = asyncio.Event()  # type: ignore[attr-defined]
    execution_id = (await world.record(job_id)).execution_id
    polled: list[int] = []

    async def script(call: Call) -> httpx.Response | None:
        if call.endpoint in ("poll", "details") and str(execution_id) in str(call.request.url):
            polled.append(len(world.vendor.calls))
            world.killed.set()  # type: ignore[attr-defined]
            await world.clock.sleep(60)
        return None

    world.vendor.script = script
    return polled


async def test_a_job_that_kills_its_worker_fails_after_five_claims(open_world: OpenWorld) -> None:
    async with open_world(LEASE_SECONDS="20") as world:
        job_id = await world.accepted("poison")
        kills = await poison(world, job_id)
        await run_windows_with_kills(world, 12)
        job = await world.job(job_id)
        assert (job["status"], job["errorCode"], job["errorCharged"]) == ("failed", "worker_lost", "unknown")
        assert job["errorRetryable"] is False
        assert len(kills) == 5
        assert (await world.record(job_id)).due_at is None


async def test_it_takes_no_other_job_along(open_world: OpenWorld) -> None:
    async with open_world(LEASE_SECONDS="20", run_seconds=(5.0, 5.0)) as world:
        job_id = await world.accepted("poison")
        others = [await world.accepted(f"cat {n}") for n in range(10)]
        await poison(world, job_id)
        await run_windows_with_kills(world, 12)
        assert {(await world.job(other))["status"] for other in others} == {"succeeded"}
        assert (await world.job(job_id))["errorCode"] == "worker_lost"
        assert world.paid == 11


async def test_after_three_claims_it_runs_alone(open_world: OpenWorld) -> None:
    async with open_world(run_seconds=(300.0, 300.0)) as world:
        suspect, other = await world.accepted("suspect"), await world.accepted("other")
        record = await world.record(suspect)
        await world.store.save(record.evolve(claims=3))
        await world.clock.sleep(2)
        executions = {(await world.record(job_id)).execution_id: job_id for job_id in (suspect, other)}
        await world.run_window()
        polled = [executions[str(call.request.url).split("/")[-2]] for call in world.vendor.to("poll")]
        assert polled[0] == suspect
        assert other in polled
        last = len(polled) - 1 - polled[::-1].index(suspect)
        assert other not in polled[: min(last, 1)]
        assert (await world.record(suspect)).claims is None, "a job that makes progress is no suspect"


@pytest.mark.parametrize("claims", [3, 4])
async def test_a_suspect_that_makes_progress_succeeds(open_world: OpenWorld, claims: int) -> None:
    async with open_world() as world:
        ids = [await world.accepted(f"cat {n}") for n in range(5)]
        for job_id in ids:
            await world.store.save((await world.record(job_id)).evolve(claims=claims))
        jobs = await world.end_of(*ids, patience=10 * MINUTE)
        assert {job["status"] for job in jobs} == {"succeeded"}


async def test_every_claim_counts_and_any_other_write_resets_the_count(open_world: OpenWorld) -> None:
    async with open_world(LEASE_SECONDS="20", run_seconds=(45.0, 45.0)) as world:
        job_id = await world.accepted()
        window = asyncio.create_task(world.run_window())
        await world.clock.sleep(3)
        assert (await world.record(job_id)).claims == 1
        await world.clock.sleep(30)
        assert (await world.record(job_id)).claims == 1, "a renewal is no progress"
        await window
        assert (await world.record(job_id)).claims is None


@pytest.mark.parametrize(
    ("status", "charged"),
    [(Status.RUNNING, "unknown"), (Status.COPYING, "yes")],
)
async def test_what_was_stored_stays_and_the_charge_is_what_is_known(
    open_world: OpenWorld, status: Status, charged: str
) -> None:
    async with open_world(run_seconds=(2.0, 2.0)) as world:
        job_id = await world.accepted(count=2)
        if status is Status.COPYING:
            world.vendor.answer("cdn", lambda call: httpx.Response(503) if "1." in call.request.url.path[-6:] else None)
            await world.run_window()
        record = await world.record(job_id)
        assert record.status is status
        await world.store.save(record.evolve(claims=5, due_at=world.clock.now()))
        await world.run_window()
        job = await world.job(job_id)
        assert (job["errorCode"], job["errorCharged"]) == ("worker_lost", charged)
        assert job["imageCount"] == sum(image.name is not None for image in record.images)


# --- faults of ours ------------------------------------------------------------------------------------------------


async def test_an_image_that_was_stored_before_another_one_raised_is_recorded(open_world: OpenWorld) -> None:
    async with open_world() as world:
        job_id = await world.accepted(count=2)

        def fail(call: Call) -> httpx.Response | None:
            if call.request.url.path.endswith("/1.png"):
                return None
            return None

        world.vendor.answer("cdn", fail)
        stored = world.deps.images.write

        def write(name: str, image: object, *details: object) -> None:
            if name.split("/")[-1].startswith("1."):
                raise RuntimeError("a bug")
            stored(name, image, *details)  # type: ignore[arg-type]

        world.deps.images.write = write  # type: ignore[method-assign]
        await world.run_window()
        record = await world.record(job_id)
        assert record.status is Status.COPYING
        assert [bool(image.name) for image in record.images] == [True, False]
        world.deps.images.write = stored  # type: ignore[method-assign]
        (job,) = await world.end_of(job_id)
        assert (job["status"], job["imageCount"]) == ("succeeded", 2)


async def test_a_copy_that_always_raises_fails_after_24_hours(open_world: OpenWorld) -> None:
    async with open_world() as world:
        job_id = await world.accepted()

        def write(_name: str, _image: object) -> None:
            raise RuntimeError("a bug")

        world.deps.images.write = write  # type: ignore[method-assign]
        began = world.clock.now()
        (job,) = await world.end_of(job_id)
        assert (job["status"], job["errorCode"], job["errorCharged"]) == ("failed", "copy_failed", "yes")
        assert 24 * HOUR <= world.clock.now() - began <= 25 * HOUR


async def test_a_poll_that_always_raises_times_out_at_its_deadline(open_world: OpenWorld) -> None:
    async with open_world(RUN_DEADLINE_SECONDS="1200") as world:

        def explode(_call: Call) -> httpx.Response:
            raise RuntimeError("a bug")

        job_id = await world.accepted()
        world.vendor.answer("poll", explode)
        world.vendor.answer("details", explode)
        began = world.clock.now()
        (job,) = await world.end_of(job_id, patience=HOUR)
        assert job["errorCode"] == "timed_out"
        assert 20 * MINUTE <= world.clock.now() - began <= 26 * MINUTE

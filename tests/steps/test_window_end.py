"""The end of a window: nothing starts after it, nothing waits beyond it, and no kind of work starves another."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from shared.job import Job
from shared.job_states import Status
from shared.ports import JobStore
from shared.steps import control
from tests.harness.receivers import Receiver
from tests.harness.slow import SlowJobs
from tests.harness.vendor import Call
from tests.harness.virtual_time import VirtualClock
from tests.harness.world import SMALL, World
from tests.images.sample_images import encoded
from tests.steps.conftest import OpenWorld
from tests.steps.test_callers import AUTH, SHOP, bearer

CAT = encoded("png", 40, 30)
LENGTH = 10.0


def elapsed() -> float:
    return asyncio.get_running_loop().time()


def trickling(world: World, host: str, seconds: float = 5.0) -> None:
    """The site sends a piece of an image every few seconds, for hours."""

    async def pieces() -> AsyncIterator[bytes]:
        yield CAT[:100]
        for _ in range(1_000):
            await world.clock.sleep(seconds)
            yield b"\0"

    world.vendor.sites[host] = lambda _request: httpx.Response(200, content=pieces())


async def post_image(world: World, host: str, headers: dict[str, str] | None = None) -> str:
    fields = {"prompt": "a cat", **SMALL, "image1": f"https://{host}/cat.png"}
    answer = await world.http.post("/", json=fields, headers=headers)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


@pytest.mark.parametrize("jobs", [1, 6, 30])
async def test_input_images_that_trickle_end_with_the_window(open_world: OpenWorld, jobs: int) -> None:
    async with open_world(POLL_WINDOW_SECONDS=str(LENGTH), run_seconds=(4.0, 4.0)) as world:
        trickling(world, "slow.test")
        slow = [await post_image(world, "slow.test") for _ in range(jobs)]
        ours = [await world.accepted(f"cat {n}") for n in range(10)]
        began = elapsed()
        counts = await world.run_window()
        assert elapsed() - began <= LENGTH + 0.5
        assert counts["stored"] == 10
        assert {(await world.job(job_id))["status"] for job_id in ours} == {"succeeded"}
        for job_id in slow:
            record = await world.record(job_id)
            assert record.due_at is not None
            assert record.due_at <= world.clock.now() + timedelta(seconds=11), "it is handed back at once"


@pytest.mark.parametrize("jobs", [8, 30, 100])
async def test_input_images_of_one_caller_that_trickle_delay_no_other_caller(open_world: OpenWorld, jobs: int) -> None:
    async with open_world(**AUTH, FORM_PER_MINUTE="0", run_seconds=(2.0, 2.0)) as world:
        trickling(world, "slow.test", 1.0)
        world.vendor.sites["fast.test"] = lambda _request: httpx.Response(200, content=CAT)
        for _ in range(jobs):
            await post_image(world, "slow.test", {"Origin": SHOP})
        window = asyncio.create_task(world.run_window())
        await world.clock.sleep(5)
        job_id = await post_image(world, "fast.test", bearer("zap"))
        await world.clock.sleep(10)
        assert (await world.record(job_id)).status == "succeeded"
        await window


async def test_slow_copies_of_one_caller_delay_no_other_caller(open_world: OpenWorld) -> None:
    async with open_world(**AUTH, FORM_PER_MINUTE="0", slow_seconds=60.0, run_seconds=(2.0, 2.0)) as world:
        for n in range(20):
            fields = {"prompt": f"cat {n} [fault:trickle]", **SMALL}
            assert (await world.http.post("/", json=fields, headers={"Origin": SHOP})).status_code == 202
        window = asyncio.create_task(world.run_window())
        await world.clock.sleep(10)
        answer = await world.http.post("/", json={"prompt": "a dog", **SMALL}, headers=bearer("zap"))
        await world.clock.sleep(10)
        assert (await world.record(answer.json()["id"])).status == "succeeded"
        await window


async def test_an_input_image_has_20_s(open_world: OpenWorld) -> None:
    async with open_world() as world:
        trickling(world, "slow.test")
        job_id = await post_image(world, "slow.test")
        window = asyncio.create_task(world.run_window())
        await world.clock.sleep(19)
        assert (await world.job(job_id))["waitReason"] is None
        await world.clock.sleep(3)
        assert (await world.job(job_id))["waitReason"] == "input_image_unavailable"
        await window


async def test_an_upload_that_hangs_ends_with_the_window(open_world: OpenWorld) -> None:
    async with open_world(POLL_WINDOW_SECONDS=str(LENGTH)) as world:
        world.vendor.sites["fast.test"] = lambda _request: httpx.Response(200, content=CAT)

        async def hang(call: object) -> httpx.Response | None:
            if getattr(call, "endpoint", "") == "upload":
                await world.clock.sleep(50)
            return None

        world.vendor.script = hang
        await post_image(world, "fast.test")
        began = elapsed()
        await world.run_window()
        assert elapsed() - began <= LENGTH + 0.5


async def test_no_copy_starts_after_the_window_and_one_that_has_begun_is_finished(open_world: OpenWorld) -> None:
    settings = {"POLL_WINDOW_SECONDS": "8", "slow_seconds": 30.0, "run_seconds": (2.0, 2.0)}
    async with open_world(**settings) as world:
        ids = [await world.accepted(f"cat {n} [fault:trickle]") for n in range(10)]
        began = world.clock.now()
        await world.run_window()
        copies = [at - began for at in world.vendor.times("cdn")]
        assert copies
        assert max(copies) <= timedelta(seconds=8)
        stored = [job_id for job_id in ids if (await world.job(job_id))["status"] == "succeeded"]
        assert len(stored) == len(copies) < 10
        waiting = [await world.record(job_id) for job_id in ids if job_id not in stored]
        assert {(job.status, job.copy_tries) for job in waiting} == {("copying", 0)}


SLOW_COPY = {"POLL_WINDOW_SECONDS": "10", "slow_seconds": 200.0, "run_seconds": (2.0, 2.0)}


async def test_jobs_start_are_copied_and_are_notified_while_an_earlier_copy_goes_on(open_world: OpenWorld) -> None:
    async with open_world(wake_ups=True, **SLOW_COPY) as world:
        receiver = Receiver(world, "receiver.test")
        slow = await world.accepted("a cat [fault:trickle]")
        first_call = asyncio.create_task(world.call_poller())
        for count in range(1, 8):
            await world.clock.sleep(5)
            other = await world.accepted(callbackUrl=receiver.url)
            await world.clock.sleep(15)
            assert (await world.record(other)).status == "succeeded"
            assert len(receiver.deliveries) == count
        assert (await world.record(slow)).status == "copying"
        await first_call
        assert (await world.record(slow)).status == "succeeded"
        assert len(world.vendor.to("cdn")) == 8, "no image was downloaded twice"


async def test_a_window_begins_every_minute_although_the_schedulers_call_waits_for_a_copy(
    open_world: OpenWorld,
) -> None:
    async with open_world(wake_ups=True, **SLOW_COPY) as world:
        await world.accepted("a cat [fault:trickle]")
        await world.call_poller()
        assert len(world.log("window")) >= 4


async def test_the_copies_that_windows_have_left_share_the_slots_of_the_instance(open_world: OpenWorld) -> None:
    async with open_world(wake_ups=True, **AUTH, **SLOW_COPY) as world:
        for n in range(6):
            for caller in ("zap", "ci"):
                fields = {"prompt": f"cat {n} [fault:trickle]", **SMALL}
                assert (await world.http.post("/", json=fields, headers=bearer(caller))).status_code == 202
        await world.clock.sleep(150)
        assert len(world.log("window")) >= 2, "more windows have begun"
        assert len(world.vendor.to("cdn")) == 4, "as many as this instance has slots"


async def test_a_claim_that_comes_back_after_the_end_starts_nothing(open_world: OpenWorld) -> None:
    def wrap(store: object) -> SlowJobs:
        return SlowJobs(store, VirtualClock(), seconds=4.0, seed=3)  # type: ignore[arg-type]

    async with open_world(wrap=wrap, POLL_WINDOW_SECONDS="5", run_seconds=(4.0, 4.0)) as world:
        for n in range(10):
            await world.accepted(f"cat {n}")
        await world.clock.sleep(20)
        began = world.clock.now()
        await world.run_window()
        asked = world.vendor.times("poll") + world.vendor.times("cdn")
        assert max(asked, default=began) - began <= timedelta(seconds=5)


class _LateClaims:
    """A store whose response to a claim for the paid call takes three seconds."""

    def __init__(self, inner: JobStore) -> None:
        self._inner, self.seconds = inner, 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def save(self, job: Job) -> Job:
        saved = await self._inner.save(job)
        if job.status is Status.TRIGGERING:
            await asyncio.sleep(self.seconds)
        return saved


async def test_a_job_that_was_claimed_too_late_goes_back_to_the_queue(open_world: OpenWorld) -> None:
    def wrap(store: JobStore) -> JobStore:
        return cast(JobStore, _LateClaims(store))

    async with open_world(wrap=wrap, POLL_WINDOW_SECONDS="4", EXECUTIONS_PER_MINUTE="1") as world:
        ids = [await world.accepted("first"), await world.accepted("second")]
        await world.clock.sleep(59.5)  # the second may start two seconds before the end of the window
        cast(_LateClaims, world.store).seconds = 3.0
        await world.run_window()
        assert len(world.vendor.to("trigger")) == 1
        assert (await world.job(ids[1]))["status"] == "queued"
        cast(_LateClaims, world.store).seconds = 0.0
        await world.run_window()
        assert len(world.vendor.to("trigger")) == 2, "its slot was released"
        jobs = await world.end_of(*ids)
        assert [(job["status"], job["possibleDuplicate"]) for job in jobs] == [("succeeded", False)] * 2


@pytest.mark.parametrize("outage", [503, 502])
async def test_a_health_call_that_hangs_ends_with_the_window(open_world: OpenWorld, outage: int) -> None:
    async with open_world(POLL_WINDOW_SECONDS="8", LEASE_SECONDS="20") as world:
        world.vendor.always("trigger", outage)
        await world.post()
        world.vendor.reset()
        await world.clock.sleep(21)
        await world.simulated("/_faults", fault="hang", **{"for": "health"})
        began = elapsed()
        await world.run_window()
        assert elapsed() - began <= 8.5


async def test_polls_come_before_requests_that_prepare_jobs(open_world: OpenWorld, tmp_path: Path) -> None:
    """On a plan of ten requests a minute, ten input images would use up all that a paid run needs."""
    workflows = {"pro": {"mode": "execute", "id": "demo-execute", "model": "nano_banana_pro"}}
    limits = {"WIREFLOW_PLAN": "free", "WIREFLOW_WORKFLOWS": json.dumps(workflows)}
    async with open_world(run_seconds=(14.0, 14.0), plan="free", EXECUTIONS_PER_MINUTE="10", **limits) as world:
        world.vendor.sites["fast.test"] = lambda _request: httpx.Response(200, content=CAT)
        paid = [await world.accepted(f"cat {n}") for n in range(2)]
        for _ in range(12):
            answer = await world.http.post(
                "/", json={"prompt": "x", "workflow": "pro", "image1": "https://fast.test/cat.png"}
            )
            assert answer.status_code == 202
        await world.run_for(timedelta(minutes=3))
        done = [await world.job(job_id) for job_id in paid]
        assert {job["status"] for job in done} == {"succeeded"}


async def test_a_paid_call_that_takes_long_goes_on_beside_the_next_window(open_world: OpenWorld) -> None:
    async with open_world(POLL_WINDOW_SECONDS="10", EXECUTIONS_PER_MINUTE="10", run_seconds=(5.0, 5.0)) as world:

        async def slow(call: Call) -> None:
            if call.endpoint == "trigger" and "slow" in call.prompt:
                await world.clock.sleep(29)

        world.vendor.script = slow
        await control.pause(world.deps)
        slow_id = await world.accepted("slow")
        await control.resume(world.deps)
        first = asyncio.create_task(world.call_poller())
        await world.clock.sleep(9)
        other = await world.accepted("cat")
        await world.clock.sleep(5)
        await world.call_poller()
        assert (await world.record(other)).status == "succeeded"
        assert (await world.record(slow_id)).status == "triggering"
        await first
        (job,) = await world.end_of(slow_id)
        assert (job["status"], job["possibleDuplicate"], world.paid) == ("succeeded", False, 2)

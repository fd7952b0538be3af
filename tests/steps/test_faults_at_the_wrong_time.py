"""Faults at the worst moment of a step: between the writes of a start, during a poll, while an outcome is stored."""

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.ports import JobStore
from shared.steps import control
from shared.store_errors import StoreUnavailable
from tests.harness.flaky import FlakyJobs
from tests.harness.vendor import Call
from tests.harness.world import World
from tests.steps.conftest import OpenWorld

MINUTE = timedelta(minutes=1)
Before = Callable[[str, tuple[Any, ...]], Awaitable[None]]


class Watched:
    """A job store; `before` is called with the name and the arguments of each call, and may raise."""

    def __init__(self, inner: JobStore) -> None:
        self.before: Before | None = None
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            if self.before:
                await self.before(name, args)
            return await method(*args, **kwargs)

        return method if name == "close" else call


def watched(world: World) -> Watched:
    assert isinstance(world.store, Watched)
    return world.store


async def queue(world: World, count: int) -> list[str]:
    """Return the ids of jobs that are in the queue when the gate opens."""
    await control.pause(world.deps)
    ids = [await world.accepted(f"cat {number}") for number in range(count)]
    await control.resume(world.deps)
    return ids


async def last_end(world: World, ids: list[str]) -> datetime:
    """Return when the last of these jobs became final; all of them must be."""
    ends = [(await world.record(job_id)).completed_at for job_id in ids]
    assert all(ends)
    return max(filter(None, ends))


@pytest.mark.parametrize("policy", ["retry", "hold"])
async def test_claimed_jobs_are_sent_even_if_the_gate_fails_after_the_claims(
    open_world: OpenWorld, policy: str
) -> None:
    async with open_world(wrap=Watched, EXECUTIONS_PER_MINUTE="10", ON_UNKNOWN=policy) as world:
        ids = await queue(world, 4)
        claimed, failed = [], []

        async def slow_claims_then_no_gate(name: str, args: tuple[Any, ...]) -> None:
            if name == "save" and args[0].status == "triggering" and args[0].claims:
                await world.clock.sleep(1.2)  # the known state of the gate is too old then
                claimed.append(args[0].id)
            elif name == "read_gate" and claimed and not failed:
                failed.append(name)
                raise StoreUnavailable(name)

        watched(world).before = slow_claims_then_no_gate
        await world.run_for(10 * MINUTE)
        jobs = [await world.job(job_id) for job_id in ids]
        assert failed
        assert [(job["status"], job["possibleDuplicate"]) for job in jobs] == [("succeeded", False)] * 4
        assert world.paid == 4


async def test_a_job_that_cannot_be_read_delays_no_other(open_world: OpenWorld) -> None:
    async with open_world(wrap=Watched, run_seconds=(15.0, 15.0)) as world:
        first, *others = [await world.accepted(f"cat {number}") for number in range(10)]
        began = world.clock.now()

        async def fail(name: str, args: tuple[Any, ...]) -> None:
            if name == "get" and args[0] == first:
                raise StoreUnavailable(name)

        watched(world).before = fail
        await world.run_for(2 * MINUTE)
        assert await last_end(world, others) - began < timedelta(seconds=25)


async def test_an_unexpected_exception_in_a_scan_cancels_no_paid_call(open_world: OpenWorld) -> None:
    async with open_world(wrap=Watched, EXECUTIONS_PER_MINUTE="10") as world:
        ids, failed = await queue(world, 4), []

        async def slow(call: Call) -> httpx.Response | None:
            if call.endpoint == "trigger":
                await world.clock.sleep(6)
            return None

        async def fail_once(name: str, _args: tuple[Any, ...]) -> None:
            if name == "due" and world.vendor.to("trigger") and not failed:
                failed.append(name)
                raise ValueError("a fault of ours")

        world.vendor.script, watched(world).before = slow, fail_once
        await world.run_for(6 * MINUTE)
        jobs = [await world.job(job_id) for job_id in ids]
        assert failed
        assert [(job["status"], job["possibleDuplicate"]) for job in jobs] == [("succeeded", False)] * 4
        assert "A scan failed" in str([line["message"] for line in world.log("internal_error")])


async def test_a_gate_of_a_newer_version_starts_no_job_and_stops_no_run(open_world: OpenWorld, tmp_path: Path) -> None:
    async with open_world(run_seconds=(15.0, 15.0)) as world:
        running = await world.accepted()
        await control.pause(world.deps)
        with sqlite3.connect(tmp_path / "jobs.db") as database:
            (text,) = database.execute("SELECT document FROM control WHERE id = 'wireflow'").fetchone()
            gate = json.loads(text)
            gate["closure"]["reason"] = "reason_of_a_newer_version"
            database.execute(
                "UPDATE control SET document = ?, version = version + 1 WHERE id = 'wireflow'", [json.dumps(gate)]
            )
        database.close()
        await world.clock.sleep(2)
        response = await world.post()
        assert (response.status_code, response.json()["status"]) == (202, "queued")
        await world.run_for(2 * MINUTE)
        assert (await world.job(running))["status"] == "succeeded"
        assert world.paid == 1
        assert "UnreadableGate" in str(world.log("internal_error")), "the operator is told"


async def test_a_poll_counts_even_if_the_gate_cannot_be_written(open_world: OpenWorld) -> None:
    async with open_world(wrap=FlakyJobs, run_seconds=(15.0, 15.0)) as world:
        ids = [await world.accepted(f"cat {number}") for number in range(5)]
        began = world.clock.now()
        world.vendor.answer("poll", lambda _call: httpx.Response(401) if world.clock.monotonic() < 10 else None)
        window = asyncio.create_task(world.run_for(2 * MINUTE))
        await world.clock.sleep(9)
        world.store.share, world.store.only = 1, {"save_gate"}
        await window
        assert await last_end(world, ids) - began < timedelta(seconds=40)


async def test_a_definite_refusal_outlives_an_outage_of_the_store(open_world: OpenWorld) -> None:
    async with open_world(wrap=FlakyJobs, EXECUTIONS_PER_MINUTE="10") as world:
        (job_id,) = await queue(world, 1)
        calls: list[Call] = []

        def refuse(call: Call) -> httpx.Response:
            calls.append(call)
            world.store.share = 1
            asyncio.get_running_loop().call_later(12, lambda: setattr(world.store, "share", 0))
            return httpx.Response(400, json={"error": "aspect_ratio is not supported"})

        world.vendor.answer("trigger", refuse)
        await world.run_for(10 * MINUTE)
        job = await world.job(job_id)
        assert (job["errorCode"], job["errorCharged"], job["possibleDuplicate"]) == ("invalid_request", "no", False)
        assert len(calls) == 1


@pytest.mark.parametrize("count", [1, 8])
async def test_jobs_that_probe_at_once_wait_no_longer_than_one(open_world: OpenWorld, count: int) -> None:
    async with open_world() as world:

        def down(_call: Call) -> httpx.Response | None:
            return httpx.Response(502) if world.clock.monotonic() < 75 else None

        world.vendor.answer("trigger", down)
        world.vendor.answer("health", down)
        began = world.clock.now()
        await asyncio.gather(*(world.post(f"cat {number}") for number in range(count)))
        window = asyncio.create_task(world.run_for(10 * MINUTE))
        await world.clock.sleep(70)
        late = await world.accepted("late")
        await window
        started_at = (await world.record(late)).started_at
        assert started_at
        assert started_at - began < timedelta(seconds=130)


# --- the operator's pause ------------------------------------------------------------------------------------------


async def test_a_probe_in_progress_does_not_end_the_pause(open_world: OpenWorld) -> None:
    async with open_world() as world, open_world(simulator=world.simulator) as other:
        world.vendor.always("trigger", 500)
        await world.accepted()
        world.vendor.reset()

        async def slow(call: Call) -> None:
            if call.endpoint == "health":
                await world.clock.sleep(3)

        world.vendor.script = slow
        window = asyncio.create_task(world.run_for(5 * MINUTE))
        while not world.vendor.to("health"):
            await world.clock.sleep(0.1)
        await control.pause(other.deps)
        await window
        suspension = (await other.deps.admission.read()).suspension
        assert suspension
        assert suspension.reason == "paused"


async def test_a_poll_that_succeeds_again_does_not_end_the_pause(open_world: OpenWorld) -> None:
    async with open_world(run_seconds=(40.0, 40.0)) as world, open_world(simulator=world.simulator) as other:
        await world.accepted()
        world.vendor.always("poll", 401)
        window = asyncio.create_task(world.run_for(4 * MINUTE))
        while not (await other.deps.admission.read()).suspension:
            await world.clock.sleep(0.5)
        await control.pause(other.deps)
        world.vendor.reset()
        await window
        suspension = (await other.deps.admission.read()).suspension
        assert suspension
        assert suspension.reason == "paused"


async def test_a_lost_run_suspends_starts_although_wireflow_has_throttled_one(open_world: OpenWorld) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="10") as world:
        world.vendor.always("poll", 404)
        world.vendor.always("details", 404)
        window = asyncio.create_task(world.run_for(4 * MINUTE))
        await world.accepted("first")
        await world.clock.sleep(55)
        throttled: list[Call] = []

        def throttle_once(call: Call) -> httpx.Response | None:
            throttled.append(call)
            return httpx.Response(429, json={}, headers={"Retry-After": "25"}) if len(throttled) == 1 else None

        world.vendor.answer("trigger", throttle_once)
        await world.accepted("throttled")
        await world.clock.sleep(23)
        for number in range(30):
            await world.accepted(f"cat {number}")
        await window
        assert world.paid <= 3
        suspension = (await world.deps.admission.read()).suspension
        assert suspension
        assert suspension.reason == "key_refused"

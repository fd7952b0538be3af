"""Refused jobs of many callers, and refusals seen by several instances: how long do the others wait?"""

import asyncio
import hashlib
import json
from datetime import timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest

from tests.harness.vendor import Call
from tests.harness.world import SMALL, World
from tests.steps.conftest import OpenWorld
from tests.steps.test_poison import SHORT, WORKFLOWS, ends, refuse

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
CALLERS = [f"caller{number}" for number in range(8)]
BAD, GOOD = CALLERS[:5], CALLERS[5:]
HASHES = {name: hashlib.sha256(name.encode()).hexdigest() for name in CALLERS}
SETTINGS = {
    "TRIGGER_TOKENS": json.dumps(HASHES),
    "WIREFLOW_WORKFLOWS": WORKFLOWS,
    "EXECUTIONS_PER_MINUTE": "10",
}


async def submit(world: World, caller: str, prompt: str = "a cat", **fields: Any) -> str:
    small = {} if fields else SMALL
    headers = {"Authorization": f"Bearer {caller}"}
    answer = await world.http.post("/", json={"prompt": prompt, **small, **fields}, headers=headers)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def longest_wait(world: World, ids: list[str]) -> timedelta:
    """From the request to the start; all of them must have started."""
    jobs = [await world.record(job_id) for job_id in ids]
    assert all(job.started_at for job in jobs)
    return max(job.started_at - job.created_at for job in jobs if job.started_at)


@pytest.mark.parametrize(
    ("status", "body"), [(403, {"error": "No"}), (404, {"error": "No"}), (402, SHORT), (406, {"error": "No"})]
)
async def test_refused_jobs_of_five_callers_hold_the_others_for_minutes_only(
    open_world: OpenWorld, status: int, body: Any
) -> None:
    """Without any refused job the last of 30 starts after two minutes."""
    async with open_world(**SETTINGS) as world:
        refuse(world, lambda sent: "poison" in sent, status, body)
        for caller in BAD:
            await submit(world, caller, "poison")
        good = [await submit(world, GOOD[n % 3], f"cat {n}") for n in range(30)]
        assert await ends(world, *good, within=15 * MINUTE) == ["succeeded"] * 30
        assert await longest_wait(world, good) <= 5 * MINUTE


async def test_several_rounds_of_refused_jobs_of_five_callers_do_not_add_up(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as world:
        refuse(world, lambda sent: "poison" in sent, 403, {"error": "No"})
        for n in range(3):
            for caller in BAD:
                await submit(world, caller, f"poison {n}")
        good = [await submit(world, GOOD[n % 3], f"cat {n}") for n in range(30)]
        assert await ends(world, *good, within=HOUR) == ["succeeded"] * 30
        assert await longest_wait(world, good) <= 10 * MINUTE


async def test_jobs_from_elsewhere_are_tried_at_growing_intervals(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as world:
        refuse(world, lambda _sent: True, 401, {"error": "Invalid API key"})
        for caller in CALLERS:
            await submit(world, caller)
        await world.run_for(10 * MINUTE)
        calls = world.vendor.to("trigger")
        assert len({call.key for call in calls[: len(CALLERS)]}) == len(CALLERS), "each job once before any again"
        pauses = [(after.at - before.at) / SECOND for before, after in pairwise(calls)][: len(CALLERS) - 2]
        assert pauses[0] <= 3
        assert all(later >= earlier - 3 for earlier, later in pairwise(pauses)), pauses


async def test_a_job_that_is_refused_by_503_is_passed_by_others(open_world: OpenWorld) -> None:
    """Once it was called every five seconds, as long as it was queued."""
    async with open_world(**SETTINGS) as world:
        refuse(world, lambda sent: "poison" in sent, 503, {"error": "No"})
        poison = await submit(world, BAD[0], "poison")
        good = [await submit(world, GOOD[n % 3], f"cat {n}") for n in range(30)]
        await world.run_for(2 * HOUR)
        assert await longest_wait(world, good) <= 5 * MINUTE
        calls = [call for call in world.vendor.to("trigger") if call.prompt == "poison"]
        assert len(calls) <= 20
        assert (await world.record(poison)).wait_reason == "upstream_unreachable"
        world.vendor.reset()
        assert await ends(world, poison, within=62 * MINUTE) == ["succeeded"]


# --- several instances ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("restarts", [False, True])
async def test_what_other_instances_have_started_is_evidence_too(open_world: OpenWorld, restarts: bool) -> None:
    """The trigger starts all other jobs at once; the poller, which may be restarted, sees only the refused one."""
    async with open_world(**SETTINGS) as trigger:
        refuse(trigger, lambda sent: "poison" in sent, 403, {"error": "Blocked: poison"})
        poison = await submit(trigger, BAD[0], "poison")
        closed = len(trigger.log("gate_closed"))
        calls: list[Call] = []
        for number in range(6 if restarts else 1):
            async with open_world(simulator=trigger.simulator, **SETTINGS) as poller:
                refuse(poller, lambda sent: "poison" in sent, 403, {"error": "Blocked: poison"})
                for n in range(4 if restarts else 24):
                    await submit(trigger, GOOD[(number + n) % 3])
                    await poller.run_for(MINUTE)
                closed += len(poller.log("gate_closed"))
                calls += [call for call in poller.vendor.to("trigger") if call.prompt == "poison"]
        record = await trigger.record(poison)
        assert record.error
        assert (record.status, record.error.code, record.error.message) == ("failed", "key_refused", "Blocked: poison")
        assert (len(calls), closed) == (2, 1)


async def test_a_refused_trial_of_a_suspended_workflow_suspends_no_other(open_world: OpenWorld) -> None:
    """The first 403 may mean anything, but not that of a workflow for which others have passed already."""
    async with open_world(**SETTINGS) as world:
        refuse(world, lambda sent: "gone" in sent, 403, {"error": "Forbidden"})
        for n in range(4):
            await submit(world, BAD[n], f"gone {n}", workflow="old")
        await submit(world, GOOD[0])
        await world.run_for(2 * HOUR)
        lines = world.log("gate_closed")
        assert [line.get("workflow") for line in lines] == [None]
        assert len(world.vendor.to("execute")) >= 4


async def test_an_outage_ends_for_other_workflows_although_the_webhook_is_deleted(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as world:
        world.vendor.always("health", 404, {"error": "Workflow not found"})
        answers = [httpx.Response(503), httpx.Response(502)]
        world.vendor.answer("execute", lambda _call: answers.pop() if answers else None)
        ids = [await submit(world, GOOD[n], workflow="new") for n in range(3)]
        assert await ends(world, *ids, within=20 * MINUTE) == ["succeeded"] * 3


async def test_while_only_a_gateway_responds_the_outage_goes_on(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as world:
        world.vendor.answer("health", lambda _call: httpx.Response(404, text="default backend - 404"))
        answers = [httpx.Response(502)]
        world.vendor.answer("execute", lambda _call: answers.pop() if answers else None)
        job_id = await submit(world, GOOD[0], workflow="new")
        await world.run_for(20 * MINUTE)
        assert (await world.record(job_id)).status == "triggering"


async def test_a_run_whose_polls_are_refused_does_not_suspend_others(open_world: OpenWorld) -> None:
    async with open_world(run_seconds=(50.0, 50.0), **SETTINGS) as world:
        bad = await submit(world, BAD[0])
        execution_id = (await world.record(bad)).execution_id or ""

        def forbidden(call: Call) -> httpx.Response | None:
            return httpx.Response(403, json={"error": "No"}) if execution_id in call.request.url.path else None

        good = [await submit(world, GOOD[0])]
        scheduler = asyncio.create_task(world.run_for(12 * MINUTE))
        await world.clock.sleep(5)
        world.vendor.answer("poll", forbidden)
        world.vendor.answer("details", forbidden)
        for n in range(18):
            good.append(await submit(world, GOOD[n % 3]))
            await world.clock.sleep(40)
        await scheduler
        assert await longest_wait(world, good) <= 3 * SECOND
        assert world.log("gate_closed") == []

"""The operator pauses and resumes starts, and lets one job through a suspension."""

import json
from datetime import timedelta

import pytest

from functions.cli.control_status import gate_status, rows
from shared.steps import control
from tests.harness.world import World
from tests.steps.conftest import OpenWorld


async def test_while_paused_no_job_starts_and_each_says_so(world: World) -> None:
    await control.pause(world.deps)
    job = (await world.post()).json()
    assert (job["status"], job["waitReason"], job["estimatedStartAt"]) == ("queued", "paused", None)
    await world.run_for(timedelta(hours=3))
    assert world.paid == 0
    await control.resume(world.deps)
    (job,) = await world.end_of(job["id"])
    assert job["status"] == "succeeded"
    assert [line["errorCode"] for line in world.log("gate_opened")] == ["paused"]


async def test_a_run_that_has_started_goes_on(world: World) -> None:
    job_id = await world.accepted()
    await control.pause(world.deps)
    (job,) = await world.end_of(job_id)
    assert job["status"] == "succeeded"


async def test_a_refusal_or_an_outage_does_not_end_the_pause(world: World) -> None:
    await control.pause(world.deps)
    job_id = await world.accepted("[fault:insufficient_credits] a cat")
    await control.start_one(job_id, world.deps)
    await world.run_for(timedelta(minutes=3))
    gate = await world.deps.admission.read()
    assert gate.suspension
    assert gate.suspension.reason == "paused"
    assert (await world.job(job_id))["status"] == "queued"


async def test_one_chosen_job_starts_through_a_pause_and_the_others_do_not(world: World) -> None:
    await control.pause(world.deps)
    ids = [await world.accepted() for _ in range(3)]
    await control.start_one(ids[1], world.deps)
    await world.run_for(timedelta(minutes=3))
    assert [(await world.record(job_id)).finished for job_id in ids] == [False, True, False]
    assert (await world.record(ids[1])).chosen is None


@pytest.mark.parametrize("fault", ["insufficient_credits", "key_expired", "not_found"])
async def test_a_chosen_job_that_is_accepted_ends_the_suspension(world: World, fault: str) -> None:
    await world.post(f"[fault:{fault}] a cat")
    ids = [(await world.post()).json()["id"] for _ in range(3)]
    await world.run_for(timedelta(minutes=1))
    await control.start_one(ids[2], world.deps)
    await world.run_for(timedelta(minutes=7))
    assert world.log("gate_opened")
    assert all([(await world.record(job_id)).finished for job_id in ids])


async def test_resuming_lets_held_jobs_back_at_once(world: World) -> None:
    await world.post("[fault:insufficient_credits] a cat")
    ids = [(await world.post()).json()["id"] for _ in range(3)]
    await world.run_for(timedelta(minutes=2))
    assert all([(await world.record(job_id)).held for job_id in ids])
    await control.resume(world.deps)
    await world.run_for(timedelta(minutes=2))
    assert all([(await world.record(job_id)).finished for job_id in ids])


async def test_limits_still_apply_to_a_chosen_job(open_world: OpenWorld) -> None:
    async with open_world(DAILY_EXECUTIONS="1") as world:
        await world.accepted()
        job_id = await world.accepted()
        await control.start_one(job_id, world.deps)
        await world.run_for(timedelta(hours=1))
        assert world.paid == 1
        await world.run_for(timedelta(hours=11, minutes=3))
        assert (await world.record(job_id)).finished


async def test_a_job_that_does_not_wait_cannot_be_chosen(world: World) -> None:
    job_id = await world.accepted()
    for unknown in (job_id, "0" * 32):
        with pytest.raises(control.NotWaiting):
            await control.start_one(unknown, world.deps)


async def test_the_status_names_suspensions_and_spend(open_world: OpenWorld) -> None:
    workflows = json.dumps({"default": {"mode": "webhook", "id": "demo-webhook", "pricePerImage": 0.1}})
    callers = '{"zap": {"usdPerDay": 2}}'
    async with open_world(WIREFLOW_WORKFLOWS=workflows, DAILY_SPEND_USD="5", CALLER_LIMITS=callers) as world:
        await world.accepted()
        await world.post("[fault:insufficient_credits]")
        gate = await world.deps.admission.read()
        shown = {row.name.strip(): row.value for row in rows(gate, world.deps.config.limits, world.clock.now())}
        assert shown["suspended"].startswith("the workflow default: insufficient_credits.")
        assert shown["spent today"] == "$0.10 of $5.00"
        assert shown["caller zap"] == "0 starts today (no limit)"
        assert {"since", "next trial", "ends", "credits", "executions today"} <= shown.keys()
        status = gate_status(gate, world.deps.config.limits, world.clock.now())
        (suspension,) = status["suspensions"]
        assert (suspension["workflow"], suspension["reason"]) == ("default", "insufficient_credits")
        assert suspension["until"] == shown["next trial"]
        assert status["spend"]["today"] == {"spent": 0.1, "limit": 5.0}
        assert status["spend"]["thisMonth"] == {"spent": 0.1, "limit": None}
        no_limit = {"spent": 0.0, "limit": None}
        zap = {"name": "zap", "startsToday": 0, "startsPerDay": None, "today": {"spent": 0.0, "limit": 2.0}}
        assert status["callers"] == [zap | {"thisMonth": no_limit}]


async def test_without_limits_the_status_has_no_spend(world: World) -> None:
    status = gate_status(await world.deps.admission.read(), world.deps.config.limits, world.clock.now())
    assert list(status.values()) == [[], 0, None, None, None]

"""A job that Wireflow refuses does not stop others: who is suspended, who is tried, how the refused job ends."""

import json
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest

from tests.harness.vendor import Call
from tests.harness.world import SMALL, World, moment
from tests.steps.conftest import OpenWorld
from tests.steps.test_callers import AUTH, SHOP, bearer

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
PAID = ("trigger", "execute", "run")
PRO = {"mode": "execute", "id": "demo-execute", "model": "nano_banana_pro", "overridable": ["aspect_ratio"]}
WORKFLOWS = json.dumps({"old": PRO, "new": PRO})
SETTINGS = {**AUTH, "WIREFLOW_WORKFLOWS": WORKFLOWS, "EXECUTIONS_PER_MINUTE": "10", "FORM_PER_MINUTE": "0"}
SHORT = {"error": "Insufficient credits. Required: 24, Available: 13", "requiredCredits": 24, "availableCredits": 13}

# What Wireflow says to one prompt: the answer, and the code with which its job fails.
POISON: dict[str, tuple[int, Any, str]] = {
    "a firewall's 403": (403, {"error": "Request blocked: poison"}, "key_refused"),
    "a firewall's 406": (406, {"error": "Not acceptable: poison"}, "configuration"),
    "a firewall's 404": (404, {"error": "No such thing: poison"}, "workflow_not_found"),
    "a 401 of a proxy": (401, {"error": "Unauthorized: poison"}, "key_refused"),
    "a redirect to a page of a proxy": (302, {}, "configuration"),
    "an expensive job": (402, SHORT, "insufficient_credits"),
    "an expensive job, typed": (
        402,
        {"error": {"type": "insufficient_credits_error", "message": "Not enough", "code": "insufficient_credits"}},
        "insufficient_credits",
    ),
    "a 400 that quotes the prompt": (400, {"error": "Bad prompt: the poison is not active"}, "invalid_request"),
    "a 400 that quotes a disabled word": (400, {"error": "poison: disabled, inactive, deactivated"}, "invalid_request"),
}


def refuse(world: World, which: Callable[[str], bool], status: int, body: Any) -> None:
    """From now on paid calls with such a body get this answer; everything else passes."""

    def how(call: Call) -> httpx.Response | None:
        return httpx.Response(status, json=body) if which(call.request.content.decode()) else None

    for endpoint in PAID:
        world.vendor.answer(endpoint, how)


async def submit(world: World, caller: str, prompt: str = "a cat", **fields: Any) -> str:
    """The id of a job: `caller` is the name of a token, or `form`."""
    headers = {"Origin": SHOP} if caller == "form" else bearer(caller)
    extra = {} if fields.get("workflow") else SMALL
    answer = await world.http.post("/", json={"prompt": prompt, **extra, **fields}, headers=headers)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def ends(world: World, *ids: str, within: timedelta) -> list[str]:
    """How these jobs ended."""

    async def ended() -> bool:
        return all([(await world.record(job_id)).finished for job_id in ids])

    await world.run_until(ended, within)
    return [str((await world.record(job_id)).status) for job_id in ids]


async def codes(world: World, *ids: str) -> set[str]:
    """The error codes of these jobs."""
    records = [await world.record(job_id) for job_id in ids]
    return {str(record.error.code) for record in records if record.error}


# --- one job -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("case", "hours"), [*((case, "3") for case in POISON), ("a firewall's 403", "72")])
async def test_a_job_that_is_refused_alone_stops_no_other_and_fails_with_the_vendors_words(
    open_world: OpenWorld, case: str, hours: str
) -> None:
    status, body, code = POISON[case]
    async with open_world(**SETTINGS, MAX_QUEUE_HOURS=hours) as world:
        refuse(world, lambda sent: "poison" in sent, status, body)
        poison = await submit(world, "form", "poison")
        others = [await submit(world, name, f"cat {n}") for n in range(4) for name in ("zap", "ci", "form")]
        assert await ends(world, *others, within=15 * MINUTE) == ["succeeded"] * 12
        await world.run_for(float(hours) * HOUR)
        record = await world.record(poison)
        assert record.error
        assert (record.status, record.error.code, record.error.charged) == ("failed", code, "no")
        said = body.get("error", {})
        words = said.get("message") if isinstance(said, dict) else said
        assert words is None or words in record.error.message
        assert world.paid == 12


@pytest.mark.parametrize("case", ["a firewall's 403", "a firewall's 404"])
async def test_it_fails_after_three_calls_if_others_of_its_workflow_pass(open_world: OpenWorld, case: str) -> None:
    status, body, code = POISON[case]
    async with open_world(**SETTINGS) as world:
        refuse(world, lambda sent: "poison" in sent, status, body)
        poison = await submit(world, "zap", "poison")
        for _ in range(40):
            await submit(world, "ci")
            await world.run_for(MINUTE)
        record = await world.record(poison)
        assert record.error
        assert (record.status, record.error.code) == ("failed", code)
        assert len([call for call in world.vendor.to("trigger") if call.prompt == "poison"]) == 3


async def test_the_first_trial_follows_at_once_with_a_job_of_another_caller(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as world:
        refuse(world, lambda sent: "poison" in sent, 403, {"error": "Forbidden"})
        await submit(world, "zap", "poison")
        same, other = await submit(world, "zap"), await submit(world, "ci")
        statuses = [str((await world.record(job_id)).status) for job_id in (same, other)]
        assert statuses[0] == "queued"
        await ends(world, same, other, within=3 * MINUTE)
        started = (await world.record(other)).started_at
        assert started
        assert started - world.vendor.times("trigger")[0] <= MINUTE + 5 * SECOND


async def test_several_poisonous_jobs_of_one_caller_hold_no_other_caller(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as world:
        refuse(world, lambda sent: "poison" in sent, 403, {"error": "Forbidden"})
        bad = [await submit(world, "form", f"poison {n}") for n in range(10)]
        good = [await submit(world, name, f"cat {n}") for n in range(10) for name in ("zap", "ci")]
        assert await ends(world, *good, within=20 * MINUTE) == ["succeeded"] * 20
        for _ in range(90):
            await submit(world, "ci")
            await world.run_for(MINUTE)
        assert await ends(world, *bad, within=MINUTE) == ["failed"] * 10
        assert await codes(world, *bad) == {"key_refused"}


async def test_an_expensive_job_waits_for_credits_and_then_succeeds(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as world:
        refuse(world, lambda sent: "poison" in sent, 402, SHORT)
        expensive = await submit(world, "zap", "poison")
        for _ in range(90):
            await submit(world, "ci")
            await world.run_for(MINUTE)
        job = await world.record(expensive)
        assert (job.status, job.wait_reason) == ("queued", "insufficient_credits")
        world.vendor.reset()
        assert await ends(world, expensive, within=2 * HOUR) == ["succeeded"]


async def test_a_real_outage_fails_no_job_although_it_comes_and_goes(open_world: OpenWorld) -> None:
    """Jobs that were refused before are no proof of their own fault when all are refused."""
    async with open_world(**SETTINGS) as world:
        ids = []
        for _ in range(6):
            refuse(world, lambda _sent: True, 403, {"error": "Forbidden"})
            ids += [await submit(world, name) for name in ("zap", "ci")]
            await world.run_for(70 * MINUTE)
            world.vendor.reset()
            await world.run_for(62 * MINUTE)
        assert await ends(world, *ids, within=3 * HOUR) == ["succeeded"] * 12


# --- one workflow --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (404, {"error": "Workflow not found"}, "workflow_not_found"),
        (410, {"error": "Gone"}, "workflow_not_found"),
        (400, {"error": "Workflow is not active"}, "workflow_inactive"),
        (400, {"error": {"type": "invalid_request_error", "message": "Workflow is not active."}}, "workflow_inactive"),
        (400, {"error": {"message": "No.", "code": "workflow_inactive"}}, "workflow_inactive"),
        (402, SHORT, "insufficient_credits"),
        (403, {"error": "Forbidden"}, "key_refused"),
    ],
)
async def test_a_workflow_that_is_refused_holds_only_its_own_jobs(
    open_world: OpenWorld, status: int, body: Any, code: str
) -> None:
    async with open_world(**SETTINGS, MAX_QUEUE_HOURS="3") as world:
        refuse(world, lambda sent: "gone" in sent, status, body)
        old = [await submit(world, "form", f"gone {n}", workflow="old") for n in range(5)]
        new = [await submit(world, name, f"cat {n}") for n in range(4) for name in ("zap", "form")]
        assert await ends(world, *new, within=10 * MINUTE) == ["succeeded"] * 8
        at_once = await world.http.post("/", json={"prompt": "a dog", **SMALL}, headers=bearer("ci"))
        assert at_once.json()["status"] == "running"
        waiting = await world.record(old[0])
        assert (waiting.status, waiting.wait_reason) == ("queued", code)
        await world.run_for(3 * HOUR)
        records = [await world.record(job_id) for job_id in old]
        assert {(str(record.status), record.error and str(record.error.code)) for record in records} == {
            ("failed", code)
        }
        assert world.paid == 9


async def test_when_the_workflow_is_repaired_its_jobs_go_on_in_order(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as world:
        refuse(world, lambda sent: "gone" in sent, 404, {"error": "Workflow not found"})
        old = [await submit(world, "zap", f"gone {n}", workflow="old") for n in range(6)]
        await world.run_for(3 * HOUR)
        world.vendor.reset()
        assert await ends(world, *old, within=90 * MINUTE) == ["succeeded"] * 6
        started = [(await world.record(job_id)).started_at for job_id in old]
        assert max(filter(None, started)) - min(filter(None, started)) <= 6 * MINUTE + 10 * SECOND
        (closed,), (opened,) = world.log("gate_closed"), world.log("gate_opened")
        assert (closed["workflow"], opened["workflow"]) == ("old", "old")


async def test_trials_of_a_workflow_come_at_growing_intervals_with_the_next_job(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as world:
        refuse(world, lambda sent: "gone" in sent, 404, {"error": "Workflow not found"})
        for n in range(4):
            await submit(world, "zap", f"gone {n}", workflow="old")
        await world.run_for(4 * HOUR)
        calls = world.vendor.to("execute")
        waits = [(after.at - before.at) / MINUTE for before, after in pairwise(calls)]
        assert [round(wait) for wait in waits] == [5, 10, 20, 40, 60, 60]
        asked = [call.request.content.decode().partition("gone ")[2][0] for call in calls]
        assert sorted(asked[:4]) == ["0", "1", "2", "3"], "no job is tried again before all were"


async def test_a_waiting_job_says_why_and_when_its_workflow_is_tried(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as world:
        refuse(world, lambda sent: "gone" in sent, 404, {"error": "Workflow not found"})
        first, second = [await submit(world, "zap", "gone", workflow="old") for _ in range(2)]
        at = world.clock.now() + 5 * MINUTE
        for job_id in (first, second):
            answer = await world.http.get(f"/jobs/{job_id}", headers=bearer("zap"))
            job = answer.json()
            assert (job["waitReason"], moment(job["estimatedStartAt"])) == ("workflow_not_found", at)
        answer = await world.http.delete(f"/jobs/{second}", headers=bearer("zap"))
        assert answer.json()["status"] == "canceled"


# --- the account ---------------------------------------------------------------------------------------------------


async def test_a_bad_key_is_tried_from_elsewhere_and_then_with_any_job_at_growing_intervals(
    open_world: OpenWorld,
) -> None:
    async with open_world(**SETTINGS) as world:
        refuse(world, lambda _sent: True, 401, {"error": "Invalid API key"})
        ids = [await submit(world, name, workflow="new") for name in ("zap", "zap", "zap", "zap", "ci")]
        await world.run_for(HOUR)
        waits = [(at - world.vendor.times("execute")[0]) / MINUTE for at in world.vendor.times("execute")]
        assert [round(wait) for wait in waits] == [0, 0, 5, 15, 35]
        world.vendor.reset()
        assert await ends(world, *ids, within=2 * HOUR) == ["succeeded"] * 5


async def test_a_408_is_an_unknown_outcome(world: World) -> None:
    refuse(world, lambda _sent: True, 408, {"error": "Request timeout"})
    job = (await world.post()).json()
    assert job["status"] == "triggering"
    world.vendor.reset()
    (job,) = await world.end_of(job["id"])
    assert (job["status"], job["possibleDuplicate"]) == ("succeeded", True)

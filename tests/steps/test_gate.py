"""What suspends the gate, how it is probed, and what resumes it."""

from datetime import datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise

import httpx
import pytest

from tests.harness.vendor import Call
from tests.harness.virtual_time import NOON
from tests.harness.world import World, moment
from tests.steps.conftest import OpenWorld

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
# Refusals that the operator must fix: status, body, and the wait reason of the jobs.
OPERATOR_MUST_ACT = {
    "402": (402, {"error": "Insufficient credits"}, "insufficient_credits"),
    "401": (401, {"error": "API key has expired"}, "key_refused"),
    "403": (403, {"error": "Forbidden"}, "key_refused"),
    "404": (404, {"error": "Workflow not found"}, "workflow_not_found"),
    "400 inactive": (400, {"error": "Workflow is not active"}, "workflow_inactive"),
    "301": (301, {}, "configuration"),
}


def gaps(times: list[datetime]) -> list[timedelta]:
    return [after - before for before, after in pairwise(times)]


@pytest.mark.parametrize("case", OPERATOR_MUST_ACT)
async def test_a_refusal_that_the_operator_must_fix_suspends_all_starts(world: World, case: str) -> None:
    status, body, reason = OPERATOR_MUST_ACT[case]
    world.vendor.always("trigger", status, body)
    first = (await world.post()).json()
    world.vendor.reset()
    second = (await world.post()).json()
    for job in (first, second):
        assert (job["status"], job["waitReason"]) == ("queued", reason)
        assert moment(job["estimatedStartAt"]) - world.clock.now() == 5 * MINUTE
    assert len(world.vendor.to("trigger")) == 1
    (line,) = world.log("gate_closed")
    assert (line["severity"], line["errorCode"]) == ("ERROR", reason)


@pytest.mark.parametrize("case", ["402", "401", "301"])
async def test_a_single_job_is_tried_after_5_10_20_40_60_60_minutes(world: World, case: str) -> None:
    status, body, _ = OPERATOR_MUST_ACT[case]
    world.vendor.always("trigger", status, body)
    for _ in range(4):
        await world.accepted()
    await world.run_for(timedelta(hours=4))
    pauses = gaps(world.vendor.times("trigger"))
    assert [round(pause / MINUTE) for pause in pauses] == [5, 10, 20, 40, 60, 60]
    assert all(timedelta() <= pause - round(pause / MINUTE) * MINUTE <= MINUTE for pause in pauses)


@pytest.mark.parametrize("case", OPERATOR_MUST_ACT)
async def test_all_jobs_start_once_a_trial_succeeds(world: World, case: str) -> None:
    status, body, _ = OPERATOR_MUST_ACT[case]
    world.vendor.always("trigger", status, body)
    ids = [await world.accepted() for _ in range(5)]
    await world.run_for(10 * MINUTE)
    world.vendor.reset()
    jobs = await world.end_of(*ids)
    assert {job["status"] for job in jobs} == {"succeeded"}
    started = [moment(job["startedAt"]) for job in jobs]
    assert max(started) - min(started) <= 70 * SECOND
    assert world.log("gate_opened")
    assert (await world.post()).json()["status"] == "running"


async def test_a_402_is_logged_with_required_and_available_credits(world: World) -> None:
    await world.accepted("a cat [fault:insufficient_credits]")
    (line,) = world.log("gate_closed")
    assert (line["creditsRequired"], line["creditsAvailable"]) == (10, 3)


async def test_an_api_key_that_is_refused_for_polls_suspends_new_starts(world: World) -> None:
    first = await world.accepted()
    world.vendor.always("poll", 401, {"error": "API key has expired"})
    world.vendor.always("details", 401, {"error": "API key has expired"})
    await world.run_for(2 * MINUTE)
    second = (await world.post()).json()
    assert (second["status"], second["waitReason"]) == ("queued", "key_refused")
    assert (await world.job(first))["status"] == "running", "the image may be paid for"
    world.vendor.reset()
    jobs = await world.end_of(first, second["id"])
    assert [job["status"] for job in jobs] == ["succeeded", "succeeded"]
    assert len(world.vendor.to("trigger")) == 2


# --- health probes -----------------------------------------------------------------------------------------------


async def test_after_a_503_health_is_probed_after_5_10_20_up_to_300_seconds(world: World) -> None:
    world.vendor.always("trigger", 503)
    world.vendor.always("health", 503)
    for _ in range(3):
        await world.accepted()
    await world.run_for(timedelta(minutes=40))
    (sent,) = world.vendor.times("trigger")
    pauses = gaps([sent, *world.vendor.times("health")])
    expected = [5, 10, 20, 40, 80, 160, 300, 300, 300]
    delays = [(pause / SECOND) - seconds for pause, seconds in zip(pauses, expected, strict=False)]
    assert len(pauses) >= len(expected)
    # A window scans every 2 s. A probe that is due after the end of a window is left to the next one, a minute later.
    limits = [5 if seconds < 40 else 60 for seconds in expected]
    assert all(0 <= delay <= limit for delay, limit in zip(delays, limits, strict=False)), pauses


async def test_jobs_start_again_once_a_health_probe_succeeds(world: World) -> None:
    world.vendor.always("trigger", 503)
    world.vendor.always("health", 500)
    ids = [await world.accepted() for _ in range(3)]
    await world.run_for(5 * MINUTE)
    assert len(world.vendor.to("trigger")) == 1
    world.vendor.reset()
    jobs = await world.end_of(*ids)
    assert {(job["status"], job["possibleDuplicate"]) for job in jobs} == {("succeeded", False)}


@pytest.mark.parametrize("wait", [90, 240])
async def test_the_retry_after_header_of_a_503_is_respected(world: World, wait: int) -> None:
    world.vendor.always("trigger", 503, retry_after=str(wait))
    job_id = await world.accepted()
    world.vendor.reset()
    await world.end_of(job_id)
    assert world.vendor.times("health")[0] - world.vendor.times("trigger")[0] >= wait * SECOND
    first, second = world.vendor.times("trigger")
    assert wait * SECOND <= second - first <= (wait + 62) * SECOND


async def test_a_health_probe_that_hangs_counts_as_failed(world: World) -> None:
    world.vendor.always("trigger", 503)
    job_id = await world.accepted()
    world.vendor.reset()
    await world.simulated("/_faults", fault="hang", **{"for": "health"})
    await world.run_for(3 * MINUTE)
    assert (await world.job(job_id))["status"] == "queued"


# --- 429 -----------------------------------------------------------------------------------------------------------


def retry_forms(at: datetime) -> dict[str, tuple[dict[str, str], dict[str, object]]]:
    """Return every published form of "not before `at`", as headers and body."""
    epoch, seconds = int(at.timestamp()), 120
    return {
        "seconds": ({"retry_after": str(seconds)}, {}),
        "date": ({"retry_after": format_datetime(at, usegmt=True)}, {}),
        "reset": ({"x_ratelimit_reset": str(epoch)}, {}),
        "epoch in the body": ({}, {"retryAfter": epoch}),
        "epoch in milliseconds": ({}, {"retryAfter": epoch * 1000}),
        "seconds in the body": ({}, {"retryAfter": seconds}),
        "header before body": ({"retry_after": str(seconds)}, {"retryAfter": epoch + 3000}),
    }


@pytest.mark.parametrize("form", retry_forms(NOON))
async def test_a_429_suspends_starts_until_the_time_that_it_names(world: World, form: str) -> None:
    at = world.clock.now() + 2 * MINUTE
    headers, body = retry_forms(at)[form]
    world.vendor.always("trigger", 429, body, **headers)
    job = (await world.post()).json()
    assert (job["status"], job["waitReason"]) == ("queued", "rate_limited")
    assert moment(job["estimatedStartAt"]) == at
    world.vendor.reset()
    await world.clock.sleep(1)
    other = await world.accepted()
    jobs = await world.end_of(job["id"], other)
    assert all(at <= moment(job["startedAt"]) <= at + 62 * SECOND for job in jobs)
    assert [call.key for call in world.vendor.to("trigger")][:2] == [f"{job['id']}.1", f"{job['id']}.2"]


@pytest.mark.parametrize(
    ("retry_after", "pause"),
    [("0", SECOND), ("-5", SECOND), ("1711036800", SECOND), ("99999", HOUR), ("soon", 30 * SECOND)],
)
async def test_the_pause_of_a_429_is_clamped_between_a_second_and_an_hour(
    world: World, retry_after: str, pause: timedelta
) -> None:
    world.vendor.always("trigger", 429, {}, retry_after=retry_after)
    job = (await world.post()).json()
    assert moment(job["estimatedStartAt"]) - world.clock.now() == pause


async def test_a_429_for_a_poll_delays_all_polls(open_world: OpenWorld) -> None:
    async with open_world(WIREFLOW_PLAN="enterprise", EXECUTIONS_PER_MINUTE="10") as world:
        ids = [await world.accepted() for _ in range(3)]
        refused_at: list[datetime] = []

        def refuse_once(call: Call) -> httpx.Response | None:
            if refused_at:
                return None
            refused_at.append(call.at)
            return httpx.Response(429, headers={"Retry-After": "20"})

        world.vendor.answer("poll", refuse_once)
        jobs = await world.end_of(*ids)
        times = world.vendor.times("poll")
        # Polls that were already in flight do not count.
        assert not [at for at in times if refused_at[0] + SECOND < at < refused_at[0] + 20 * SECOND]
        assert {job["status"] for job in jobs} == {"succeeded"}


# --- rate limits of the plans ------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", ["55", "59"])
@pytest.mark.parametrize("plan", ["pro", "enterprise"])
async def test_at_most_ten_runs_start_in_any_minute_on_any_plan(open_world: OpenWorld, plan: str, window: str) -> None:
    limits = {"WIREFLOW_PLAN": plan, "EXECUTIONS_PER_MINUTE": "10", "POLL_WINDOW_SECONDS": window}
    async with open_world(plan=plan, **limits) as world:
        ids = [await world.accepted() for _ in range(25)]
        jobs = await world.end_of(*ids)
        stats = await world.simulated("/_stats")
        assert {job["status"] for job in jobs} == {"succeeded"}
        assert (stats["maxStartsPerMinute"], stats["paidRuns"], stats["rateLimited"]) == (10, 25, 0)


async def test_on_the_free_plan_starts_and_polls_share_ten_requests_a_minute_and_all_jobs_succeed(
    open_world: OpenWorld,
) -> None:
    """The window leaves room for the polls of what it starts, so it may start fewer than ten a minute."""
    async with open_world(plan="free", WIREFLOW_PLAN="free", EXECUTIONS_PER_MINUTE="10") as world:
        ids = [await world.accepted() for _ in range(25)]
        jobs = await world.end_of(*ids)
        stats = await world.simulated("/_stats")
        assert {(job["status"], job["possibleDuplicate"]) for job in jobs} == {("succeeded", False)}
        assert stats["paidRuns"] == 25
        assert 9 <= stats["maxStartsPerMinute"] <= 10
        assert not [name for name, answers in stats["answers"].items() if "429" in answers]


@pytest.mark.parametrize("plan", ["free", "starter"])
async def test_polls_count_starts_and_are_never_rate_limited(open_world: OpenWorld, plan: str) -> None:
    async with open_world(plan=plan, WIREFLOW_PLAN=plan, EXECUTIONS_PER_MINUTE="10") as world:
        await world.end_of(*[await world.accepted() for _ in range(25)])
        responses = (await world.simulated("/_stats"))["answers"]
        assert responses["poll"].keys() | responses.get("details", {}).keys() == {"200"}


async def test_log_lines_about_the_gate_contain_no_secret(world: World) -> None:
    world.vendor.always("trigger", 301, location="https://new.wireflow.ai/api/v1/workflow/demo-webhook/trigger")
    await world.accepted()
    assert world.log("gate_closed")
    assert "demo-webhook" not in world.lines.getvalue()


@pytest.mark.parametrize("case", ["402", "401", "403", "404"])
async def test_successful_polls_do_not_end_a_suspension_caused_by_a_paid_call(open_world: OpenWorld, case: str) -> None:
    status, body, _ = OPERATOR_MUST_ACT[case]
    async with open_world(run_seconds=(600.0, 600.0)) as world:
        running = await world.accepted()
        world.vendor.always("trigger", status, body)
        await world.accepted()
        await world.run_for(14 * MINUTE)
        assert (await world.job(running))["status"] == "succeeded"
        assert len(world.vendor.to("poll")) > 40
        assert len(world.vendor.to("trigger")) == 3, "at once and after 5 minutes; the next is due after 15"


@pytest.mark.parametrize("reset", [36_000, 4_102_444_800 - 1_772_452_800, -5])
async def test_no_header_of_a_successful_poll_delays_polls_for_long(open_world: OpenWorld, reset: int) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="10") as world:
        job_id = await world.accepted()
        until = str(int(world.clock.now().timestamp()) + reset)
        headers = {"x_ratelimit_limit": "10", "x_ratelimit_remaining": "0", "x_ratelimit_reset": until}
        world.vendor.always("poll", 200, {"status": "RUNNING"}, **headers)
        await world.run_window()
        world.vendor.reset()
        (job,) = await world.end_of(job_id, patience=70 * MINUTE)
        assert job["status"] == "succeeded"

"""What closes the gate for all, how it is tried, and what opens it."""

from datetime import datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise

import httpx
import pytest

from tests.harness.vendor import Call
from tests.harness.virtual_time import NOON
from tests.harness.world import World, moment
from tests.steps.conftest import Open

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
# The operator's to mend: the answer, and the code that the jobs wait with.
MENDABLE = {
    "402": (402, {"error": "Insufficient credits"}, "insufficient_credits"),
    "401": (401, {"error": "API key has expired"}, "key_refused"),
    "403": (403, {"error": "Forbidden"}, "key_refused"),
    "404": (404, {"error": "Workflow not found"}, "workflow_not_found"),
    "400 inactive": (400, {"error": "Workflow is not active"}, "workflow_inactive"),
    "301": (301, {}, "configuration"),
}


def gaps(times: list[datetime]) -> list[timedelta]:
    return [after - before for before, after in pairwise(times)]


@pytest.mark.parametrize("case", MENDABLE)
async def test_what_the_operator_must_mend_closes_the_gate_for_all(here: World, case: str) -> None:
    status, body, reason = MENDABLE[case]
    here.vendor.always("trigger", status, body)
    first = (await here.post()).json()
    here.vendor.reset()
    second = (await here.post()).json()
    for job in (first, second):
        assert (job["status"], job["waitReason"]) == ("queued", reason)
        assert moment(job["estimatedStartAt"]) - here.clock.now() == 5 * MINUTE
    assert len(here.vendor.to("trigger")) == 1
    (line,) = here.log("gate_closed")
    assert (line["severity"], line["errorCode"]) == ("ERROR", reason)


@pytest.mark.parametrize("case", ["402", "401", "301"])
async def test_one_job_tries_after_5_10_20_40_60_60_minutes(here: World, case: str) -> None:
    status, body, _ = MENDABLE[case]
    here.vendor.always("trigger", status, body)
    for _ in range(4):
        await here.accepted()
    await here.run_for(timedelta(hours=4))
    waited = gaps(here.vendor.times("trigger"))
    assert [round(gap / MINUTE) for gap in waited] == [5, 10, 20, 40, 60, 60]
    assert all(timedelta() <= gap - round(gap / MINUTE) * MINUTE <= MINUTE for gap in waited)


@pytest.mark.parametrize("case", MENDABLE)
async def test_when_the_one_passes_the_others_follow(here: World, case: str) -> None:
    status, body, _ = MENDABLE[case]
    here.vendor.always("trigger", status, body)
    ids = [await here.accepted() for _ in range(5)]
    await here.run_for(10 * MINUTE)
    here.vendor.reset()
    jobs = await here.end_of(*ids)
    assert {job["status"] for job in jobs} == {"succeeded"}
    started = [moment(job["startedAt"]) for job in jobs]
    assert max(started) - min(started) <= 70 * SECOND
    assert here.log("gate_opened")
    assert (await here.post()).json()["status"] == "running"


async def test_a_402_says_what_is_missing(here: World) -> None:
    await here.accepted("a cat [fault:insufficient_credits]")
    (line,) = here.log("gate_closed")
    assert (line["creditsRequired"], line["creditsAvailable"]) == (10, 3)


async def test_a_key_that_polls_refuse_stops_what_could_not_be_followed(here: World) -> None:
    first = await here.accepted()
    here.vendor.always("poll", 401, {"error": "API key has expired"})
    here.vendor.always("details", 401, {"error": "API key has expired"})
    await here.run_for(2 * MINUTE)
    second = (await here.post()).json()
    assert (second["status"], second["waitReason"]) == ("queued", "key_refused")
    assert (await here.job(first))["status"] == "running", "the image may be paid for"
    here.vendor.reset()
    jobs = await here.end_of(first, second["id"])
    assert [job["status"] for job in jobs] == ["succeeded", "succeeded"]
    assert len(here.vendor.to("trigger")) == 2


# --- health --------------------------------------------------------------------------------------------------------


async def test_after_503_the_health_call_is_asked_after_5_10_20_to_300_seconds(here: World) -> None:
    here.vendor.always("trigger", 503)
    here.vendor.always("health", 503)
    for _ in range(3):
        await here.accepted()
    await here.run_for(timedelta(minutes=40))
    (sent,) = here.vendor.times("trigger")
    waited = gaps([sent, *here.vendor.times("health")])
    wanted = [5, 10, 20, 40, 80, 160, 300, 300, 300]
    late = [(gap / SECOND) - want for gap, want in zip(waited, wanted, strict=False)]
    assert len(waited) >= len(wanted)
    # A window looks every 2 s; when nothing is to come before its end the next one does, a minute later at most.
    assert all(0 <= delay <= (5 if want < 40 else 60) for delay, want in zip(late, wanted, strict=False)), waited


async def test_when_the_health_call_answers_200_jobs_go_on(here: World) -> None:
    here.vendor.always("trigger", 503)
    here.vendor.always("health", 500)
    ids = [await here.accepted() for _ in range(3)]
    await here.run_for(5 * MINUTE)
    assert len(here.vendor.to("trigger")) == 1
    here.vendor.reset()
    jobs = await here.end_of(*ids)
    assert {(job["status"], job["possibleDuplicate"]) for job in jobs} == {("succeeded", False)}


@pytest.mark.parametrize("wait", [90, 240])
async def test_the_retry_after_of_a_503_is_obeyed(here: World, wait: int) -> None:
    here.vendor.always("trigger", 503, retry_after=str(wait))
    job_id = await here.accepted()
    here.vendor.reset()
    await here.end_of(job_id)
    assert here.vendor.times("health")[0] - here.vendor.times("trigger")[0] >= wait * SECOND
    first, second = here.vendor.times("trigger")
    assert wait * SECOND <= second - first <= (wait + 62) * SECOND


async def test_a_health_call_that_hangs_is_no_200(here: World) -> None:
    here.vendor.always("trigger", 503)
    job_id = await here.accepted()
    here.vendor.reset()
    await here.simulated("/_faults", fault="hang", **{"for": "health"})
    await here.run_for(3 * MINUTE)
    assert (await here.job(job_id))["status"] == "queued"


# --- 429 -----------------------------------------------------------------------------------------------------------


def forms(at: datetime) -> dict[str, tuple[dict[str, str], dict[str, object]]]:
    """Every published way to say "not before `at`": headers and body."""
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


@pytest.mark.parametrize("form", forms(NOON))
async def test_a_429_closes_the_gate_until_the_time_that_it_says(here: World, form: str) -> None:
    at = here.clock.now() + 2 * MINUTE
    headers, body = forms(at)[form]
    here.vendor.always("trigger", 429, body, **headers)
    job = (await here.post()).json()
    assert (job["status"], job["waitReason"]) == ("queued", "rate_limited")
    assert moment(job["estimatedStartAt"]) == at
    here.vendor.reset()
    await here.clock.sleep(1)
    other = await here.accepted()
    jobs = await here.end_of(job["id"], other)
    assert all(at <= moment(job["startedAt"]) <= at + 62 * SECOND for job in jobs)
    assert [call.key for call in here.vendor.to("trigger")][:2] == [f"{job['id']}.1", f"{job['id']}.2"]


@pytest.mark.parametrize(
    ("said", "waits"), [("0", SECOND), ("-5", SECOND), ("1711036800", SECOND), ("99999", HOUR), ("soon", 30 * SECOND)]
)
async def test_what_a_429_says_is_clamped_to_a_second_and_an_hour(here: World, said: str, waits: timedelta) -> None:
    here.vendor.always("trigger", 429, {}, retry_after=said)
    job = (await here.post()).json()
    assert moment(job["estimatedStartAt"]) - here.clock.now() == waits


async def test_a_429_of_a_poll_moves_all_polls_back(open_world: Open) -> None:
    async with open_world(WIREFLOW_PLAN="enterprise", EXECUTIONS_PER_MINUTE="10") as here:
        ids = [await here.accepted() for _ in range(3)]
        told: list[datetime] = []

        def refuse_once(call: Call) -> httpx.Response | None:
            if told:
                return None
            told.append(call.at)
            return httpx.Response(429, headers={"Retry-After": "20"})

        here.vendor.answer("poll", refuse_once)
        jobs = await here.end_of(*ids)
        times = here.vendor.times("poll")
        # The polls that were already on their way are no offence.
        assert not [at for at in times if told[0] + SECOND < at < told[0] + 20 * SECOND]
        assert {job["status"] for job in jobs} == {"succeeded"}


# --- the minute and the plan ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", ["55", "59"])
@pytest.mark.parametrize("plan", ["pro", "enterprise"])
async def test_no_plan_starts_more_than_ten_in_any_minute(open_world: Open, plan: str, window: str) -> None:
    limits = {"WIREFLOW_PLAN": plan, "EXECUTIONS_PER_MINUTE": "10", "POLL_WINDOW_SECONDS": window}
    async with open_world(plan=plan, **limits) as here:
        ids = [await here.accepted() for _ in range(25)]
        jobs = await here.end_of(*ids)
        stats = await here.simulated("/_stats")
        assert {job["status"] for job in jobs} == {"succeeded"}
        assert (stats["maxStartsPerMinute"], stats["paidRuns"], stats["rateLimited"]) == (10, 25, 0)


async def test_on_the_free_plan_polls_and_starts_share_ten_requests_and_all_succeed(open_world: Open) -> None:
    """Starts do not wait for polls: some are refused and come again."""
    async with open_world(plan="free", WIREFLOW_PLAN="free", EXECUTIONS_PER_MINUTE="10") as here:
        ids = [await here.accepted() for _ in range(25)]
        jobs = await here.end_of(*ids)
        stats = await here.simulated("/_stats")
        assert {(job["status"], job["possibleDuplicate"]) for job in jobs} == {("succeeded", False)}
        assert (stats["maxStartsPerMinute"], stats["paidRuns"]) == (10, 25)


@pytest.mark.parametrize("plan", ["free", "starter"])
async def test_polls_leave_room_for_the_starts_and_are_never_refused(open_world: Open, plan: str) -> None:
    async with open_world(plan=plan, WIREFLOW_PLAN=plan, EXECUTIONS_PER_MINUTE="10") as here:
        await here.end_of(*[await here.accepted() for _ in range(25)])
        answers = (await here.simulated("/_stats"))["answers"]
        assert answers["poll"].keys() | answers.get("details", {}).keys() == {"200"}


async def test_gate_lines_hold_no_secret(here: World) -> None:
    here.vendor.always("trigger", 301, location="https://new.wireflow.ai/api/v1/workflow/demo-webhook/trigger")
    await here.accepted()
    assert here.log("gate_closed")
    assert "demo-webhook" not in here.lines.getvalue()


@pytest.mark.parametrize("case", ["402", "401", "403", "404"])
async def test_polls_that_are_answered_do_not_open_a_gate_that_the_paid_call_closed(
    open_world: Open, case: str
) -> None:
    status, body, _ = MENDABLE[case]
    async with open_world(run_seconds=(600.0, 600.0)) as here:
        running = await here.accepted()
        here.vendor.always("trigger", status, body)
        await here.accepted()
        await here.run_for(14 * MINUTE)
        assert (await here.job(running))["status"] == "succeeded"
        assert len(here.vendor.to("poll")) > 40
        assert len(here.vendor.to("trigger")) == 3, "at once and after 5 minutes; the next is due after 15"


@pytest.mark.parametrize("reset", [36_000, 4_102_444_800 - 1_772_452_800, -5])
async def test_no_header_of_an_answered_poll_stops_polls_for_longer_than_an_hour(open_world: Open, reset: int) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="10") as here:
        job_id = await here.accepted()
        until = str(int(here.clock.now().timestamp()) + reset)
        headers = {"x_ratelimit_limit": "10", "x_ratelimit_remaining": "0", "x_ratelimit_reset": until}
        here.vendor.always("poll", 200, {"status": "RUNNING"}, **headers)
        await here.run_window()
        here.vendor.reset()
        (job,) = await here.end_of(job_id, patience=70 * MINUTE)
        assert job["status"] == "succeeded"

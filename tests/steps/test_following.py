"""Following a run: how often it is polled, what each response leads to, and when it times out."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise

import httpx
import pytest

from tests.harness.vendor import Call
from tests.harness.world import World, moment
from tests.steps.conftest import OpenWorld
from tests.steps.run_responses import URL, run_response

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def gaps(times: list[datetime]) -> list[float]:
    return [(after - before) / SECOND for before, after in pairwise(times)]


# --- the schedule --------------------------------------------------------------------------------------------------


async def test_pauses_between_polls_start_at_1_s_and_grow_by_half_up_to_10_s(open_world: OpenWorld) -> None:
    async with open_world(run_seconds=(50.0, 50.0)) as world:
        await world.end_of(await world.accepted())
        (polls,) = world.simulator.state.stats.polls.values()
        pauses = gaps(polls)
        assert pauses[0] <= 2
        assert all(after <= 1.5 * before + 0.01 for before, after in pairwise(pauses)), pauses
        assert max(pauses) == 10
        assert pauses[-1] == 10


async def test_a_run_of_15_s_takes_five_or_six_polls(world: World) -> None:
    await world.end_of(await world.accepted())
    (polls,) = world.simulator.state.stats.polls.values()
    assert len(polls) in {5, 6}


async def test_a_run_that_spans_several_windows_keeps_its_poll_schedule(open_world: OpenWorld) -> None:
    async with open_world(run_seconds=(170.0, 170.0)) as world:
        await world.end_of(await world.accepted())
        polls = sorted(world.vendor.times("poll") + world.vendor.times("details"))
        assert all(gap >= 2 for gap in gaps(polls)[2:]), gaps(polls)
        assert max(gaps(polls)) <= 16, "the end of a window delays a poll by a few seconds at most"


async def test_the_details_endpoint_is_polled_every_60_s(open_world: OpenWorld) -> None:
    async with open_world(run_seconds=(300.0, 300.0)) as world:
        began = world.clock.now()
        await world.end_of(await world.accepted())
        first, *_ = times = world.vendor.times("details")
        assert 60 <= (first - began) / SECOND <= 72
        assert all(50 <= gap <= 75 for gap in gaps(times)), gaps(times)
        assert len(world.vendor.to("trigger")) == 1


async def test_a_run_whose_poll_endpoint_is_stuck_is_finished_by_its_details(world: World) -> None:
    (job,) = await world.end_of(await world.accepted("a cat [fault:stuck]"))
    assert job["status"] == "succeeded"
    assert moment(job["completedAt"]) - moment(job["startedAt"]) <= 80 * SECOND


# --- failed polls ------------------------------------------------------------------------------------------------


def disconnect(call: Call) -> httpx.Response:
    raise httpx.ReadError("connection reset", request=call.request)


def not_found(_call: Call) -> httpx.Response:
    return httpx.Response(404, json={"error": "Execution not found"})


BAD_RESPONSES: dict[str, Callable[[Call], httpx.Response]] = {
    **{
        str(status): lambda _call, status=status: httpx.Response(status, json={"error": "no"})
        for status in (400, 401, 402, 403, 409, 410, 429, 500, 502, 503, 301, 302)
    },
    "html": lambda _call: httpx.Response(502, html="<h1>Bad Gateway</h1>"),
    "html as 200": lambda _call: httpx.Response(200, html="<h1>Sign in</h1>"),
    "empty": lambda _call: httpx.Response(200, content=b""),
    "a list": lambda _call: httpx.Response(200, json=[]),
    "truncated": lambda _call: httpx.Response(200, content=b'{"status":"COMP'),
    "another shape": lambda _call: httpx.Response(200, json={"state": "done", "progress": 1}),
    "disconnect": disconnect,
}


@pytest.mark.parametrize("case", BAD_RESPONSES)
async def test_ten_minutes_of_failed_polls_do_not_end_a_job(world: World, case: str) -> None:
    job_id = await world.accepted()
    world.vendor.answer("poll", BAD_RESPONSES[case])
    world.vendor.answer("details", BAD_RESPONSES[case])
    await world.run_for(10 * MINUTE)
    assert (await world.job(job_id))["status"] == "running"
    polls = len(world.vendor.to("poll")) + len(world.vendor.to("details"))
    assert polls <= 70, "pauses grow after failed polls"
    world.vendor.reset()
    (job,) = await world.end_of(job_id)
    assert (job["status"], job["possibleDuplicate"], world.paid) == ("succeeded", False, 1)


@pytest.mark.parametrize(
    "fault", ["hang", "cut_in_header", "cut_in_body", "slow_first_byte", "trickle", "wrong_content_length"]
)
async def test_broken_connections_of_polls_do_not_end_a_job(world: World, fault: str) -> None:
    await world.simulated("/_faults", fault=fault, times=3, **{"for": "poll"})
    (job,) = await world.end_of(await world.accepted())
    assert (job["status"], world.paid) == ("succeeded", 1)


async def test_a_single_404_is_cleared_by_the_next_poll(world: World) -> None:
    job_id = await world.accepted()
    world.vendor.answer("poll", not_found)
    world.vendor.answer("details", not_found)
    await world.run_window()
    world.vendor.reset()
    (job,) = await world.end_of(job_id)
    assert (job["status"], job["possibleDuplicate"]) == ("succeeded", False)
    assert (await world.record(job_id)).missing_since is None


async def test_a_404_from_the_poll_endpoint_alone_is_ignored(open_world: OpenWorld) -> None:
    async with open_world(run_seconds=(120.0, 120.0)) as world:
        world.vendor.answer("poll", not_found)
        (job,) = await world.end_of(await world.accepted())
        assert (job["status"], job["possibleDuplicate"]) == ("succeeded", False)


async def test_404_from_both_endpoints_for_a_minute_is_an_unknown_outcome(world: World) -> None:
    began = world.clock.now()
    world.vendor.answer("poll", not_found)
    world.vendor.answer("details", not_found)
    job_id = await world.accepted()

    def recover(_call: Call) -> None:
        world.vendor.reset()

    world.vendor.answer("trigger", recover)
    (job,) = await world.end_of(job_id)
    first, second = world.vendor.to("trigger")
    assert second.at - began >= 61 * SECOND
    assert first.key == second.key
    assert (job["status"], job["possibleDuplicate"]) == ("succeeded", True)


async def test_a_run_that_stays_missing_is_charged_unknown(world: World) -> None:
    world.vendor.answer("poll", not_found)
    world.vendor.answer("details", not_found)
    (job,) = await world.end_of(await world.accepted())
    assert (job["status"], job["errorCode"], job["errorCharged"]) == ("failed", "outcome_unknown", "unknown")
    assert len(world.vendor.to("trigger")) == 2
    assert job["errorMessage"] == f"Wireflow started the run {job['executionId']}, but does not know it."


async def test_while_wireflow_knows_no_run_that_it_has_started_no_other_job_is_paid(world: World) -> None:
    world.vendor.answer("poll", not_found)
    world.vendor.answer("details", not_found)
    await world.accepted()
    await world.run_for(3 * MINUTE)
    paid = len(world.vendor.to("trigger"))
    others = [(await world.post()).json() for _ in range(5)]
    assert {(job["status"], job["waitReason"]) for job in others} == {("queued", "key_refused")}
    await world.run_for(3 * MINUTE)
    assert len(world.vendor.to("trigger")) <= paid + 1, "only a trial"
    errors = [line for line in world.log("outcome_unknown") if line["severity"] == "ERROR"]
    assert "WIREFLOW_API_KEY" in errors[0]["message"]
    world.vendor.reset()
    ended = await world.end_of(*(job["id"] for job in others))
    assert {job["status"] for job in ended} == {"succeeded"}


async def test_a_lost_run_beside_one_that_is_known_suspends_nothing(world: World) -> None:
    lost = await world.accepted()
    run = (await world.record(lost)).execution_id

    def unknown(call: Call) -> httpx.Response | None:
        return not_found(call) if run and run in call.request.url.path else None

    world.vendor.answer("poll", unknown)
    world.vendor.answer("details", unknown)
    for _ in range(8):
        await world.accepted()
        await world.run_for(20 * SECOND)
    assert len([call for call in world.vendor.to("trigger") if call.key == f"{lost}.1"]) == 2
    assert not world.log("gate_closed")


async def test_with_on_unknown_hold_a_lost_run_is_not_retried(open_world: OpenWorld) -> None:
    async with open_world(ON_UNKNOWN="hold") as world:
        world.vendor.answer("poll", not_found)
        world.vendor.answer("details", not_found)
        (job,) = await world.end_of(await world.accepted())
        assert (job["status"], job["errorCode"], len(world.vendor.to("trigger"))) == ("failed", "outcome_unknown", 1)


async def test_a_lost_run_that_had_reported_its_image_is_copied_and_not_paid_for_again(world: World) -> None:
    job_id = await world.accepted()
    world.vendor.always("poll", 200, run_response("RUNNING", URL))
    await world.run_window()
    world.vendor.answer("poll", not_found)
    world.vendor.answer("details", not_found)
    (job,) = await world.end_of(job_id)
    assert (job["status"], job["imageCount"], job["possibleDuplicate"]) == ("succeeded", 1, False)
    assert len(world.vendor.to("trigger")) == 1


# --- timeouts ----------------------------------------------------------------------------------------------------


async def assert_due_in_an_hour(world: World, job_id: str) -> None:
    record = await world.record(job_id)
    assert record.due_at is not None
    assert record.completed_at is not None
    assert record.due_at - record.completed_at == HOUR


async def test_a_run_times_out_after_20_minutes(world: World) -> None:
    (job,) = await world.end_of(await world.accepted("a cat [fault:never_ends]"))
    assert (job["status"], job["errorCode"], job["errorCharged"]) == ("failed", "timed_out", "unknown")
    assert timedelta() <= moment(job["completedAt"]) - moment(job["startedAt"]) - 20 * MINUTE <= 2 * MINUTE
    assert (world.paid, len(world.vendor.to("trigger"))) == (1, 1)


async def test_the_run_deadline_is_a_setting(open_world: OpenWorld) -> None:
    async with open_world(RUN_DEADLINE_SECONDS="120") as world:
        (job,) = await world.end_of(await world.accepted("a cat [fault:never_ends]"))
        assert moment(job["completedAt"]) - moment(job["startedAt"]) <= 4 * MINUTE


async def test_a_run_that_timed_out_is_rechecked_once_an_hour_later(world: World) -> None:
    job_id = await world.accepted("a cat [fault:never_ends]")
    (job,) = await world.end_of(job_id)
    before = len(world.vendor.calls)
    await assert_due_in_an_hour(world, job_id)
    await world.run_for(50 * MINUTE)
    assert len(world.vendor.calls) == before
    await world.run_for(3 * HOUR)
    assert 1 <= len(world.vendor.calls) - before <= 2, "one poll, perhaps one of the details"
    assert await world.job(job_id) == job


async def test_a_late_result_rescues_the_job(open_world: OpenWorld) -> None:
    async with open_world(run_seconds=(3000.0, 3000.0)) as world:
        job_id = await world.accepted()
        (job,) = await world.end_of(job_id)
        assert (job["status"], job["errorCode"]) == ("failed", "timed_out")
        await world.run_for(70 * MINUTE)
        job = await world.job(job_id)
        assert (job["status"], job["imageCount"], job["errorCode"]) == ("succeeded", 1, None)
        assert (await world.http.get(job["imageUrl"])).status_code == 200
        assert world.paid == 1


@pytest.mark.parametrize(
    ("status", "code"),
    [("RUNNING", None), ("ARCHIVED", None), ("SUCCEEDED", None), ("FAILED", "timed_out"), ("EXPIRED", "timed_out")],
)
async def test_a_late_image_rescues_the_job_unless_its_run_has_failed(
    world: World, status: str, code: str | None
) -> None:
    job_id = await world.accepted("https://example.com/a.png [fault:never_ends]")
    await world.end_of(job_id)
    world.vendor.always("poll", 200, run_response(status, "https://example.com/a.png"))
    world.vendor.always("details", 200, run_response(status, URL))
    await world.run_for(70 * MINUTE)
    job = await world.job(job_id)
    assert (job["status"], job["errorCode"]) == ("failed" if code else "succeeded", code)
    assert [image["sourceUrl"] for image in job["images"]] == [URL]


async def test_a_recheck_is_retried_after_an_outage(open_world: OpenWorld) -> None:
    async with open_world(run_seconds=(3000.0, 3000.0)) as world:
        job_id = await world.accepted()
        await world.end_of(job_id)
        await world.run_for(50 * MINUTE)
        world.vendor.always("poll", 503)
        world.vendor.always("details", 503)
        await world.run_for(40 * MINUTE)
        world.vendor.reset()
        await world.run_for(30 * MINUTE)
        assert (await world.job(job_id))["status"] == "succeeded"


@pytest.mark.parametrize("status", ["RUNNING", "ARCHIVED", ""])
async def test_at_the_deadline_a_job_whose_images_are_stored_has_succeeded(world: World, status: str) -> None:
    job_id = await world.accepted()
    world.vendor.always("poll", 200, run_response(status, URL))
    world.vendor.always("details", 200, run_response(status, URL))
    (job,) = await world.end_of(job_id)
    assert (job["status"], job["errorCode"], job["imageCount"]) == ("succeeded", None, 1)
    assert moment(job["completedAt"]) - moment(job["startedAt"]) >= 20 * MINUTE


async def test_at_the_deadline_a_job_whose_image_cannot_be_stored_fails(world: World) -> None:
    job_id = await world.accepted()
    world.vendor.always("poll", 200, run_response("ARCHIVED", URL))
    world.vendor.always("details", 200, run_response("ARCHIVED", URL))
    world.vendor.always("cdn", 410)
    world.vendor.always("download", 410)
    (job,) = await world.end_of(job_id)
    assert (job["status"], job["errorCode"], job["errorCharged"]) == ("failed", "image_expired", "yes")

"""Following a run: how often it is asked about, what an answer means, and when it is given up on."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest

from tests.harness.vendor import Call
from tests.harness.world import World, moment
from tests.steps.conftest import Open

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
URL = "https://wireflow.test/cdn/exec_00000001/0.png"


def gaps(times: list[datetime]) -> list[float]:
    return [(after - before) / SECOND for before, after in pairwise(times)]


def told(status: str, *urls: str, **more: Any) -> dict[str, Any]:
    """A poll's answer in the flat shape."""
    outputs = {"images": [{"url": url} for url in urls]} if urls else None
    return {
        "status": status,
        "error": None,
        "nodeResults": {"nodeRuns": [{"status": status, "output": outputs}]},
        **more,
    }


# --- the schedule --------------------------------------------------------------------------------------------------


async def test_polls_come_after_1_s_then_half_as_long_again_and_at_most_10_s_apart(open_world: Open) -> None:
    async with open_world(run_seconds=(50.0, 50.0)) as here:
        await here.end_of(await here.accepted())
        (polls,) = here.simulator.state.stats.polls.values()
        waited = gaps(polls)
        assert waited[0] <= 2
        assert all(after <= 1.5 * before + 0.01 for before, after in pairwise(waited)), waited
        assert max(waited) == 10
        assert waited[-1] == 10


async def test_a_run_of_15_s_costs_five_or_six_polls(here: World) -> None:
    await here.end_of(await here.accepted())
    (polls,) = here.simulator.state.stats.polls.values()
    assert len(polls) in {5, 6}


async def test_a_run_handed_from_window_to_window_keeps_the_rhythm(open_world: Open) -> None:
    async with open_world(run_seconds=(170.0, 170.0)) as here:
        await here.end_of(await here.accepted())
        asked = sorted(here.vendor.times("poll") + here.vendor.times("details"))
        assert all(gap >= 2 for gap in gaps(asked)[2:]), gaps(asked)
        assert max(gaps(asked)) <= 16, "a window's end costs a few seconds, no more"


async def test_after_60_s_the_details_are_asked_and_then_every_60_s(open_world: Open) -> None:
    async with open_world(run_seconds=(300.0, 300.0)) as here:
        began = here.clock.now()
        await here.end_of(await here.accepted())
        first, *_ = times = here.vendor.times("details")
        assert 60 <= (first - began) / SECOND <= 72
        assert all(50 <= gap <= 75 for gap in gaps(times)), gaps(times)
        assert len(here.vendor.to("trigger")) == 1


async def test_a_run_whose_polls_are_stuck_ends_by_its_details(here: World) -> None:
    (job,) = await here.end_of(await here.accepted("a cat [fault:stuck]"))
    assert job["status"] == "succeeded"
    assert moment(job["completedAt"]) - moment(job["startedAt"]) <= 80 * SECOND


# --- no error of a poll ends a job ---------------------------------------------------------------------------------


def cut(call: Call) -> httpx.Response:
    raise httpx.ReadError("connection reset", request=call.request)


def not_found(_call: Call) -> httpx.Response:
    return httpx.Response(404, json={"error": "Execution not found"})


BAD_ANSWERS: dict[str, Callable[[Call], httpx.Response]] = {
    **{
        str(status): lambda _call, status=status: httpx.Response(status, json={"error": "no"})
        for status in (400, 401, 402, 403, 409, 410, 429, 500, 502, 503, 301, 302)
    },
    "html": lambda _call: httpx.Response(502, html="<h1>Bad Gateway</h1>"),
    "html as 200": lambda _call: httpx.Response(200, html="<h1>Sign in</h1>"),
    "nothing": lambda _call: httpx.Response(200, content=b""),
    "a list": lambda _call: httpx.Response(200, json=[]),
    "half of it": lambda _call: httpx.Response(200, content=b'{"status":"COMP'),
    "another shape": lambda _call: httpx.Response(200, json={"state": "done", "progress": 1}),
    "cut": cut,
}


@pytest.mark.parametrize("case", BAD_ANSWERS)
async def test_bad_answers_for_ten_minutes_end_no_job(here: World, case: str) -> None:
    job_id = await here.accepted()
    here.vendor.answer("poll", BAD_ANSWERS[case])
    here.vendor.answer("details", BAD_ANSWERS[case])
    await here.run_for(10 * MINUTE)
    assert (await here.job(job_id))["status"] == "running"
    asked = len(here.vendor.to("poll")) + len(here.vendor.to("details"))
    assert asked <= 70, "errors are asked after with growing pauses"
    here.vendor.reset()
    (job,) = await here.end_of(job_id)
    assert (job["status"], job["possibleDuplicate"], here.paid) == ("succeeded", False, 1)


@pytest.mark.parametrize(
    "fault", ["hang", "cut_in_header", "cut_in_body", "slow_first_byte", "trickle", "wrong_content_length"]
)
async def test_polls_that_break_on_the_wire_end_no_job(here: World, fault: str) -> None:
    await here.simulated("/_faults", fault=fault, times=3, **{"for": "poll"})
    (job,) = await here.end_of(await here.accepted())
    assert (job["status"], here.paid) == ("succeeded", 1)


async def test_a_single_404_is_forgotten(here: World) -> None:
    job_id = await here.accepted()
    here.vendor.answer("poll", not_found)
    here.vendor.answer("details", not_found)
    await here.run_window()
    here.vendor.reset()
    (job,) = await here.end_of(job_id)
    assert (job["status"], job["possibleDuplicate"]) == ("succeeded", False)
    assert (await here.record(job_id)).missing_since is None


async def test_a_404_of_the_polls_alone_means_nothing(open_world: Open) -> None:
    async with open_world(run_seconds=(120.0, 120.0)) as here:
        here.vendor.answer("poll", not_found)
        (job,) = await here.end_of(await here.accepted())
        assert (job["status"], job["possibleDuplicate"]) == ("succeeded", False)


async def test_both_404_twice_a_minute_apart_is_an_unknown_outcome(here: World) -> None:
    began = here.clock.now()
    here.vendor.answer("poll", not_found)
    here.vendor.answer("details", not_found)
    job_id = await here.accepted()

    def heal(_call: Call) -> None:
        here.vendor.reset()

    here.vendor.answer("trigger", heal)
    (job,) = await here.end_of(job_id)
    first, second = here.vendor.to("trigger")
    assert second.at - began >= 61 * SECOND
    assert first.key == second.key
    assert (job["status"], job["possibleDuplicate"]) == ("succeeded", True)


async def test_both_404_for_good_is_charged_unknown(here: World) -> None:
    here.vendor.answer("poll", not_found)
    here.vendor.answer("details", not_found)
    (job,) = await here.end_of(await here.accepted())
    assert (job["status"], job["errorCode"], job["errorCharged"]) == ("failed", "outcome_unknown", "unknown")
    assert len(here.vendor.to("trigger")) == 2


async def test_on_hold_a_lost_run_is_left_to_a_person(open_world: Open) -> None:
    async with open_world(ON_UNKNOWN="hold") as here:
        here.vendor.answer("poll", not_found)
        here.vendor.answer("details", not_found)
        (job,) = await here.end_of(await here.accepted())
        assert (job["status"], job["errorCode"], len(here.vendor.to("trigger"))) == ("failed", "outcome_unknown", 1)


async def test_a_lost_run_that_has_shown_its_image_is_copied_and_not_paid_again(here: World) -> None:
    job_id = await here.accepted()
    here.vendor.always("poll", 200, told("RUNNING", URL))
    await here.run_window()
    here.vendor.answer("poll", not_found)
    here.vendor.answer("details", not_found)
    (job,) = await here.end_of(job_id)
    assert (job["status"], job["imageCount"], job["possibleDuplicate"]) == ("succeeded", 1, False)
    assert len(here.vendor.to("trigger")) == 1


# --- how a run ends ------------------------------------------------------------------------------------------------


async def test_image_urls_are_saved_as_soon_as_they_are_known(open_world: Open) -> None:
    async with open_world(run_seconds=(40.0, 40.0), POLL_WINDOW_SECONDS="30") as here:
        job_id = await here.accepted("a cat [fault:image_before_end]")
        await here.run_window()
        job = await here.job(job_id)
        assert job["status"] == "running"
        assert [image["sourceUrl"] for image in job["images"]] == [URL]
        (job,) = await here.end_of(job_id)
        assert (job["status"], job["imageCount"]) == ("succeeded", 1)


async def test_an_address_that_is_signed_anew_is_the_same_image_and_the_newest_is_used(here: World) -> None:
    job_id = await here.accepted()
    answers = [told("RUNNING", f"{URL}?sig=1"), told("RUNNING", f"{URL}?sig=2"), told("COMPLETED", f"{URL}?sig=3")]
    here.vendor.answer("poll", lambda _call: httpx.Response(200, json=answers.pop(0)))
    (job,) = await here.end_of(job_id)
    assert [image["sourceUrl"] for image in job["images"]] == [f"{URL}?sig=3"]
    assert [call.request.url.query for call in here.vendor.to("cdn")] == [b"sig=3"]


async def test_an_image_that_was_shown_once_is_kept(here: World) -> None:
    job_id = await here.accepted(count=2)
    second = URL.replace("0.png", "1.png")
    answers = [told("RUNNING", URL), told("COMPLETED", second)]
    here.vendor.answer("poll", lambda _call: httpx.Response(200, json=answers.pop(0)))
    (job,) = await here.end_of(job_id)
    assert {image["sourceUrl"] for image in job["images"]} == {URL, second}


async def test_completed_without_an_image_is_asked_once_more_after_5_s(here: World) -> None:
    (job,) = await here.end_of(await here.accepted("a cat [fault:completed_without_image]"))
    assert (job["status"], job["errorCode"]) == ("failed", "completed_without_image")
    (polls,) = here.simulator.state.stats.polls.values()
    assert gaps(polls)[-1] == 5
    (run,) = here.simulator.state.runs.all()
    assert sum(at >= run.ends_at for at in polls) == 2


async def test_an_image_that_comes_a_little_late_is_kept(here: World) -> None:
    job_id = await here.accepted()
    answers = [told("COMPLETED"), told("COMPLETED", URL)]
    here.vendor.answer("poll", lambda _call: httpx.Response(200, json=answers.pop(0)) if answers else None)
    (job,) = await here.end_of(job_id)
    assert (job["status"], job["imageCount"]) == ("succeeded", 1)


@pytest.mark.parametrize(
    ("word", "code", "charged"),
    [("FAILED", "upstream_error", "no"), ("CANCELLED", "canceled", "unknown"), ("TIMEOUT", "timed_out", "unknown")],
)
async def test_a_run_that_fails_fails_its_job(here: World, word: str, code: str, charged: str) -> None:
    job_id = await here.accepted()
    here.vendor.always("poll", 200, told(word, error="the model broke"), x_request_id="req_9")
    (job,) = await here.end_of(job_id)
    assert (job["status"], job["errorCode"], job["errorCharged"]) == ("failed", code, charged)
    assert (job["errorMessage"], job["requestId"]) == ("the model broke", "req_9")
    assert len(here.vendor.to("trigger")) == 1


@pytest.mark.parametrize("word", ["FAILED", "CANCELLED", "TIMEOUT"])
async def test_images_of_a_failed_run_were_paid_for_and_are_kept(here: World, word: str) -> None:
    job_id = await here.accepted()
    here.vendor.always("poll", 200, told(word, URL, error="the second node broke"))
    (job,) = await here.end_of(job_id)
    assert (job["status"], job["errorCharged"], job["imageCount"]) == ("failed", "yes", 1)
    assert job["errorMessage"] == "the second node broke"
    answer = await here.http.get(job["images"][0]["url"])
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")


async def test_what_a_failed_run_says_is_passed_on_without_our_secrets(here: World) -> None:
    job_id = await here.accepted()
    here.vendor.always("poll", 200, told("FAILED", error="webhook demo-webhook, key sk-simulator: out of memory", x=1))
    (job,) = await here.end_of(job_id)
    assert job["errorMessage"] == "webhook [hidden], key [hidden]: out of memory"
    kept = repr(await here.record(job_id))
    assert "out of memory" in kept
    assert "demo-webhook" not in kept
    assert "sk-simulator" not in kept


async def test_a_refusal_by_moderation_is_named(here: World) -> None:
    (job,) = await here.end_of(await here.accepted("a cat [fault:moderation]"))
    assert (job["errorCode"], job["errorCharged"], job["errorRetryable"]) == ("moderation", "no", False)
    assert "content policy" in job["errorMessage"]


async def test_the_request_s_own_image_is_no_result(here: World) -> None:
    own = "https://wireflow.test/input.png"
    job_id = await here.accepted(image1=own)
    here.vendor.always("poll", 200, told("COMPLETED", own, URL))
    (job,) = await here.end_of(job_id)
    assert [image["sourceUrl"] for image in job["images"]] == [URL]


@pytest.mark.parametrize("fault", ["unknown_status", "missing_status"])
async def test_what_was_never_seen_is_told_and_kept_and_ends_nothing(here: World, fault: str) -> None:
    job_id = await here.accepted(f"a cat [fault:{fault}]")
    (job,) = await here.end_of(job_id)
    assert job["status"] == "succeeded"
    (line,) = here.log("unknown_shape")
    assert line["jobId"] == job_id
    assert "nodeRuns" in str((await here.record(job_id)).last_response)


async def test_what_is_new_is_told_once_a_kind_and_kept_with_each_job(here: World) -> None:
    ids = [await here.accepted("a cat [fault:unknown_status]") for _ in range(3)]
    ids += [await here.accepted("a cat [fault:missing_status]") for _ in range(3)]
    await here.end_of(*ids)
    assert sorted(line["kind"] for line in here.log("unknown_shape")) == ["no status", "status WARMING_UP"]
    assert all([(await here.record(job_id)).last_response for job_id in ids])
    assert here.deps.unknown_shapes.counts["status WARMING_UP"] >= 3


async def test_a_new_name_is_news_and_no_reason_to_worry(here: World) -> None:
    job_id = await here.accepted()
    here.vendor.always("poll", 200, told("COMPLETED", URL, watermark={"strength": 3}))
    (job,) = await here.end_of(job_id)
    assert job["status"] == "succeeded"
    lines = here.log("unknown_shape")
    assert {line["severity"] for line in lines} == {"INFO"}
    assert any("watermark" in line["kind"] for line in lines)
    assert "watermark" in str((await here.record(job_id)).last_response)


async def test_an_answer_that_is_kept_is_bounded(here: World) -> None:
    job_id = await here.accepted()
    here.vendor.always("poll", 200, {"status": "WARMING_UP", "noise": "x" * 1_000_000})
    await here.run_window()
    assert len(str((await here.record(job_id)).last_response)) <= 4_096


# --- giving up -----------------------------------------------------------------------------------------------------


async def test_after_20_minutes_a_run_is_given_up_on(here: World) -> None:
    (job,) = await here.end_of(await here.accepted("a cat [fault:never_ends]"))
    assert (job["status"], job["errorCode"], job["errorCharged"]) == ("failed", "timed_out", "unknown")
    assert timedelta() <= moment(job["completedAt"]) - moment(job["startedAt"]) - 20 * MINUTE <= 2 * MINUTE
    assert (here.paid, len(here.vendor.to("trigger"))) == (1, 1)


async def test_the_deadline_is_a_setting(open_world: Open) -> None:
    async with open_world(RUN_DEADLINE_SECONDS="120") as here:
        (job,) = await here.end_of(await here.accepted("a cat [fault:never_ends]"))
        assert moment(job["completedAt"]) - moment(job["startedAt"]) <= 4 * MINUTE


async def test_a_run_given_up_on_is_looked_at_once_more_an_hour_later(here: World) -> None:
    job_id = await here.accepted("a cat [fault:never_ends]")
    (job,) = await here.end_of(job_id)
    seen = len(here.vendor.calls)
    await here.run_for(50 * MINUTE)
    assert len(here.vendor.calls) == seen
    await here.run_for(3 * HOUR)
    assert 1 <= len(here.vendor.calls) - seen <= 2, "the poll and perhaps the details"
    assert await here.job(job_id) == job


async def test_a_late_result_is_kept(open_world: Open) -> None:
    async with open_world(run_seconds=(3000.0, 3000.0)) as here:
        job_id = await here.accepted()
        (job,) = await here.end_of(job_id)
        assert (job["status"], job["errorCode"]) == ("failed", "timed_out")
        await here.run_for(70 * MINUTE)
        job = await here.job(job_id)
        assert (job["status"], job["imageCount"], job["errorCode"]) == ("succeeded", 1, None)
        assert (await here.http.get(job["imageUrl"])).status_code == 200
        assert here.paid == 1


async def test_the_late_look_outlives_an_outage(open_world: Open) -> None:
    async with open_world(run_seconds=(3000.0, 3000.0)) as here:
        job_id = await here.accepted()
        await here.end_of(job_id)
        await here.run_for(50 * MINUTE)
        here.vendor.always("poll", 503)
        here.vendor.always("details", 503)
        await here.run_for(40 * MINUTE)
        here.vendor.reset()
        await here.run_for(30 * MINUTE)
        assert (await here.job(job_id))["status"] == "succeeded"


async def test_images_of_a_run_that_never_ends_are_kept_when_it_is_given_up_on(here: World) -> None:
    job_id = await here.accepted()
    here.vendor.always("poll", 200, told("RUNNING", URL))
    here.vendor.always("details", 200, told("RUNNING", URL))
    (job,) = await here.end_of(job_id)
    assert (job["status"], job["errorCode"], job["imageCount"]) == ("failed", "timed_out", 1)


async def test_a_run_that_was_given_up_on_with_an_image_in_hand_is_looked_at_once_more(here: World) -> None:
    job_id = await here.accepted("a cat [fault:never_ends]")
    await here.end_of(job_id)
    job = await here.deps.store.get(job_id)
    assert job is not None
    assert job.due_at is not None
    assert job.completed_at is not None
    assert job.due_at - job.completed_at == timedelta(hours=1)

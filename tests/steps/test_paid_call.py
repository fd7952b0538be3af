"""The paid call: answered for within ten seconds, made once, and repeated once if nobody knows what came of it."""

import asyncio
from datetime import timedelta

import httpx
import pytest

from tests.harness.vendor import Call
from tests.harness.world import World, moment
from tests.steps.conftest import Open

SECOND = timedelta(seconds=1)
OUTAGES = [
    "hang",
    "hang_after_start",
    "cut_in_header",
    "server_error_once",
    "html_error",
    "slow_first_byte",
    "trickle@trigger",
]


def cut(call: Call) -> httpx.Response:
    """Sent, and never answered."""
    raise httpx.ReadError("connection reset", request=call.request)


@pytest.mark.parametrize(
    "fault", [*OUTAGES, "key_expired", "rate_limited_epoch", "unavailable", "insufficient_credits"]
)
async def test_the_answer_comes_within_ten_seconds_whatever_wireflow_does(here: World, fault: str) -> None:
    began = here.clock.now()
    answer = await here.post(f"a cat [fault:{fault}]")
    assert answer.status_code == 202
    assert here.clock.now() - began <= 10 * SECOND


async def test_the_paid_call_has_eight_seconds(here: World) -> None:
    began = here.clock.now()
    await here.accepted("a cat [fault:hang]")
    assert here.clock.now() - began == 8 * SECOND


async def test_an_answer_in_drops_has_eight_seconds_as_a_whole(open_world: Open) -> None:
    async with open_world(slow_seconds=100) as here:
        began = here.clock.now()
        await here.accepted("a cat [fault:trickle@trigger]")
        assert here.clock.now() - began == 8 * SECOND


# --- unknown -------------------------------------------------------------------------------------------------------


async def test_an_unknown_outcome_keeps_the_job_triggering(here: World) -> None:
    answer = await here.post("a cat [fault:hang]")
    assert answer.json()["status"] == "triggering"
    assert "did not answer clearly" in answer.json()["message"]
    assert answer.json()["possibleDuplicate"] is False


@pytest.mark.parametrize("fault", ["hang", "hang_after_start", "cut_in_header", "server_error_once", "slow_first_byte"])
async def test_an_unknown_outcome_is_repeated_once_with_the_same_key_and_marked(here: World, fault: str) -> None:
    (job,) = await here.end_of(await here.accepted(f"a cat [fault:{fault}]"))
    first, second = here.vendor.to("trigger")
    assert first.key == second.key == f"{job['id']}.1"
    assert (job["status"], job["possibleDuplicate"]) == ("succeeded", True)
    assert here.paid == 1


async def test_the_mark_is_written_before_the_repetition_is_sent(here: World) -> None:
    job_id = await here.accepted("a cat [fault:hang]")
    marks = []

    async def look(call: Call) -> None:
        if call.endpoint == "trigger":
            marks.append((await here.record(job_id)).possible_duplicate)

    here.vendor.script = look
    await here.end_of(job_id)
    assert marks == [True]


async def test_the_repetition_waits_until_the_lease_is_over_and_wireflow_is_well(here: World) -> None:
    here.vendor.answer("trigger", cut)
    here.vendor.always("health", 503)
    began = here.clock.now()
    job_id = await here.accepted()
    await here.run_for(timedelta(minutes=10))
    assert len(here.vendor.to("trigger")) == 1, "an outage must not eat the one repetition"
    here.vendor.reset()
    (job,) = await here.end_of(job_id)
    assert (job["status"], job["possibleDuplicate"]) == ("succeeded", True)
    assert here.vendor.times("trigger")[1] - began >= 60 * SECOND


async def test_the_repetition_does_not_come_while_the_lease_lasts(open_world: Open) -> None:
    async with open_world(LEASE_SECONDS="200") as here:
        await here.end_of(await here.accepted("a cat [fault:hang]"))
        first, second = here.vendor.times("trigger")
        assert second - first >= 200 * SECOND


@pytest.mark.parametrize("status", [500, 502, 504, 409])
async def test_unknown_again_or_409_is_the_end(here: World, status: int) -> None:
    here.vendor.answer("trigger", cut)
    job_id = await here.accepted()
    here.vendor.always("trigger", status, {"error": "no"})
    (job,) = await here.end_of(job_id)
    assert (job["status"], job["errorCode"], job["errorCharged"]) == ("failed", "outcome_unknown", "unknown")
    assert job["possibleDuplicate"] is True
    assert len(here.vendor.to("trigger")) == 2


@pytest.mark.parametrize("status", [429, 402, 401, 503])
async def test_a_repetition_that_is_refused_waits_and_keeps_its_key(here: World, status: int) -> None:
    """The first run may live: with another key it would be paid for again."""
    job_id = await here.accepted("a cat [fault:hang_after_start]")
    here.vendor.always("trigger", status, {"error": "no"})
    await here.run_for(timedelta(minutes=3))
    assert (await here.job(job_id))["status"] == "queued"
    here.vendor.reset()
    (job,) = await here.end_of(job_id)
    assert (job["status"], job["possibleDuplicate"]) == ("succeeded", True)
    assert {call.key for call in here.vendor.to("trigger")} == {f"{job_id}.1"}
    assert here.paid == 1


async def test_on_hold_an_unknown_outcome_is_left_to_a_person(open_world: Open) -> None:
    async with open_world(ON_UNKNOWN="hold") as here:
        answer = await here.post("a cat [fault:hang_after_start]")
        job = answer.json()
        assert (job["status"], job["errorCode"], job["errorCharged"]) == ("failed", "outcome_unknown", "unknown")
        assert job["possibleDuplicate"] is False
        await here.run_for(timedelta(minutes=5))
        assert len(here.vendor.to("trigger")) == 1


@pytest.mark.parametrize("on_unknown", ["retry", "hold"])
async def test_our_own_crash_is_an_unknown_outcome(open_world: Open, on_unknown: str) -> None:
    async with open_world(ON_UNKNOWN=on_unknown) as here:
        post = asyncio.create_task(here.post("a cat [fault:hang_after_start]", key="k"))
        await here.clock.sleep(1)
        post.cancel()  # the instance is gone while the call is on its way
        await asyncio.gather(post, return_exceptions=True)
        answer = await here.post("a cat [fault:hang_after_start]", key="k")
        assert answer.json()["status"] == "triggering"
        (job,) = await here.end_of(answer.json()["id"])
        if on_unknown == "hold":
            assert (job["status"], job["errorCode"], job["errorCharged"]) == ("failed", "outcome_unknown", "unknown")
            assert len(here.vendor.to("trigger")) == 1
        else:
            assert (job["status"], job["possibleDuplicate"]) == ("succeeded", True)


async def test_a_vendor_without_keys_is_paid_twice_at_most_and_the_job_says_so(open_world: Open) -> None:
    async with open_world(honour_keys=False) as here:
        (job,) = await here.end_of(await here.accepted("a cat [fault:hang_after_start]"))
        assert (job["status"], job["possibleDuplicate"], here.paid) == ("succeeded", True, 2)


async def test_an_accepted_call_without_an_id_does_not_close_the_gate(here: World) -> None:
    await here.accepted("a cat [fault:no_execution_id]")
    assert (await here.post()).json()["status"] == "running"


@pytest.mark.parametrize("fault", OUTAGES[:5])
async def test_an_outage_makes_the_others_wait(here: World, fault: str) -> None:
    await here.accepted(f"a cat [fault:{fault}]")
    job = (await here.post()).json()
    assert job["status"] == "queued"
    assert job["waitReason"] in {"upstream_error", "upstream_unreachable"}
    assert len(here.vendor.to("trigger")) == 1


# --- refused -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 409, 413, 422])
async def test_what_the_caller_must_mend_fails_at_once(here: World, status: int) -> None:
    here.vendor.always("trigger", status, {"error": "Missing required fields"}, x_request_id="req_7")
    job = (await here.post()).json()
    assert (job["status"], job["errorCode"], job["errorCharged"]) == ("failed", "invalid_request", "no")
    assert job["errorRetryable"] is False
    assert (job["requestId"], job["errorMessage"]) == ("req_7", "Missing required fields")
    here.vendor.reset()
    assert (await here.post()).json()["status"] == "running", "one caller's mistake is no reason for others to wait"


REFUSALS = {
    401: "key_refused",
    402: "insufficient_credits",
    403: "key_refused",
    404: "workflow_not_found",
    301: "configuration",
    308: "configuration",
    429: "rate_limited",
    503: "upstream_unreachable",
}


@pytest.mark.parametrize("status", REFUSALS)
async def test_what_others_must_mend_waits_and_says_why(here: World, status: int) -> None:
    here.vendor.always("trigger", status, {"error": "no"}, x_request_id="req_7")
    answer = await here.post()
    assert answer.status_code == 202
    job = answer.json()
    assert (job["status"], job["waitReason"], job["errorCode"]) == ("queued", REFUSALS[status], None)
    assert job["requestId"] == "req_7"
    assert moment(job["estimatedStartAt"]) > here.clock.now()


@pytest.mark.parametrize(
    "error",
    [httpx.ConnectError("refused"), httpx.ConnectTimeout("no way"), httpx.ConnectError("[SSL] bad certificate")],
)
async def test_a_call_that_never_left_was_refused(here: World, error: httpx.TransportError) -> None:
    def fail(_call: Call) -> httpx.Response:
        raise error

    here.vendor.answer("trigger", fail)
    job = (await here.post()).json()
    assert (job["status"], job["waitReason"]) == ("queued", "upstream_unreachable")
    here.vendor.reset()
    (job,) = await here.end_of(job["id"])
    assert (job["status"], job["possibleDuplicate"]) == ("succeeded", False)


async def test_a_refusal_is_followed_by_another_key(here: World) -> None:
    """A vendor that replays its first answer would otherwise replay the refusal."""
    (job,) = await here.end_of(await here.accepted("a cat [fault:replayed_first_answer]"))
    assert [call.key for call in here.vendor.to("trigger")] == [f"{job['id']}.1", f"{job['id']}.2"]
    assert (job["status"], job["possibleDuplicate"], here.paid) == ("succeeded", False, 1)


async def test_an_unknown_outcome_after_a_refusal_keeps_its_key(here: World) -> None:
    here.vendor.always("trigger", 429, {"error": "no"}, retry_after="5")
    job_id = await here.accepted("a cat [fault:hang_after_start]")
    here.vendor.reset()
    (job,) = await here.end_of(job_id)
    keys = [call.key for call in here.vendor.to("trigger")]
    assert keys == [f"{job_id}.1", f"{job_id}.2", f"{job_id}.2"]
    assert (job["status"], here.paid) == ("succeeded", 1)


async def test_a_refusal_gives_back_what_it_had_reserved(open_world: Open) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="10", DAILY_EXECUTIONS="50") as here:
        here.vendor.always("trigger", 422, {"error": "no"})
        for _ in range(60):
            assert (await here.post()).json()["status"] == "failed"
        gate = await here.store.read_gate()
        assert (gate.starts, gate.executions_today) == ((), 0)


async def test_an_unknown_outcome_gives_nothing_back(open_world: Open) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="10") as here:
        await here.accepted("a cat [fault:hang]")
        assert len((await here.store.read_gate()).starts) == 1

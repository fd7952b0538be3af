"""The paid call: made once, retried once after an unknown outcome, and never longer than ten seconds."""

import asyncio
from datetime import timedelta

import httpx
import pytest

from tests.harness.vendor import Call
from tests.harness.world import World, moment
from tests.steps.conftest import OpenWorld

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


def disconnect(call: Call) -> httpx.Response:
    """Break the connection after the request was sent."""
    raise httpx.ReadError("connection reset", request=call.request)


@pytest.mark.parametrize(
    "fault", [*OUTAGES, "key_expired", "rate_limited_epoch", "unavailable", "insufficient_credits"]
)
async def test_the_response_comes_within_ten_seconds_whatever_wireflow_does(world: World, fault: str) -> None:
    began = world.clock.now()
    response = await world.post(f"a cat [fault:{fault}]")
    assert response.status_code == 202
    assert world.clock.now() - began <= 10 * SECOND


async def test_the_paid_call_times_out_after_eight_seconds(world: World) -> None:
    began = world.clock.now()
    await world.accepted("a cat [fault:hang]")
    assert world.clock.now() - began == 8 * SECOND


async def test_a_trickling_response_times_out_after_eight_seconds_in_total(open_world: OpenWorld) -> None:
    async with open_world(slow_seconds=100) as world:
        began = world.clock.now()
        await world.accepted("a cat [fault:trickle@trigger]")
        assert world.clock.now() - began == 8 * SECOND


async def test_a_call_that_no_one_waits_for_may_take_thirty_seconds(world: World) -> None:
    async def respond_late(call: Call) -> None:
        await world.clock.sleep(25 if call.endpoint == "trigger" else 0)

    world.vendor.script = respond_late
    (job,) = await world.end_of(await world.accepted())
    first, second = world.vendor.to("trigger")
    assert (job["status"], job["possibleDuplicate"], first.key) == ("succeeded", True, second.key)


# --- unknown outcomes --------------------------------------------------------------------------------------------


async def test_an_unknown_outcome_keeps_the_job_triggering(world: World) -> None:
    response = await world.post("a cat [fault:hang]")
    assert response.json()["status"] == "triggering"
    assert "did not confirm whether the run was started" in response.json()["message"]
    assert response.json()["possibleDuplicate"] is False


@pytest.mark.parametrize("fault", ["hang", "hang_after_start", "cut_in_header", "server_error_once", "slow_first_byte"])
async def test_an_unknown_outcome_is_retried_once_with_the_same_key_and_marked(world: World, fault: str) -> None:
    (job,) = await world.end_of(await world.accepted(f"a cat [fault:{fault}]"))
    first, second = world.vendor.to("trigger")
    assert first.key == second.key == f"{job['id']}.1"
    assert (job["status"], job["possibleDuplicate"]) == ("succeeded", True)
    assert world.paid == 1


async def test_the_possible_duplicate_mark_is_stored_before_the_retry_is_sent(world: World) -> None:
    job_id = await world.accepted("a cat [fault:hang]")
    marks = []

    async def record_mark(call: Call) -> None:
        if call.endpoint == "trigger":
            marks.append((await world.record(job_id)).possible_duplicate)

    world.vendor.script = record_mark
    await world.end_of(job_id)
    assert marks == [True]


async def test_the_retry_waits_until_the_lease_has_ended_and_wireflow_is_healthy(world: World) -> None:
    world.vendor.answer("trigger", disconnect)
    world.vendor.always("health", 503)
    began = world.clock.now()
    job_id = await world.accepted()
    await world.run_for(timedelta(minutes=10))
    assert len(world.vendor.to("trigger")) == 1, "an outage must not use up the only retry"
    world.vendor.reset()
    (job,) = await world.end_of(job_id)
    assert (job["status"], job["possibleDuplicate"]) == ("succeeded", True)
    assert world.vendor.times("trigger")[1] - began >= 60 * SECOND


async def test_the_retry_waits_for_a_longer_lease(open_world: OpenWorld) -> None:
    async with open_world(LEASE_SECONDS="200") as world:
        await world.end_of(await world.accepted("a cat [fault:hang]"))
        first, second = world.vendor.times("trigger")
        assert second - first >= 200 * SECOND


@pytest.mark.parametrize("status", [500, 502, 504, 409])
async def test_a_retry_with_an_unknown_outcome_or_a_409_fails_the_job(world: World, status: int) -> None:
    world.vendor.answer("trigger", disconnect)
    job_id = await world.accepted()
    world.vendor.always("trigger", status, {"error": "no"})
    (job,) = await world.end_of(job_id)
    assert (job["status"], job["errorCode"], job["errorCharged"]) == ("failed", "outcome_unknown", "unknown")
    assert job["possibleDuplicate"] is True
    assert len(world.vendor.to("trigger")) == 2


@pytest.mark.parametrize("status", [429, 402, 401, 503])
async def test_a_refused_retry_is_requeued_and_keeps_its_key(world: World, status: int) -> None:
    """The first call may have started a run: with a new key it would be paid for again."""
    job_id = await world.accepted("a cat [fault:hang_after_start]")
    world.vendor.always("trigger", status, {"error": "no"})
    await world.run_for(timedelta(minutes=3))
    assert (await world.job(job_id))["status"] == "queued"
    world.vendor.reset()
    (job,) = await world.end_of(job_id)
    assert (job["status"], job["possibleDuplicate"]) == ("succeeded", True)
    assert {call.key for call in world.vendor.to("trigger")} == {f"{job_id}.1"}
    assert world.paid == 1


async def test_with_on_unknown_hold_an_unknown_outcome_is_not_retried(open_world: OpenWorld) -> None:
    async with open_world(ON_UNKNOWN="hold") as world:
        response = await world.post("a cat [fault:hang_after_start]")
        job = response.json()
        assert (job["status"], job["errorCode"], job["errorCharged"]) == ("failed", "outcome_unknown", "unknown")
        assert job["possibleDuplicate"] is False
        await world.run_for(timedelta(minutes=5))
        assert len(world.vendor.to("trigger")) == 1


@pytest.mark.parametrize("on_unknown", ["retry", "hold"])
async def test_a_crash_during_the_paid_call_is_an_unknown_outcome(open_world: OpenWorld, on_unknown: str) -> None:
    async with open_world(ON_UNKNOWN=on_unknown) as world:
        post = asyncio.create_task(world.post("a cat [fault:hang_after_start]", key="k"))
        await world.clock.sleep(1)
        post.cancel()  # the instance crashes while the call is in flight
        await asyncio.gather(post, return_exceptions=True)
        response = await world.post("a cat [fault:hang_after_start]", key="k")
        assert response.json()["status"] == "triggering"
        (job,) = await world.end_of(response.json()["id"])
        if on_unknown == "hold":
            assert (job["status"], job["errorCode"], job["errorCharged"]) == ("failed", "outcome_unknown", "unknown")
            assert len(world.vendor.to("trigger")) == 1
        else:
            assert (job["status"], job["possibleDuplicate"]) == ("succeeded", True)


async def test_if_wireflow_ignores_idempotency_keys_a_job_is_paid_twice_at_most_and_marked(
    open_world: OpenWorld,
) -> None:
    async with open_world(honour_keys=False) as world:
        (job,) = await world.end_of(await world.accepted("a cat [fault:hang_after_start]"))
        assert (job["status"], job["possibleDuplicate"], world.paid) == ("succeeded", True, 2)


async def test_an_accepted_call_without_an_execution_id_does_not_suspend_starts(world: World) -> None:
    await world.accepted("a cat [fault:no_execution_id]")
    assert (await world.post()).json()["status"] == "running"


@pytest.mark.parametrize("fault", OUTAGES[:5])
async def test_an_outage_suspends_other_jobs(world: World, fault: str) -> None:
    await world.accepted(f"a cat [fault:{fault}]")
    job = (await world.post()).json()
    assert job["status"] == "queued"
    assert job["waitReason"] in {"upstream_error", "upstream_unreachable"}
    assert len(world.vendor.to("trigger")) == 1


# --- refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 409, 413, 422])
async def test_a_refusal_that_the_caller_must_fix_fails_the_job_at_once(world: World, status: int) -> None:
    world.vendor.always("trigger", status, {"error": "Missing required fields"}, x_request_id="req_7")
    job = (await world.post()).json()
    assert (job["status"], job["errorCode"], job["errorCharged"]) == ("failed", "invalid_request", "no")
    assert job["errorRetryable"] is False
    assert (job["requestId"], job["errorMessage"]) == ("req_7", "Missing required fields")
    world.vendor.reset()
    assert (await world.post()).json()["status"] == "running", "an invalid request does not suspend other jobs"


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
async def test_any_other_refusal_requeues_the_job_with_a_wait_reason(world: World, status: int) -> None:
    world.vendor.always("trigger", status, {"error": "no"}, x_request_id="req_7")
    response = await world.post()
    assert response.status_code == 202
    job = response.json()
    assert (job["status"], job["waitReason"], job["errorCode"]) == ("queued", REFUSALS[status], None)
    assert job["requestId"] == "req_7"
    assert moment(job["estimatedStartAt"]) > world.clock.now()


@pytest.mark.parametrize(
    "error",
    [httpx.ConnectError("refused"), httpx.ConnectTimeout("timed out"), httpx.ConnectError("[SSL] bad certificate")],
)
async def test_a_call_that_was_never_sent_counts_as_refused(world: World, error: httpx.TransportError) -> None:
    def fail(_call: Call) -> httpx.Response:
        raise error

    world.vendor.answer("trigger", fail)
    job = (await world.post()).json()
    assert (job["status"], job["waitReason"]) == ("queued", "upstream_unreachable")
    world.vendor.reset()
    (job,) = await world.end_of(job["id"])
    assert (job["status"], job["possibleDuplicate"]) == ("succeeded", False)


async def test_a_redirect_names_the_new_place_in_the_log(world: World) -> None:
    await world.accepted("a cat [fault:redirect]")
    (line,) = world.log("configuration")
    assert (line["severity"], "a redirect to https://" in line["message"]) == ("WARNING", True)


async def test_a_call_after_a_refusal_has_a_new_key(world: World) -> None:
    """With the same key Wireflow may replay the refusal."""
    (job,) = await world.end_of(await world.accepted("a cat [fault:replayed_first_answer]"))
    assert [call.key for call in world.vendor.to("trigger")] == [f"{job['id']}.1", f"{job['id']}.2"]
    assert (job["status"], job["possibleDuplicate"], world.paid) == ("succeeded", False, 1)


async def test_a_retry_after_a_refusal_and_an_unknown_outcome_keeps_its_key(world: World) -> None:
    world.vendor.always("trigger", 429, {"error": "no"}, retry_after="5")
    job_id = await world.accepted("a cat [fault:hang_after_start]")
    world.vendor.reset()
    (job,) = await world.end_of(job_id)
    keys = [call.key for call in world.vendor.to("trigger")]
    assert keys == [f"{job_id}.1", f"{job_id}.2", f"{job_id}.2"]
    assert (job["status"], world.paid) == ("succeeded", 1)


async def test_a_refusal_releases_its_slot(open_world: OpenWorld) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="10", DAILY_EXECUTIONS="50") as world:
        world.vendor.always("trigger", 422, {"error": "no"})
        for _ in range(60):
            assert (await world.post()).json()["status"] == "failed"
        gate = await world.store.read_gate()
        assert (gate.starts, gate.executions_today) == ((), 0)


async def test_an_unknown_outcome_keeps_its_slot(open_world: OpenWorld) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="10") as world:
        await world.accepted("a cat [fault:hang]")
        assert len((await world.store.read_gate()).starts) == 1

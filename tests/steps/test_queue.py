"""The queue: which jobs wait, why, and until when; their order; deadlines and cancellation."""

from datetime import timedelta

import httpx
import pytest

from shared.job import Job
from tests.harness.virtual_time import NOON
from tests.harness.world import World, moment
from tests.steps.conftest import OpenWorld

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
LATE_EVENING = NOON.replace(hour=23, minute=30)


async def submit(world: World, count: int, **fields: object) -> list[str]:
    """Submit jobs a second apart; return their ids."""
    ids = []
    for number in range(count):
        ids.append(await world.accepted(f"cat {number}", **fields))
        await world.clock.sleep(1)
    return ids


async def test_jobs_beyond_the_rate_limit_are_queued_with_a_reason_and_an_estimate(open_world: OpenWorld) -> None:
    async with open_world(plan="free", EXECUTIONS_PER_MINUTE="2") as world:
        began = world.clock.now()
        ids = await submit(world, 5)
        jobs = [await world.job(job_id) for job_id in ids]
        assert [job["status"] for job in jobs] == ["running"] * 2 + ["queued"] * 3
        assert [job["waitReason"] for job in jobs] == [None] * 2 + ["rate_limited"] * 3
        waits = [moment(job["estimatedStartAt"]) - began for job in jobs[2:]]
        assert MINUTE <= waits[0] <= waits[1] <= MINUTE + 5 * SECOND
        assert 2 * MINUTE <= waits[2] <= 2 * MINUTE + 5 * SECOND
        assert world.paid == 2


async def test_jobs_start_at_about_their_estimated_time(open_world: OpenWorld) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="2", WIREFLOW_PLAN="enterprise") as world:
        ids = await submit(world, 7)
        estimates = [moment((await world.job(job_id))["estimatedStartAt"]) for job_id in ids[2:]]
        jobs = await world.end_of(*ids)
        delays = [moment(job["startedAt"]) - at for job, at in zip(jobs[2:], estimates, strict=True)]
        assert all(-3 * SECOND <= delay <= 70 * SECOND for delay in delays), delays


async def test_jobs_start_in_the_order_of_their_submission(open_world: OpenWorld) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="3") as world:
        ids = await submit(world, 10)
        await world.end_of(*ids)
        assert [call.prompt for call in world.vendor.to("trigger")] == [f"cat {number}" for number in range(10)]


async def test_a_new_job_never_overtakes_a_queued_one(open_world: OpenWorld) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="1") as world:
        first, second = await submit(world, 2)
        await world.clock.sleep(120)  # the gate would admit a job, but no window has run yet
        third = (await world.post("late")).json()
        assert third["status"] == "queued"
        await world.end_of(first, second, third["id"])
        assert [call.prompt for call in world.vendor.to("trigger")] == ["cat 0", "cat 1", "late"]


async def test_a_refused_job_keeps_its_place_in_the_queue(open_world: OpenWorld) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="1") as world:
        refusals = [httpx.Response(429, headers={"Retry-After": "5"}) for _ in range(3)]
        world.vendor.answer("trigger", lambda _call: refusals.pop() if refusals else None)
        ids = await submit(world, 3)
        await world.end_of(*ids)
        assert [call.prompt for call in world.vendor.to("trigger")] == ["cat 0"] * 4 + ["cat 1", "cat 2"]


async def test_the_retry_after_header_of_a_queued_job_is_at_most_a_minute(open_world: OpenWorld) -> None:
    async with open_world(DAILY_EXECUTIONS="1") as world:
        running, queued = await world.post(), await world.post()
        assert running.headers["retry-after"] == "5"
        assert queued.headers["retry-after"] == "60"


async def test_the_daily_limit_resets_at_midnight_utc(open_world: OpenWorld) -> None:
    async with open_world(DAILY_EXECUTIONS="2", now=LATE_EVENING) as world:
        ids = await submit(world, 3)
        job = await world.job(ids[2])
        assert (job["status"], job["waitReason"]) == ("queued", "rate_limited")
        midnight = LATE_EVENING.replace(minute=0) + HOUR
        assert moment(job["estimatedStartAt"]) == midnight
        *_, last = await world.end_of(*ids)
        assert midnight <= moment(last["startedAt"]) <= midnight + 2 * MINUTE


@pytest.mark.parametrize(("hours", "after"), [("2", 2 * HOUR), ("0.5", HOUR / 2)])
async def test_a_job_that_is_queued_for_too_long_fails_with_its_wait_reason(
    open_world: OpenWorld, hours: str, after: timedelta
) -> None:
    async with open_world(MAX_QUEUE_HOURS=hours) as world:
        world.vendor.always("trigger", 402, {"error": "Insufficient credits", "insufficientCredits": True})
        (job,) = await world.end_of(await world.accepted())
        assert (job["status"], job["errorCode"], job["errorCharged"]) == ("failed", "insufficient_credits", "no")
        assert job["errorRetryable"] is True
        assert job["errorHint"]
        assert after <= moment(job["completedAt"]) - moment(job["createdAt"]) <= after + 2 * MINUTE


async def test_a_job_that_never_started_before_its_deadline_fails_as_rate_limited(open_world: OpenWorld) -> None:
    async with open_world(DAILY_EXECUTIONS="1") as world:
        ids = await submit(world, 2, deadlineSeconds=600)
        _, job = await world.end_of(*ids)
        assert (job["status"], job["errorCode"], job["errorCharged"]) == ("failed", "rate_limited", "no")


@pytest.mark.parametrize(("seconds", "after"), [(90, 90 * SECOND), (7 * 3600, 2 * HOUR)])
async def test_a_deadline_shortens_the_wait_and_never_extends_it(
    open_world: OpenWorld, seconds: int, after: timedelta
) -> None:
    async with open_world(MAX_QUEUE_HOURS="2") as world:
        world.vendor.always("trigger", 401, {"error": "API key has expired"})
        (job,) = await world.end_of(await world.accepted(deadlineSeconds=seconds))
        assert (job["status"], job["errorCode"]) == ("failed", "key_refused")
        assert after <= moment(job["completedAt"]) - moment(job["createdAt"]) <= after + 2 * MINUTE


async def test_a_deadline_does_not_end_a_run(open_world: OpenWorld) -> None:
    async with open_world(run_seconds=(90.0, 90.0)) as world:
        (job,) = await world.end_of(await world.accepted(deadlineSeconds=30))
        assert job["status"] == "succeeded"


async def test_a_job_that_is_queued_for_too_long_after_an_unknown_outcome_is_charged_unknown(
    open_world: OpenWorld,
) -> None:
    async with open_world(MAX_QUEUE_HOURS="1") as world:
        job_id = await world.accepted("a cat [fault:hang_after_start]")
        world.vendor.always("trigger", 402, {"error": "no"})
        (job,) = await world.end_of(job_id)
        assert (job["status"], job["errorCharged"], job["possibleDuplicate"]) == ("failed", "unknown", True)


# --- cancellation ------------------------------------------------------------------------------------------------


async def test_a_canceled_job_is_never_paid_for(open_world: OpenWorld) -> None:
    async with open_world(DAILY_EXECUTIONS="1", now=LATE_EVENING) as world:
        first, second = await submit(world, 2)
        response = await world.http.delete(f"/jobs/{second}")
        assert (response.status_code, response.json()["status"]) == (200, "canceled")
        assert response.json()["waitReason"] is None
        await world.end_of(first)
        await world.run_for(HOUR)
        assert world.paid == 1
        assert (await world.job(second))["status"] == "canceled"
        record: Job = await world.record(second)
        assert (record.due_at, record.queue_at) == (None, None)


async def test_a_job_that_is_not_queued_cannot_be_canceled(world: World) -> None:
    done, failed = await world.accepted(), await world.accepted("[fault:bad_request]")
    await world.end_of(done)
    triggering, running = await world.accepted("[fault:no_execution_id]"), await world.accepted()
    for job_id in (running, done, failed, triggering):
        before = await world.job(job_id)
        response = await world.http.delete(f"/jobs/{job_id}")
        assert (response.status_code, response.json()["errorCode"]) == (409, "not_cancelable")
        assert await world.job(job_id) == before


async def test_a_job_can_be_canceled_once(open_world: OpenWorld) -> None:
    async with open_world(DAILY_EXECUTIONS="1") as world:
        _, second = await submit(world, 2)
        responses = [await world.http.delete(f"/jobs/{second}") for _ in range(2)]
        assert [response.status_code for response in responses] == [200, 409]


async def test_no_job_expires_while_it_may_still_be_queued_or_run(open_world: OpenWorld) -> None:
    async with open_world(RETENTION_DAYS="1", MAX_QUEUE_HOURS="72") as world:
        record = await world.record(await world.accepted())
        assert record.expire_at > record.give_up_at + timedelta(days=1)

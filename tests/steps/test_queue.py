"""The line: who waits, why, until when; first come, first served; and the ways out of it."""

from datetime import timedelta

import httpx
import pytest

from shared.job import Job
from tests.harness.virtual_time import NOON
from tests.harness.world import World, moment
from tests.steps.conftest import Open

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
LATE = NOON.replace(hour=23, minute=30)


async def posted(here: World, count: int, **fields: object) -> list[str]:
    """Jobs accepted a second apart, in this order."""
    ids = []
    for number in range(count):
        ids.append(await here.accepted(f"cat {number}", **fields))
        await here.clock.sleep(1)
    return ids


async def test_beyond_the_limit_jobs_wait_and_say_why_and_until_when(open_world: Open) -> None:
    async with open_world(plan="free", EXECUTIONS_PER_MINUTE="2") as here:
        began = here.clock.now()
        ids = await posted(here, 5)
        jobs = [await here.job(job_id) for job_id in ids]
        assert [job["status"] for job in jobs] == ["running"] * 2 + ["queued"] * 3
        assert [job["waitReason"] for job in jobs] == [None] * 2 + ["rate_limited"] * 3
        waits = [moment(job["estimatedStartAt"]) - began for job in jobs[2:]]
        assert MINUTE <= waits[0] <= waits[1] <= MINUTE + 5 * SECOND
        assert 2 * MINUTE <= waits[2] <= 2 * MINUTE + 5 * SECOND
        assert here.paid == 2


async def test_the_estimate_is_kept(open_world: Open) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="2", WIREFLOW_PLAN="enterprise") as here:
        ids = await posted(here, 7)
        told = [moment((await here.job(job_id))["estimatedStartAt"]) for job_id in ids[2:]]
        jobs = await here.end_of(*ids)
        late = [moment(job["startedAt"]) - at for job, at in zip(jobs[2:], told, strict=True)]
        assert all(-3 * SECOND <= delay <= 70 * SECOND for delay in late), late


async def test_first_come_first_served(open_world: Open) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="3") as here:
        ids = await posted(here, 10)
        await here.end_of(*ids)
        assert [call.prompt for call in here.vendor.to("trigger")] == [f"cat {number}" for number in range(10)]


async def test_nobody_passes_a_job_that_waits(open_world: Open) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="1") as here:
        first, second = await posted(here, 2)
        await here.clock.sleep(120)  # the gate would let one through, and the poller has not come yet
        third = (await here.post("late")).json()
        assert third["status"] == "queued"
        await here.end_of(first, second, third["id"])
        assert [call.prompt for call in here.vendor.to("trigger")] == ["cat 0", "cat 1", "late"]


async def test_who_was_refused_keeps_the_place_in_line(open_world: Open) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="1") as here:
        refusals = [httpx.Response(429, headers={"Retry-After": "5"}) for _ in range(3)]
        here.vendor.answer("trigger", lambda _call: refusals.pop() if refusals else None)
        ids = await posted(here, 3)
        await here.end_of(*ids)
        assert [call.prompt for call in here.vendor.to("trigger")] == ["cat 0"] * 4 + ["cat 1", "cat 2"]


async def test_the_retry_after_of_a_waiting_job_is_at_most_a_minute(open_world: Open) -> None:
    async with open_world(DAILY_EXECUTIONS="1") as here:
        running, waiting = await here.post(), await here.post()
        assert running.headers["retry-after"] == "5"
        assert waiting.headers["retry-after"] == "60"


async def test_the_day_ends_at_midnight_utc(open_world: Open) -> None:
    async with open_world(DAILY_EXECUTIONS="2", now=LATE) as here:
        ids = await posted(here, 3)
        job = await here.job(ids[2])
        assert (job["status"], job["waitReason"]) == ("queued", "rate_limited")
        midnight = LATE.replace(minute=0) + HOUR
        assert moment(job["estimatedStartAt"]) == midnight
        *_, last = await here.end_of(*ids)
        assert midnight <= moment(last["startedAt"]) <= midnight + 2 * MINUTE


@pytest.mark.parametrize(("hours", "after"), [("2", 2 * HOUR), ("0.5", HOUR / 2)])
async def test_a_job_that_waits_too_long_fails_with_what_kept_it(
    open_world: Open, hours: str, after: timedelta
) -> None:
    async with open_world(MAX_QUEUE_HOURS=hours) as here:
        here.vendor.always("trigger", 402, {"error": "Insufficient credits", "insufficientCredits": True})
        (job,) = await here.end_of(await here.accepted())
        assert (job["status"], job["errorCode"], job["errorCharged"]) == ("failed", "insufficient_credits", "no")
        assert job["errorRetryable"] is True
        assert job["errorHint"]
        assert after <= moment(job["completedAt"]) - moment(job["createdAt"]) <= after + 2 * MINUTE


async def test_who_never_had_a_turn_fails_with_what_kept_it(open_world: Open) -> None:
    async with open_world(DAILY_EXECUTIONS="1") as here:
        ids = await posted(here, 2, deadlineSeconds=600)
        _, job = await here.end_of(*ids)
        assert (job["status"], job["errorCode"], job["errorCharged"]) == ("failed", "rate_limited", "no")


@pytest.mark.parametrize(("seconds", "after"), [(90, 90 * SECOND), (7 * 3600, 2 * HOUR)])
async def test_a_deadline_shortens_the_wait_and_never_prolongs_it(
    open_world: Open, seconds: int, after: timedelta
) -> None:
    async with open_world(MAX_QUEUE_HOURS="2") as here:
        here.vendor.always("trigger", 401, {"error": "API key has expired"})
        (job,) = await here.end_of(await here.accepted(deadlineSeconds=seconds))
        assert (job["status"], job["errorCode"]) == ("failed", "key_refused")
        assert after <= moment(job["completedAt"]) - moment(job["createdAt"]) <= after + 2 * MINUTE


async def test_a_deadline_does_not_end_a_run(open_world: Open) -> None:
    async with open_world(run_seconds=(90.0, 90.0)) as here:
        (job,) = await here.end_of(await here.accepted(deadlineSeconds=30))
        assert job["status"] == "succeeded"


async def test_after_an_unknown_outcome_a_wait_that_was_too_long_is_charged_unknown(open_world: Open) -> None:
    async with open_world(MAX_QUEUE_HOURS="1") as here:
        job_id = await here.accepted("a cat [fault:hang_after_start]")
        here.vendor.always("trigger", 402, {"error": "no"})
        (job,) = await here.end_of(job_id)
        assert (job["status"], job["errorCharged"], job["possibleDuplicate"]) == ("failed", "unknown", True)


# --- DELETE --------------------------------------------------------------------------------------------------------


async def test_a_queued_job_can_be_taken_back(open_world: Open) -> None:
    async with open_world(DAILY_EXECUTIONS="1", now=LATE) as here:
        first, second = await posted(here, 2)
        answer = await here.http.delete(f"/jobs/{second}")
        assert (answer.status_code, answer.json()["status"]) == (200, "canceled")
        assert answer.json()["waitReason"] is None
        await here.end_of(first)
        await here.run_for(HOUR)
        assert here.paid == 1
        assert (await here.job(second))["status"] == "canceled"
        record: Job = await here.record(second)
        assert (record.due_at, record.queue_at) == (None, None)


async def test_any_other_job_cannot(here: World) -> None:
    done, failed = await here.accepted(), await here.accepted("[fault:bad_request]")
    await here.end_of(done)
    unclear, running = await here.accepted("[fault:no_execution_id]"), await here.accepted()
    for job_id in (running, done, failed, unclear):
        before = await here.job(job_id)
        answer = await here.http.delete(f"/jobs/{job_id}")
        assert (answer.status_code, answer.json()["errorCode"]) == (409, "not_cancelable")
        assert await here.job(job_id) == before


async def test_a_job_is_taken_back_once(open_world: Open) -> None:
    async with open_world(DAILY_EXECUTIONS="1") as here:
        _, second = await posted(here, 2)
        answers = [await here.http.delete(f"/jobs/{second}") for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 409]


async def test_no_job_expires_while_it_may_still_wait_or_run(open_world: Open) -> None:
    async with open_world(RETENTION_DAYS="1", MAX_QUEUE_HOURS="72") as here:
        record = await here.record(await here.accepted())
        assert record.expire_at > record.give_up_at + timedelta(days=1)

"""A retry is a new paid run that a person has confirmed, under the same id; a repeat is never paid."""

import asyncio
import json
from typing import Any

from shared.ports import JobStore
from shared.store_errors import StoreUnavailable
from tests.harness.world import World
from tests.steps.conftest import OpenWorld
from tests.steps.retries import DAY, HOUR, failed_job, retry

PRICED = json.dumps({"default": {"mode": "webhook", "id": "demo-webhook", "pricePerImage": 0.1}})


# --- the new attempt -----------------------------------------------------------------------------------------------


async def test_a_retried_job_is_queued_and_succeeds_under_the_same_id_and_url(world: World) -> None:
    job_id = await failed_job(world)
    before = await world.job(job_id)
    response = await retry(world, job_id)
    job = response.json()
    assert (response.status_code, job["status"], job["attempt"]) == (202, "queued", 2)
    assert "Retry-After" in response.headers
    assert [job[name] for name in ("id", "imageUrl", "statusUrl", "prompt", "createdAt")] == [
        before[name] for name in ("id", "imageUrl", "statusUrl", "prompt", "createdAt")
    ]
    assert [job[name] for name in ("errorCode", "executionId", "startedAt", "completedAt", "cost")] == [None] * 5
    (job,) = await world.end_of(job_id)
    assert (job["status"], job["imageCount"], job["attempt"], world.paid) == ("succeeded", 1, 2, 2)
    assert (await world.http.get(job["imageUrl"])).status_code == 200
    assert [line["attempt"] for line in world.log("job_retried")] == [2]


async def test_the_attempt_may_be_written_as_any_integer_of_json(world: World) -> None:
    (job,) = await world.end_of(await world.accepted("a cat [fault:upstream_error]"))
    body, headers = b'{"confirm": true, "attempt": 1.0}', {"Content-Type": "application/json"}
    response = await world.http.post(f"/jobs/{job['id']}/retry", content=body, headers=headers)
    assert (response.status_code, response.json()["attempt"]) == (202, 2)


async def test_a_new_attempt_has_a_new_key_to_wireflow(world: World) -> None:
    job_id = await failed_job(world)
    await retry(world, job_id)
    await world.end_of(job_id)
    keys = [call.request.headers["idempotency-key"] for call in world.vendor.to("trigger")]
    assert keys == [f"{job_id}.1", f"{job_id}.2"]


async def test_the_history_has_every_paid_run_and_no_other(world: World) -> None:
    job_id = await failed_job(world)
    await retry(world, job_id)
    (job,) = await world.end_of(job_id)
    first, second = job["attempts"]
    assert (first["attempt"], first["status"], first["errorCode"]) == (1, "failed", "upstream_error")
    assert (second["attempt"], second["status"], second["errorCode"]) == (2, "succeeded", None)
    assert first["executionId"] != second["executionId"] == job["executionId"]
    assert first["completedAt"] < second["startedAt"] < second["completedAt"]
    assert first["errorCharged"] == "no"
    assert first["errorMessage"]
    assert first["requestId"]


async def test_a_canceled_job_was_never_paid_and_can_be_retried(open_world: OpenWorld) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="1") as world:
        await world.accepted()
        job_id = await world.accepted()
        canceled = (await world.http.delete(f"/jobs/{job_id}")).json()
        assert (canceled["attempt"], canceled["attempts"]) == (1, [])
        assert (await retry(world, job_id)).status_code == 202
        (job,) = await world.end_of(job_id)
        assert (job["status"], [run["attempt"] for run in job["attempts"]]) == ("succeeded", [2])


async def test_only_the_newest_ten_runs_are_listed(world: World) -> None:
    job_id = await failed_job(world, "moderation")
    for attempt in range(1, 12):
        await world.simulated("/_faults", fault="moderation", times=1)
        assert (await retry(world, job_id, attempt)).status_code == 202
        await world.end_of(job_id)
    job = await world.job(job_id)
    assert (job["attempt"], [run["attempt"] for run in job["attempts"]]) == (12, list(range(3, 13)))


async def test_deadline_and_retention_start_anew(open_world: OpenWorld) -> None:
    async with open_world(RETENTION_DAYS="90") as world:
        job_id = await failed_job(world, deadlineSeconds=3_600)
        await world.run_for(2 * DAY, every=HOUR)
        now = world.clock.now()
        await retry(world, job_id)
        record = await world.record(job_id)
        assert (record.give_up_at, record.expire_at) == (now + HOUR, now + 90 * DAY)


async def test_the_late_look_at_the_old_run_is_dropped(world: World) -> None:
    await world.simulated("/_faults", fault="never_ends", times=1)
    (job,) = await world.end_of(await world.accepted())
    assert job["errorCode"] == "timed_out"
    await retry(world, job["id"])
    (job,) = await world.end_of(job["id"])
    polls = len(world.vendor.to("poll"))
    await world.run_for(4 * HOUR)
    assert (job["status"], len(world.vendor.to("poll")) - polls) == ("succeeded", 0)
    assert [run["status"] for run in job["attempts"]] == ["failed", "succeeded"]


async def test_a_duplicate_of_an_earlier_attempt_stays_marked_and_the_new_attempt_is_repeated_once(
    world: World,
) -> None:
    job_id = await failed_job(world, "hang_after_start", prompt="[fault:moderation] a cat")
    job = await world.job(job_id)
    assert job["possibleDuplicate"], job
    await retry(world, job_id)
    record = await world.record(job_id)
    assert not record.possible_duplicate
    assert (await world.job(job_id))["possibleDuplicate"]


# --- what it costs -------------------------------------------------------------------------------------------------


async def test_the_job_costs_what_all_of_its_runs_have_cost(open_world: OpenWorld) -> None:
    async with open_world(WIREFLOW_WORKFLOWS=PRICED, credits=20.0) as world:
        job_id = await failed_job(world, "not_an_image")
        first = (await world.job(job_id))["cost"]["amount"]
        await retry(world, job_id)
        (job,) = await world.end_of(job_id)
        assert [run["cost"]["amount"] for run in job["attempts"]] == [first, first]
        assert (first, job["cost"]["amount"]) == (0.2, 0.4)
        usage = (await world.http.get("/usage")).json()["rows"]
        assert [(row["jobs"], row["cost"]["amount"]) for row in usage] == [(1, 0.4)]


async def test_what_an_attempt_of_unknown_cost_reserved_stays_reserved(open_world: OpenWorld) -> None:
    async with open_world(WIREFLOW_WORKFLOWS=PRICED, DAILY_SPEND_USD="0.2") as world:
        job_id = await failed_job(world, "never_ends")
        await retry(world, job_id)
        (job,) = await world.end_of(job_id)
        assert job["status"] == "succeeded"
        assert (await world.store.read_gate()).budget.total.today == 200_000
        waiting = (await world.post()).json()
        assert (waiting["status"], waiting["waitReason"]) == ("queued", "spend_limit")


async def test_a_retry_waits_for_the_limits_like_a_new_job(open_world: OpenWorld) -> None:
    async with open_world(WIREFLOW_WORKFLOWS=PRICED, DAILY_SPEND_USD="0.1") as world:
        job_id = await failed_job(world, "never_ends")
        await retry(world, job_id)
        await world.run_window()
        job = await world.job(job_id)
        assert (job["status"], job["waitReason"]) == ("queued", "spend_limit")
        assert world.paid == 1


async def test_a_full_queue_rejects_a_retry(open_world: OpenWorld) -> None:
    async with open_world(MAX_QUEUED_JOBS="1", EXECUTIONS_PER_MINUTE="1") as world:
        job_id = await failed_job(world, "bad_request")
        while (await world.post()).json().get("status") != "queued":
            pass
        response = await retry(world, job_id)
        assert (response.status_code, response.json()["errorCode"]) == (429, "rate_limited")
        assert "retry-after" in response.headers
        assert (await world.job(job_id))["attempt"] == 1


# --- never paid twice ----------------------------------------------------------------------------------------------


async def test_of_two_retries_at_once_one_is_paid(world: World) -> None:
    job_id = await failed_job(world)
    responses = await asyncio.gather(*(retry(world, job_id) for _ in range(5)))
    assert sorted(response.status_code for response in responses) == [202, 409, 409, 409, 409]
    assert {response.json()["errorCode"] for response in responses if response.status_code == 409} == {"not_retryable"}
    await world.end_of(job_id)
    assert world.paid == 2


async def test_a_stale_attempt_is_rejected_also_when_the_job_has_failed_again(world: World) -> None:
    job_id = await failed_job(world)
    await world.simulated("/_faults", fault="failed", times=1)
    await retry(world, job_id)
    (job,) = await world.end_of(job_id)
    assert (job["status"], job["attempt"]) == ("failed", 2)
    response = await retry(world, job_id, attempt=1)
    assert (response.status_code, response.json()["errorCode"]) == (409, "not_retryable")
    assert "attempt 2" in response.json()["detail"]
    assert world.paid == 2


class LostAnswers:
    """A store whose answers to `save` are lost after the write."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self.lost = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def save(self, job: Any) -> Any:
        saved = await self._store.save(job)
        if self.lost:
            self.lost -= 1
            raise StoreUnavailable("the answer was lost")
        return saved


async def test_a_retry_whose_write_was_not_confirmed_is_not_made_again(open_world: OpenWorld) -> None:
    stores: list[LostAnswers] = []

    def wrap(store: JobStore) -> Any:
        stores.append(LostAnswers(store))
        return stores[0]

    async with open_world(wrap=wrap) as world:
        job_id = await failed_job(world)
        stores[0].lost = 1
        assert (await retry(world, job_id)).status_code == 202
        assert (await retry(world, job_id)).status_code == 409
        await world.end_of(job_id)
        assert world.paid == 2

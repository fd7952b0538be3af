"""A retry is a new paid run that a person has confirmed, under the same id; a repeat is never paid."""

import asyncio
import hashlib
import json
from datetime import timedelta
from typing import Any

import httpx
import pytest

from shared.ports import JobStore
from shared.store_errors import StoreUnavailable
from tests.harness.world import World, moment
from tests.images.sample_images import encoded
from tests.steps.conftest import OpenWorld

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
PRICED = json.dumps({"default": {"mode": "webhook", "id": "demo-webhook", "pricePerImage": 0.1}})
TOKENS = {
    name: {"sha256": hashlib.sha256(name.encode()).hexdigest(), "admin": name == "boss"}
    for name in ("zap", "shop", "boss")
}
CAT = encoded("png", 40, 30)
URL = "https://photos.test/cat.png"


async def retry(world: World, job_id: str, attempt: int = 1, **fields: Any) -> httpx.Response:
    return await world.http.post(f"/jobs/{job_id}/retry", json={"confirm": True, "attempt": attempt, **fields})


async def failed_job(world: World, fault: str = "failed", prompt: str = "a cat", **fields: Any) -> str:
    """Return the id of a job whose first run failed; the next one succeeds."""
    await world.simulated("/_faults", fault=fault, times=1)
    response = await world.post(prompt, **fields)
    (job,) = await world.end_of(response.json()["id"])
    assert job["status"] == "failed", job
    return str(job["id"])


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
        await world.run_for(2 * DAY)
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


# --- what cannot be retried ----------------------------------------------------------------------------------------


async def test_a_job_with_a_stored_image_or_in_flight_cannot_be_retried(world: World) -> None:
    job_id = await world.accepted()
    assert (await retry(world, job_id)).json()["errorCode"] == "not_retryable"
    await world.end_of(job_id)
    response = await retry(world, job_id)
    assert (response.status_code, response.json()["errorCode"]) == (409, "not_retryable")


@pytest.mark.parametrize("status", ["queued", "running", "copying", "succeeded"])
async def test_a_retry_is_rejected_in_every_state_but_failed_and_canceled(open_world: OpenWorld, status: str) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="1") as world:
        job_id = await world.accepted()
        if status == "queued":
            job_id = await world.accepted()
        elif status == "copying":
            world.vendor.answer("cdn", lambda _call: httpx.Response(503))
            await world.run_for(timedelta(minutes=2))
        elif status == "succeeded":
            await world.end_of(job_id)
        assert (await world.job(job_id))["status"] == status
        response = await retry(world, job_id)
        assert (response.status_code, response.json()["errorCode"]) == (409, "not_retryable")
        assert (await world.job(job_id))["attempt"] == 1


async def test_a_retry_and_a_cancellation_at_once_leave_one_attempt_that_is_queued_or_canceled(
    open_world: OpenWorld,
) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="1") as world:
        await world.accepted()
        job_id = await world.accepted()
        await world.http.delete(f"/jobs/{job_id}")
        retried, canceled = await asyncio.gather(retry(world, job_id), world.http.delete(f"/jobs/{job_id}"))
        job = await world.job(job_id)
        assert (retried.status_code, job["attempt"]) == (202, 2)
        assert (canceled.status_code, job["status"]) in ((200, "canceled"), (409, "queued"))
        await world.http.delete(f"/jobs/{job_id}")
        assert (await retry(world, job_id, attempt=1)).status_code == 409
        assert (await retry(world, job_id, attempt=2)).status_code == 202
        (job,) = await world.end_of(job_id)
        assert (job["status"], job["attempt"], world.paid) == ("succeeded", 3, 2)
        assert [run["attempt"] for run in job["attempts"]] == [3], "a canceled attempt was never paid"


async def test_of_a_retry_and_an_erasure_at_once_one_happens(world: World) -> None:
    job_id = await failed_job(world)
    retried, erased = await asyncio.gather(retry(world, job_id), world.http.delete(f"/jobs/{job_id}?erase=true"))
    await world.run_for(HOUR)
    record = await world.record(job_id)
    if erased.status_code == 204:
        assert (retried.status_code in (409, 410), record.erased_at is not None, world.paid) == (True, True, 1)
    else:
        assert (retried.status_code, erased.json()["errorCode"], world.paid) == (202, "not_erasable", 2)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"attempt": 1}, "confirm"),
        ({"confirm": False, "attempt": 1}, "confirm"),
        ({"confirm": "true", "attempt": 1}, "confirm"),
        ({"confirm": True}, "attempt"),
        ({"confirm": True, "attempt": True}, "attempt"),
        ({"confirm": True, "attempt": "1"}, "attempt"),
        ({"confirm": True, "attempt": 0}, "attempt"),
        ({"confirm": True, "attempt": 1, "prompt": "a dog"}, "prompt"),
    ],
)
async def test_a_retry_needs_a_confirmation_and_the_attempt(world: World, body: dict[str, Any], field: str) -> None:
    job_id = await failed_job(world, "bad_request")
    response = await world.http.post(f"/jobs/{job_id}/retry", json=body)
    assert (response.status_code, response.json()["errorCode"], response.json()["field"]) == (
        *(422, "invalid_field"),
        field,
    )


async def test_a_body_that_is_not_json_is_rejected(world: World) -> None:
    job_id = await failed_job(world, "bad_request")
    response = await world.http.post(f"/jobs/{job_id}/retry", content=b"{")
    assert (response.status_code, response.json()["errorCode"]) == (400, "invalid_json")
    response = await world.http.post(f"/jobs/{job_id}/retry", json=[1])
    assert (response.status_code, response.json()["errorCode"]) == (422, "invalid_field")


async def test_an_unknown_job_is_not_found(world: World) -> None:
    assert (await retry(world, "0" * 32)).status_code == 404


async def test_a_workflow_that_is_no_longer_configured_is_named_before_anything_is_paid(open_world: OpenWorld) -> None:
    both = json.dumps({"pro": {"mode": "execute", "id": "demo-execute", "model": "nano_banana_pro"}})
    async with open_world(WIREFLOW_WORKFLOWS=both) as world:
        await world.simulated("/_faults", fault="bad_request", times=1)
        job_id = (await world.http.post("/", json={"prompt": "a cat", "workflow": "pro"})).json()["id"]
    async with open_world() as world:
        response = await retry(world, job_id)
        assert (response.status_code, response.json()["errorCode"]) == (409, "not_retryable")
        assert "WIREFLOW_WORKFLOWS" in response.json()["detail"]


# --- who may -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["retry", "recopy", "redeliver"])
async def test_only_the_caller_of_the_job_and_an_admin_may_act(open_world: OpenWorld, action: str) -> None:
    async with open_world(TRIGGER_TOKENS=json.dumps(TOKENS), FORM_ORIGINS="https://shop.test") as world:
        clients = {name: world.caller("127.0.0.1", Authorization=f"Bearer {name}") for name in TOKENS}
        visitor = world.caller("127.0.0.1", Origin="https://shop.test")
        await world.simulated("/_faults", fault="failed", times=2)
        own = (await clients["zap"].post("/", json={"prompt": "a cat"})).json()["id"]
        of_a_form = (await visitor.post("/", json={"prompt": "a dog"})).json()["id"]
        await world.run_for(HOUR)
        body = {"confirm": True, "attempt": 1}
        statuses = {
            name: (await client.post(f"/jobs/{job}/{action}", json=body)).status_code
            for name, client, job in (
                ("no credential", world.http, own),
                ("another", clients["shop"], own),
                ("a visitor", visitor, own),
                ("the visitor of the form", visitor, of_a_form),
                ("another token", clients["shop"], of_a_form),
            )
        }
        assert statuses == {
            "no credential": 401,
            "another": 404,  # the job is private
            "a visitor": 401,
            "the visitor of the form": 401,
            "another token": 403,
        }
        for client, job in ((clients["zap"], own), (clients["boss"], of_a_form)):
            response = await client.post(f"/jobs/{job}/{action}", json=body)
            assert response.status_code == {"retry": 202, "recopy": 409, "redeliver": 200}[action], response.text


async def test_without_authentication_a_caller_on_this_machine_owns_every_job(world: World) -> None:
    job_id = await failed_job(world)
    body = {"confirm": True, "attempt": 1}
    for client in (world.caller("10.1.2.3"), world.caller("127.0.0.1", Origin="https://evil.test")):
        assert (await client.post(f"/jobs/{job_id}/retry", json=body)).status_code == 403
    assert (await retry(world, job_id)).status_code == 202


# --- input images --------------------------------------------------------------------------------------------------

SAVED = json.dumps(
    {
        "pro": {"mode": "execute", "id": "demo-execute", "model": "nano_banana_pro", "overridable": ["aspect_ratio"]},
        "saved": {"mode": "run", "id": "demo-saved"},
    }
)


async def with_file(world: World, workflow: str = "default", fault: str = "failed") -> str:
    await world.simulated("/_faults", fault=fault, times=1)
    files = {"image1": ("cat.png", CAT, "image/png")}
    response = await world.http.post("/", data={"prompt": "a cat", "workflow": workflow}, files=files)
    (job,) = await world.end_of(response.json()["id"])
    assert job["status"] == "failed", job
    return str(job["id"])


@pytest.mark.parametrize("workflow", ["default", "pro", "saved"])
async def test_the_input_image_is_kept_for_a_retry_and_deleted_after_it(open_world: OpenWorld, workflow: str) -> None:
    async with open_world(WIREFLOW_WORKFLOWS=SAVED) as world:
        job_id = await with_file(world, workflow)
        await world.run_for(6 * DAY)
        assert (await retry(world, job_id)).status_code == 202
        (job,) = await world.end_of(job_id)
        await world.run_window()
        inputs = [run["input"] for run in (await world.simulated("/_runs"))["runs"]]
        assert (job["status"], inputs) == ("succeeded", [hashlib.sha256(CAT).hexdigest()] * 2)
        record = await world.record(job_id)
        assert (record.stored_input, record.due_at) == (None, None)
        assert await world.deps.images.content(f"inputs/{job_id}") is None


async def test_after_seven_days_the_input_image_is_gone(world: World) -> None:
    job_id = await with_file(world)
    completed = moment((await world.job(job_id))["completedAt"])
    await world.run_for(7 * DAY + HOUR)
    record = await world.record(job_id)
    assert (record.stored_input, record.due_at) == (None, None)
    assert world.clock.now() > completed + 7 * DAY
    response = await retry(world, job_id)
    assert (response.status_code, response.json()["errorCode"]) == (409, "input_gone")
    assert world.paid == 1


async def test_an_input_image_that_someone_deleted_is_gone(world: World) -> None:
    job_id = await with_file(world)
    await world.deps.images.delete(f"inputs/{job_id}")
    assert (await retry(world, job_id)).json()["errorCode"] == "input_gone"


async def test_an_input_image_that_was_never_fetched_is_fetched_for_the_retry(world: World) -> None:
    reachable: list[bool] = []
    world.vendor.sites["photos.test"] = lambda _request: httpx.Response(200 if reachable else 404, content=CAT)
    job_id = (await world.post(image1=URL)).json()["id"]
    (job,) = await world.end_of(job_id)
    assert job["errorCode"] == "input_image_unavailable"
    reachable.append(True)
    assert (await retry(world, job_id)).status_code == 202
    (job,) = await world.end_of(job_id)
    assert job["status"] == "succeeded"


async def test_the_image_of_an_earlier_job_is_used_again_while_it_is_stored(world: World) -> None:
    source = await world.accepted()
    await world.end_of(source)
    await world.simulated("/_faults", fault="failed", times=2)
    jobs = [(await world.post(prompt, fromJob=source)).json()["id"] for prompt in ("one", "two")]
    await world.end_of(*jobs)
    assert (await retry(world, jobs[0])).status_code == 202
    await world.end_of(jobs[0])
    (name,) = await world.deps.images.names(source)
    await world.deps.images.delete(name)
    assert (await retry(world, jobs[1])).json()["errorCode"] == "input_gone"


async def test_the_fields_of_a_saved_workflow_are_the_same_in_a_retry(open_world: OpenWorld) -> None:
    async with open_world(WIREFLOW_WORKFLOWS=SAVED) as world:
        await world.simulated("/_faults", fault="failed", times=1)
        response = await world.http.post("/", json={"prompt": "a cat", "workflow": "saved"})
        job_id = response.json()["id"]
        await world.end_of(job_id)
        await retry(world, job_id)
        await world.end_of(job_id)
        first, second = (json.loads(call.request.content) for call in world.vendor.to("run"))
        assert first == second

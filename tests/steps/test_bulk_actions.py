"""`POST /jobs/actions`: an action on all jobs that a filter selects; a paid one happens once for its key."""

import asyncio
import hashlib
import json
from datetime import timedelta
from typing import Any

import httpx
import pytest

from shared.ports import JobStore
from shared.steps import bulk_actions
from shared.store_errors import StoreUnavailable
from tests.harness.world import World
from tests.steps.conftest import OpenWorld

MINUTE = timedelta(minutes=1)
PRICED = json.dumps({"default": {"mode": "webhook", "id": "demo-webhook", "pricePerImage": 0.1}})
TOKENS = {
    name: {"sha256": hashlib.sha256(name.encode()).hexdigest(), "admin": name == "boss"}
    for name in ("zap", "shop", "boss")
}


async def act(world: World, action: str, *, key: str | None = None, http: Any = None, **fields: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await (http or world.http).post("/jobs/actions", json={"action": action, **fields}, headers=headers)


async def retry_all(world: World, key: str = "k", **selected: Any) -> httpx.Response:
    return await act(world, "retry", key=key, confirm=True, filter=selected)


async def failed_jobs(world: World, count: int = 3) -> list[str]:
    """Return the ids of failed jobs, the newest first; their next run succeeds."""
    await world.simulated("/_faults", fault="failed", times=count)
    jobs = await a_second_apart(world, count)
    await world.end_of(*(job["id"] for job in jobs))
    return [job["id"] for job in jobs]


async def a_second_apart(world: World, count: int) -> list[dict[str, Any]]:
    """Return new jobs, the newest first."""
    jobs = []
    for number in range(count):
        jobs.append((await world.post(f"cat {number}")).json())
        await world.clock.sleep(1)
    return jobs[::-1]


# --- selection -----------------------------------------------------------------------------------------------------


async def test_a_dry_run_says_what_would_be_done_and_does_nothing(open_world: OpenWorld) -> None:
    async with open_world(WIREFLOW_WORKFLOWS=PRICED) as world:
        ids = await failed_jobs(world)
        succeeded = await world.accepted()
        await world.end_of(succeeded)
        response = await act(world, "retry", dryRun=True)
        assert (response.status_code, response.json()) == (
            200,
            {
                "action": "retry",
                "dryRun": True,
                "matched": 4,
                "done": 0,
                "skipped": 1,
                "estimatedCost": {"amount": 0.3, "currency": "USD", "source": "price"},
                "jobs": ids,
            },
        )
        assert [(await world.job(job_id))["attempt"] for job_id in ids] == [1, 1, 1]


async def test_a_bulk_retry_retries_each_job(open_world: OpenWorld) -> None:
    async with open_world(WIREFLOW_WORKFLOWS=PRICED) as world:
        ids = await failed_jobs(world)
        response = await retry_all(world, status="failed")
        result = response.json()
        assert (response.status_code, result["matched"], result["done"], result["skipped"]) == (200, 3, 3, 0)
        assert (result["jobs"], result["estimatedCost"]["amount"]) == (ids, 0.3)
        jobs = await world.end_of(*ids)
        assert ([job["status"] for job in jobs], world.paid) == (["succeeded"] * 3, 6)


async def test_jobs_of_an_earlier_day_make_its_usage_out_of_date_once(world: World) -> None:
    ids = await failed_jobs(world, 20)
    day = world.clock.now().date().isoformat()
    await world.clock.sleep(86_400)
    response = await retry_all(world)
    assert (response.status_code, response.json()["done"]) == (200, len(ids))
    assert (await world.store.read_usage_versions()).days == {day: 1}


async def test_the_limit_caps_what_is_done_not_what_matched(world: World) -> None:
    ids = await failed_jobs(world)
    response = await retry_all(world, status="failed", limit=2)
    result = response.json()
    assert (response.status_code, result["matched"], result["done"], result["jobs"]) == (202, 3, 2, ids[:2])
    response = await retry_all(world, "another", status="failed", limit=2)
    assert (response.status_code, response.json()["matched"], response.json()["jobs"]) == (200, 1, ids[2:])


async def test_jobs_are_selected_by_state_error_workflow_and_time(world: World) -> None:
    (job_id,) = await failed_jobs(world, 1)
    created = (await world.job(job_id))["createdAt"]
    await world.clock.sleep(60)
    (refused,) = await world.end_of((await world.post("[fault:bad_request]")).json()["id"])
    for selected, expected in (
        ({}, [refused["id"], job_id]),
        ({"status": "failed"}, [refused["id"], job_id]),
        ({"status": "canceled"}, []),
        ({"errorCode": "invalid_request"}, [refused["id"]]),
        ({"errorCode": "moderation"}, []),
        ({"workflow": "default"}, [refused["id"], job_id]),
        ({"workflow": "other"}, []),
        ({"since": refused["createdAt"]}, [refused["id"]]),
        ({"until": refused["createdAt"]}, [job_id]),
        ({"since": created, "until": created}, []),
        ({"status": None, "workflow": ""}, [refused["id"], job_id]),
    ):
        response = await act(world, "retry", dryRun=True, filter=selected)
        assert (response.status_code, response.json()["jobs"]) == (200, expected), selected


async def test_more_jobs_than_a_page_are_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_actions, "PAGE", 2)
    await failed_jobs(world, 5)
    assert (await act(world, "retry", dryRun=True, filter={"limit": 1})).json()["matched"] == 5
    monkeypatch.setattr(bulk_actions, "MAX_EXAMINED", 4)
    assert (await act(world, "retry", dryRun=True)).json()["matched"] == 4


async def test_jobs_that_were_not_examined_are_left_and_selected_by_the_next_until(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await failed_jobs(world, 7)
    monkeypatch.setattr(bulk_actions, "PAGE", 1)
    monkeypatch.setattr(bulk_actions, "MAX_EXAMINED", 3)
    erased: list[str] = []
    selected = {"status": "failed"}
    for _ in range(10):
        response = await act(world, "erase", filter=selected)
        result = response.json()
        erased += result["jobs"]
        assert response.status_code == (202 if "nextUntil" in result else 200)
        if "nextUntil" not in result:
            break
        selected = {"status": "failed", "until": result["nextUntil"]}
    assert erased == ids
    assert (await act(world, "erase", dryRun=True, filter={"status": "failed"})).json()["matched"] == 0


async def test_a_caller_acts_on_its_own_jobs_and_an_admin_on_all(open_world: OpenWorld) -> None:
    async with open_world(TRIGGER_TOKENS=json.dumps(TOKENS)) as world:
        clients = {name: world.caller("127.0.0.1", Authorization=f"Bearer {name}") for name in TOKENS}
        for name in ("zap", "shop"):
            await clients[name].post("/", json={"prompt": "[fault:bad_request]"})
        matched = {
            name: (await act(world, "retry", dryRun=True, http=client)).json()["matched"]
            for name, client in clients.items()
        }
        assert matched == {"zap": 1, "shop": 1, "boss": 2}
        assert (await act(world, "retry", dryRun=True)).status_code == 401


async def test_without_authentication_only_this_machine_may_act(world: World) -> None:
    assert (await act(world, "retry", dryRun=True, http=world.caller("10.1.2.3"))).status_code == 403


# --- the other actions ---------------------------------------------------------------------------------------------


async def test_waiting_jobs_are_canceled(open_world: OpenWorld) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="1") as world:
        jobs = await a_second_apart(world, 4)
        waiting = [job["id"] for job in jobs if job["status"] == "queued"]
        response = await act(world, "cancel")
        result = response.json()
        assert (response.status_code, result["matched"], result["jobs"]) == (200, 4, waiting)
        assert result["done"] + result["skipped"] == 4
        assert result["estimatedCost"]["amount"] == 0
        assert {(await world.job(job_id))["status"] for job_id in waiting} == {"canceled"}


async def test_images_are_copied_again(world: World) -> None:
    world.vendor.answer("cdn", lambda _call: httpx.Response(503))
    ids = [await world.accepted(f"cat {number}") for number in range(2)]
    await world.end_of(*ids)
    world.vendor.reset()
    response = await act(world, "recopy", filter={"errorCode": "copy_failed"})
    assert (response.status_code, response.json()["done"]) == (200, 2)
    jobs = await world.end_of(*ids)
    assert ([job["status"] for job in jobs], world.paid) == (["succeeded"] * 2, 2)


async def test_jobs_without_receivers_are_skipped_by_a_redelivery(world: World) -> None:
    await failed_jobs(world, 2)
    result = (await act(world, "redeliver")).json()
    assert (result["matched"], result["done"], result["skipped"]) == (2, 0, 2)


# --- never paid twice ----------------------------------------------------------------------------------------------


async def test_a_repeat_with_the_same_key_gets_the_same_response_and_pays_nothing(world: World) -> None:
    ids = await failed_jobs(world)
    first = await retry_all(world, limit=2)
    await world.simulated("/_faults", fault="failed", times=2)
    await world.end_of(*ids)  # two have failed again, the third one never ran
    again = await retry_all(world, limit=2)
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert [(await world.job(job_id))["attempt"] for job_id in ids] == [2, 2, 1]
    assert world.paid == 5


async def test_equal_requests_at_the_same_time_retry_each_job_once(world: World) -> None:
    ids = await failed_jobs(world)
    responses = await asyncio.gather(*(retry_all(world) for _ in range(4)), *(retry_all(world, "x") for _ in range(2)))
    assert {response.status_code for response in responses} == {200}
    await world.end_of(*ids)
    assert [(await world.job(job_id))["attempt"] for job_id in ids] == [2, 2, 2]
    assert world.paid == 6


class Unavailable:
    """A store that fails after a number of saved jobs."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self.left: int | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def save(self, job: Any) -> Any:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise StoreUnavailable("down")
        return await self._store.save(job)


async def test_an_interrupted_request_is_completed_by_its_repeat(open_world: OpenWorld) -> None:
    stores: list[Unavailable] = []

    def wrap(store: JobStore) -> Any:
        stores.append(Unavailable(store))
        return stores[-1]

    async with open_world(wrap=wrap) as world:
        ids = await failed_jobs(world)
        stores[0].left = 1
        assert (await retry_all(world)).status_code == 503
        stores[0].left = None
        (newer,) = await world.end_of((await world.post("[fault:bad_request]")).json()["id"])
        result = (await retry_all(world)).json()
        assert (result["matched"], result["done"], result["jobs"]) == (3, 3, ids)
        await world.end_of(*ids)
        assert [(await world.job(job_id))["attempt"] for job_id in (*ids, newer["id"])] == [2, 2, 2, 1]


async def test_a_full_queue_leaves_the_rest(open_world: OpenWorld) -> None:
    async with open_world(MAX_QUEUED_JOBS="2") as world:
        await failed_jobs(world, 4)
        response = await retry_all(world)
        result = response.json()
        assert (response.status_code, result["matched"], result["done"], result["skipped"]) == (202, 4, 2, 0)


async def test_while_the_queue_is_full_a_repeat_with_the_same_key_continues(open_world: OpenWorld) -> None:
    async with open_world(MAX_QUEUED_JOBS="2") as world:
        ids = await failed_jobs(world, 5)
        first, done, responses = await retry_all(world, limit=4), 2, 0
        assert (first.status_code, first.json()["done"], first.json()["jobs"]) == (202, 2, ids[:2])
        assert int(first.headers["retry-after"]) >= 1
        while done < 4:
            await world.run_for(MINUTE)
            again = await asyncio.gather(*(retry_all(world, limit=4) for _ in range(3)))
            done, responses = max(response.json()["done"] for response in again), responses + 1
            assert {response.status_code for response in again} == {202}
            assert responses < 10
        await world.end_of(*ids)
        last = await retry_all(world, limit=4)
        assert "retry-after" not in last.headers, "one is left beyond the limit"
        result = last.json()
        assert (last.status_code, result["matched"], result["done"], result["jobs"]) == (202, 5, 4, ids[:4])
        assert [(await world.job(job_id))["attempt"] for job_id in ids] == [2, 2, 2, 2, 1]
        assert world.paid == 9


async def test_a_job_that_failed_again_is_not_retried_by_the_repeat_that_continues(open_world: OpenWorld) -> None:
    async with open_world(MAX_QUEUED_JOBS="2") as world:
        ids = await failed_jobs(world, 3)
        await world.simulated("/_faults", fault="failed", times=2)
        assert (await retry_all(world)).json()["jobs"] == ids[:2]
        await world.end_of(*ids[:2])
        result = (await retry_all(world)).json()
        assert (result["done"], result["jobs"]) == (3, ids)
        await world.end_of(*ids)
        assert [(await world.job(job_id))["attempt"] for job_id in ids] == [2, 2, 2]
        assert (await retry_all(world)).json() == result
        assert world.paid == 6


async def test_a_key_is_not_used_for_another_request(world: World) -> None:
    await failed_jobs(world)
    await retry_all(world)
    response = await retry_all(world, status="failed")
    assert (response.status_code, response.json()["errorCode"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("fields", "key", "status", "code", "field"),
    [
        ({}, "k", 422, "invalid_field", "confirm"),
        ({"confirm": False}, "k", 422, "invalid_field", "confirm"),
        ({"confirm": "yes"}, "k", 422, "invalid_field", "confirm"),
        ({"confirm": True}, None, 400, "invalid_idempotency_key", None),
        ({"confirm": True, "action": "erase everything"}, "k", 422, "invalid_field", "action"),
        ({"confirm": True, "action": ["retry"]}, "k", 422, "invalid_field", "action"),
        ({"confirm": True, "dryRun": 1}, "k", 422, "invalid_field", "dryRun"),
        ({"confirm": True, "jobs": []}, "k", 422, "invalid_field", "jobs"),
        ({"confirm": True, "filter": []}, "k", 422, "invalid_field", "filter"),
        ({"confirm": True, "filter": {"prompt": "x"}}, "k", 422, "invalid_field", "filter.prompt"),
        ({"confirm": True, "filter": {"caller": 1}}, "k", 422, "invalid_field", "filter.caller"),
        ({"confirm": True, "filter": {"limit": 0}}, "k", 422, "invalid_field", "filter.limit"),
        ({"confirm": True, "filter": {"limit": 101}}, "k", 422, "invalid_field", "filter.limit"),
        ({"confirm": True, "filter": {"limit": "1"}}, "k", 422, "invalid_field", "filter.limit"),
        ({"confirm": True, "filter": {"status": "done"}}, "k", 422, "invalid_field", "filter.status"),
        ({"confirm": True, "filter": {"status": 1}}, "k", 422, "invalid_field", "filter.status"),
        ({"confirm": True, "filter": {"errorCode": "x"}}, "k", 422, "invalid_field", "filter.errorCode"),
        ({"confirm": True, "filter": {"workflow": "a b"}}, "k", 422, "invalid_field", "filter.workflow"),
        ({"confirm": True, "filter": {"batchId": "1"}}, "k", 422, "invalid_field", "filter.batchId"),
        ({"confirm": True, "filter": {"since": "today"}}, "k", 422, "invalid_field", "filter.since"),
        ({"confirm": True, "filter": {"until": "today"}}, "k", 422, "invalid_field", "filter.until"),
    ],
)
async def test_an_incomplete_or_unclear_request_is_rejected(
    world: World, fields: dict[str, Any], key: str | None, status: int, code: str, field: str | None
) -> None:
    await failed_jobs(world, 1)
    response = await act(world, key=key, **{"action": "retry", **fields})
    assert (response.status_code, response.json()["errorCode"], response.json().get("field")) == (status, code, field)
    assert world.paid == 1

"""A retry is rejected unless the job failed or was canceled, a person has confirmed it, and the caller may act."""

import asyncio
import hashlib
import json
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.harness.world import World
from tests.steps.conftest import OpenWorld
from tests.steps.retries import HOUR, failed_job, retry

TOKENS = {
    name: {"sha256": hashlib.sha256(name.encode()).hexdigest(), "admin": name == "boss"}
    for name in ("zap", "shop", "boss")
}


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

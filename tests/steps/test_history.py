"""The history of a job has the responses of Wireflow that decided about its runs, and when each image was stored."""

import hashlib
import json
from datetime import timedelta
from typing import Any

import httpx

from shared.job_parts import MAX_RESPONSES, VendorCall, VendorResponse
from tests.harness.vendor import Call
from tests.harness.virtual_time import NOON
from tests.harness.world import World, moment
from tests.steps.conftest import OpenWorld

TOKENS = {
    name: {"sha256": hashlib.sha256(name.encode()).hexdigest(), "admin": name == "boss"}
    for name in ("zap", "shop", "boss")
}


async def history(world: World, job_id: str) -> dict[str, Any]:
    response = await world.http.get(f"/jobs/{job_id}/history")
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def calls(found: dict[str, Any]) -> list[tuple[Any, ...]]:
    names = ("attempt", "call", "httpStatus", "errorCode")
    return [tuple(response[name] for name in names) for response in found["responses"]]


async def test_the_responses_to_the_paid_call_and_at_the_end_of_the_run_are_kept_with_their_request_ids(world: World):
    (job,) = await world.end_of(await world.accepted())
    found = await history(world, job["id"])
    assert calls(found) == [(1, "start", 202, None), (1, "result", 200, None)]
    start, result = found["responses"]
    assert job["requestId"] == result["requestId"] != start["requestId"]
    assert job["createdAt"] <= start["at"] <= job["startedAt"] < result["at"] <= job["completedAt"]


async def test_each_paid_call_keeps_the_run_that_it_started(world: World):
    def not_found(_call: Call) -> httpx.Response:
        return httpx.Response(404, json={"error": "Execution not found"})

    def started(call: Call) -> httpx.Response:
        return httpx.Response(202, json={"executionId": f"run-{len(world.vendor.to('trigger'))}"}, request=call.request)

    for endpoint, answer in (("poll", not_found), ("details", not_found), ("trigger", started)):
        world.vendor.answer(endpoint, answer)
    (job,) = await world.end_of(await world.accepted())
    found = await history(world, job["id"])
    assert [response["executionId"] for response in found["responses"]] == ["run-1", "run-2"]


async def test_each_image_has_the_time_of_its_own_copy(world: World):
    tries: list[str] = []

    def first_fails(call: Call) -> httpx.Response | None:
        tries.append(call.request.url.path)
        return httpx.Response(503) if len(tries) == 1 else None

    world.vendor.answer("cdn", first_fails)
    (job,) = await world.end_of(await world.accepted("[fault:several_images] a cat"))
    times = [image["storedAt"] for image in (await history(world, job["id"]))["images"]]
    assert len(times) == len(job["images"]) == 3
    assert min(times) < max(times) <= job["completedAt"]


async def test_a_refused_call_is_kept_beside_the_one_that_started_the_run(world: World):
    await world.simulated("/_faults", fault="rate_limited_seconds", times=1)
    (job,) = await world.end_of(await world.accepted())
    found = calls(await history(world, job["id"]))
    assert found == [(1, "start", 429, "rate_limited"), (2, "start", 202, None), (2, "result", 200, None)]


async def test_a_call_without_a_response_has_no_status(world: World):
    await world.simulated("/_faults", fault="hang_after_start", times=1)
    (job,) = await world.end_of(await world.accepted())
    first = (await history(world, job["id"]))["responses"][0]
    assert (first["call"], first["httpStatus"], first["errorCode"]) == ("start", None, "outcome_unknown")


async def test_a_request_that_is_rejected_by_wireflow_shows_its_status(world: World):
    (job,) = await world.end_of((await world.post("[fault:bad_request]")).json()["id"])
    assert calls(await history(world, job["id"])) == [(1, "start", 400, "invalid_request")]


async def test_the_history_of_a_retried_job_has_both_runs(world: World):
    await world.simulated("/_faults", fault="failed", times=1)
    (job,) = await world.end_of(await world.accepted())
    await world.http.post(f"/jobs/{job['id']}/retry", json={"confirm": True, "attempt": 1})
    (job,) = await world.end_of(job["id"])
    found = calls(await history(world, job["id"]))
    assert [(attempt, call) for attempt, call, *_ in found] == [
        *((1, "start"), (1, "result")),
        *((2, "start"), (2, "result")),
    ]


async def test_the_response_with_a_late_result_is_kept(open_world: OpenWorld):
    async with open_world(run_seconds=(3000.0, 3000.0)) as world:
        (job,) = await world.end_of(await world.accepted())
        assert calls(await history(world, job["id"])) == [(1, "start", 202, None)]
        await world.run_for(timedelta(minutes=70))
        assert calls(await history(world, job["id"])) == [(1, "start", 202, None), (1, "result", 200, None)]


async def test_only_the_newest_responses_are_kept(world: World):
    record = await world.record(await world.accepted())
    for attempt in range(1, 20):
        record = record.responded(VendorResponse(attempt=attempt, call=VendorCall.START, at=NOON))
    assert [response.attempt for response in record.responses] == list(range(20 - MAX_RESPONSES, 20))


async def test_only_the_caller_and_an_admin_see_the_history(open_world: OpenWorld):
    async with open_world(TRIGGER_TOKENS=json.dumps(TOKENS), FORM_ORIGINS="https://shop.test") as world:
        clients = {name: world.caller("127.0.0.1", Authorization=f"Bearer {name}") for name in TOKENS}
        visitor = world.caller("127.0.0.1", Origin="https://shop.test")
        own, of_a_form = [
            (await client.post("/", json={"prompt": "a cat"})).json()["id"] for client in (clients["zap"], visitor)
        ]
        readers = {**clients, "visitor": visitor}
        seen = {
            (name, job_id == own): (await client.get(f"/jobs/{job_id}/history")).status_code
            for name, client in readers.items()
            for job_id in (own, of_a_form)
        }
        assert seen == {
            **{("zap", True): 200, ("boss", True): 200, ("shop", True): 404, ("visitor", True): 401},
            **{("zap", False): 403, ("boss", False): 200, ("shop", False): 403, ("visitor", False): 401},
        }


async def test_an_erased_job_has_no_history(world: World):
    (job,) = await world.end_of(await world.accepted())
    await world.http.delete(f"/jobs/{job['id']}?erase=true")
    assert (await world.http.get(f"/jobs/{job['id']}/history")).status_code == 410
    assert (await world.record(job["id"])).responses == ()


async def test_the_time_of_a_copy_is_stored_with_the_image(world: World):
    job_id = await world.accepted()
    await world.end_of(job_id)
    (image,) = (await world.record(job_id)).images
    (shown,) = (await history(world, job_id))["images"]
    assert image.stored_at
    assert moment(shown["storedAt"]) == image.stored_at.replace(microsecond=image.stored_at.microsecond // 1000 * 1000)

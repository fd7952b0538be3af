"""The same request under the same key is one job, however often it is sent."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.harness.world import World
from tests.steps.conftest import Open

Same = [
    ('{"prompt": "a cat", "n": 1, "list": [1, 2.5]}', '{ "list":[1.0,2.5],"n":1.0 , "prompt":"a cat"}'),
    ('{"prompt": "caf\\u00e9"}', '{"prompt": "café"}'),
    ('{"prompt": "a cat", "big": 100000000000000000000}', '{"prompt": "a cat", "big": 1e20}'),
]
DIFFERENT = [
    {"prompt": "a dog"},
    {"prompt": "a cat", "n": 2},
    {"prompt": "a cat", "n": True},
    {"prompt": "a cat", "n": "1"},
    {"prompt": "a cat", "n": None},
    {"prompt": "a cat"},
    {"prompt": "a cat", "n": [1]},
    {"prompt": "a cat ", "n": 1},
]


async def send(here: World, body: str, key: str) -> httpx.Response:
    headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
    return await here.http.post("/", content=body, headers=headers)


async def test_a_repeat_while_the_job_goes_on_answers_202_with_the_same_job(here: World) -> None:
    first, second = await here.post(key="k"), await here.post(key="k")
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["id"] == second.json()["id"]
    assert second.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert second.headers["location"] == first.headers["location"]
    assert len(here.vendor.to("trigger")) == 1


async def test_a_repeat_after_the_end_answers_200(here: World) -> None:
    job_id = (await here.post(key="k")).json()["id"]
    await here.end_of(job_id)
    answer = await here.post(key="k")
    assert (answer.status_code, answer.json()["status"], answer.json()["id"]) == (200, "succeeded", job_id)
    assert "retry-after" not in answer.headers


async def test_a_failed_job_is_replayed_too(here: World) -> None:
    first = await here.post("a cat [fault:bad_request]", key="k")
    second = await here.post("a cat [fault:bad_request]", key="k")
    assert (second.status_code, second.json()["id"]) == (200, first.json()["id"])
    assert len(here.vendor.to("trigger")) == 1


@pytest.mark.parametrize(("one", "other"), Same)
async def test_bodies_are_compared_as_json_values(here: World, one: str, other: str) -> None:
    first, second = await send(here, one, "k"), await send(here, other, "k")
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["id"] == second.json()["id"]


@pytest.mark.parametrize("body", DIFFERENT)
async def test_the_same_key_with_another_body_is_422(here: World, body: dict[str, Any]) -> None:
    await here.http.post("/", json={"prompt": "a cat", "n": 1}, headers={"Idempotency-Key": "k"})
    answer = await here.http.post("/", json=body, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["errorCode"]) == (422, "idempotency_key_reused")
    assert answer.headers["content-type"] == "application/problem+json"
    assert here.paid == 1


async def test_a_quoted_key_is_the_same_key(here: World) -> None:
    first, second = await here.post(key='"k-1"'), await here.post(key="k-1")
    assert first.json()["id"] == second.json()["id"]


async def test_other_keys_and_none_are_other_jobs(here: World) -> None:
    answers = [await here.post(key=key) for key in ("a", "b", None, None)]
    assert len({answer.json()["id"] for answer in answers}) == 4
    assert here.paid == 4


@pytest.mark.parametrize("limit", ["0", "10"])
async def test_concurrent_repeats_pay_once(open_world: Open, limit: str) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE=limit) as here:
        answers = await asyncio.gather(*(here.post(key="k") for _ in range(20)))
        assert {answer.status_code for answer in answers} == {202}
        (job_id,) = {answer.json()["id"] for answer in answers}
        assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
        await here.end_of(job_id)
        assert (here.paid, len(here.vendor.to("trigger"))) == (1, 1)
        assert (await here.store.read_gate()).executions_today == 1, "slots of repeats are given back"


async def test_concurrent_repeats_at_two_instances_pay_once(open_world: Open) -> None:
    async with open_world() as here, open_world(simulator=here.simulator) as there:
        answers = await asyncio.gather(*(place.post(key="k") for _ in range(10) for place in (here, there)))
        (job_id,) = {answer.json()["id"] for answer in answers}
        await here.end_of(job_id)
        assert here.paid == 1


async def test_ids_cannot_be_computed_from_the_key(open_world: Open, tmp_path_factory: pytest.TempPathFactory) -> None:
    from tests.harness.world import world

    async with open_world() as here, world(tmp_path_factory.mktemp("other")) as elsewhere:
        ours, theirs = await here.post(key="k"), await elsewhere.post(key="k")
        assert ours.json()["id"] != theirs.json()["id"]


@pytest.mark.parametrize("key", ["", "   ", "x" * 256, "a b", "smörgås".encode(), "tab\there"])
async def test_a_malformed_key_is_400(here: World, key: str | bytes) -> None:
    answer = await here.http.post("/", json={"prompt": "a cat"}, headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["errorCode"]) == (400, "invalid_idempotency_key")
    assert here.paid == 0


async def test_the_longest_key_is_taken(here: World) -> None:
    assert (await here.post(key="x" * 255)).status_code == 202

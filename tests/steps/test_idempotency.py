"""The same request under the same idempotency key is one job, however often it is sent."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.harness import world as harness
from tests.harness.world import World
from tests.steps.conftest import OpenWorld

EQUAL = [
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


async def send(world: World, body: str, key: str) -> httpx.Response:
    headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
    return await world.http.post("/", content=body, headers=headers)


async def test_a_repeated_request_returns_202_and_the_same_job_while_it_is_in_progress(world: World) -> None:
    first, second = await world.post(key="k"), await world.post(key="k")
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["id"] == second.json()["id"]
    assert second.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert second.headers["location"] == first.headers["location"]
    assert len(world.vendor.to("trigger")) == 1


async def test_a_repeated_request_returns_200_once_the_job_is_final(world: World) -> None:
    job_id = (await world.post(key="k")).json()["id"]
    await world.end_of(job_id)
    response = await world.post(key="k")
    assert (response.status_code, response.json()["status"], response.json()["id"]) == (200, "succeeded", job_id)
    assert "retry-after" not in response.headers


async def test_a_failed_job_is_replayed(world: World) -> None:
    first = await world.post("a cat [fault:bad_request]", key="k")
    second = await world.post("a cat [fault:bad_request]", key="k")
    assert (second.status_code, second.json()["id"]) == (200, first.json()["id"])
    assert len(world.vendor.to("trigger")) == 1


@pytest.mark.parametrize(("one", "other"), EQUAL)
async def test_bodies_are_compared_as_json_values(world: World, one: str, other: str) -> None:
    first, second = await send(world, one, "k"), await send(world, other, "k")
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["id"] == second.json()["id"]


@pytest.mark.parametrize("body", DIFFERENT)
async def test_the_same_idempotency_key_with_a_different_body_is_422(world: World, body: dict[str, Any]) -> None:
    await world.http.post("/", json={"prompt": "a cat", "n": 1}, headers={"Idempotency-Key": "k"})
    response = await world.http.post("/", json=body, headers={"Idempotency-Key": "k"})
    assert (response.status_code, response.json()["errorCode"]) == (422, "idempotency_key_reused")
    assert response.headers["content-type"] == "application/problem+json"
    assert world.paid == 1


async def test_a_quoted_idempotency_key_equals_the_unquoted_one(world: World) -> None:
    first, second = await world.post(key='"k-1"'), await world.post(key="k-1")
    assert first.json()["id"] == second.json()["id"]


async def test_different_idempotency_keys_and_missing_ones_make_different_jobs(world: World) -> None:
    responses = [await world.post(key=key) for key in ("a", "b", None, None)]
    assert len({response.json()["id"] for response in responses}) == 4
    assert world.paid == 4


@pytest.mark.parametrize("limit", ["0", "10"])
async def test_concurrent_repeats_are_paid_for_once(open_world: OpenWorld, limit: str) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE=limit) as world:
        responses = await asyncio.gather(*(world.post(key="k") for _ in range(20)))
        assert {response.status_code for response in responses} == {202}
        (job_id,) = {response.json()["id"] for response in responses}
        assert sum("idempotent-replayed" not in response.headers for response in responses) == 1
        await world.end_of(job_id)
        assert (world.paid, len(world.vendor.to("trigger"))) == (1, 1)
        counted = (await world.store.read_gate()).executions_today
        assert counted == (limit != "0"), "the slots of repeated requests are released; without a limit none is counted"


async def test_concurrent_repeats_at_two_instances_are_paid_for_once(open_world: OpenWorld) -> None:
    async with open_world() as world, open_world(simulator=world.simulator) as other:
        responses = await asyncio.gather(*(instance.post(key="k") for _ in range(10) for instance in (world, other)))
        (job_id,) = {response.json()["id"] for response in responses}
        await world.end_of(job_id)
        assert world.paid == 1


async def test_job_ids_cannot_be_computed_from_the_idempotency_key(
    open_world: OpenWorld, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with open_world() as world, harness.world(tmp_path_factory.mktemp("other")) as other_deployment:
        first, second = await world.post(key="k"), await other_deployment.post(key="k")
        assert first.json()["id"] != second.json()["id"]


@pytest.mark.parametrize("key", ["", "   ", "x" * 256, "a b", "smörgås".encode(), "tab\there"])
async def test_a_malformed_idempotency_key_is_400(world: World, key: str | bytes) -> None:
    response = await world.http.post("/", json={"prompt": "a cat"}, headers={"Idempotency-Key": key})
    assert (response.status_code, response.json()["errorCode"]) == (400, "invalid_idempotency_key")
    assert world.paid == 0


async def test_an_idempotency_key_of_255_characters_is_accepted(world: World) -> None:
    assert (await world.post(key="x" * 255)).status_code == 202

"""A batch that is sent again with another `callbackUrl` adds that receiver to its jobs, and pays for nothing."""

import json
from datetime import timedelta
from typing import cast
from urllib.parse import quote

import pytest

from shared.ports import JobStore
from shared.steps import accept_batch
from shared.steps.receivers import TooManyReceivers
from tests.harness.receivers import Receiver
from tests.harness.world import SMALL as SMALL_IMAGE
from tests.harness.world import World
from tests.steps.conftest import OpenWorld
from tests.steps.row_batches import AUTH, COUNTS, SMALL, TOKENS, Breaking, ended, jobs_of, table, upload, uploaded


def adding(receiver: Receiver) -> str:
    """Return a query that names a receiver."""
    return f"{SMALL}&callbackUrl={quote(receiver.url, safe='')}"


def told(receiver: Receiver) -> list[str]:
    return sorted(delivery.body["data"]["prompt"] for delivery in receiver.deliveries)


async def test_an_upload_that_is_repeated_with_another_receiver_adds_it_to_each_job(world: World) -> None:
    first, second, third = (Receiver(world, f"{name}.test") for name in ("first", "second", "third"))
    found = await uploaded(world, table(3), adding(first))
    again = await uploaded(world, table(3), adding(second))
    assert again["batchId"] == found["batchId"]
    await ended(world, found)
    prompts = ["cat 0", "cat 1", "cat 2"]
    assert (told(first), told(second)) == (prompts, prompts)
    assert (await uploaded(world, table(3), adding(third))) == again | {
        "status": "done",
        "counts": dict(zip(COUNTS, (3, 0, 0, 3, 0, 0), strict=True)),
        "estimatedEndAt": None,
    }
    await world.run_window()
    assert [told(one) for one in (first, second, third)] == [prompts] * 3
    assert world.paid == 3


async def test_json_that_is_repeated_with_another_receiver_is_the_same_batch(world: World) -> None:
    receivers = [Receiver(world, f"receiver{number}.test") for number in range(2)]
    found = []
    for receiver in receivers:
        content = json.dumps({"prompts": ["a cat", "a dog"], "callbackUrl": receiver.url}).encode()
        found.append(await uploaded(world, content, SMALL, **{"Content-Type": "application/json"}))
    assert found[0]["batchId"] == found[1]["batchId"]
    content = json.dumps({"prompts": ["a cat", "a bird"], "callbackUrl": receivers[0].url}).encode()
    other = await uploaded(world, content, SMALL, **{"Content-Type": "application/json"})
    assert other["batchId"] != found[0]["batchId"]
    await ended(world, found[0])
    assert [set(told(receiver)) >= {"a cat", "a dog"} for receiver in receivers] == [True, True]


async def test_json_with_and_without_a_receiver_is_the_same_batch(world: World) -> None:
    bodies: list[dict[str, object]] = [{}, {"callbackUrl": "https://receiver.test/"}, {"dryRun": False}]
    for spaces in (None, 2):
        for body in bodies:
            content = json.dumps({"prompts": ["a cat", "a dog"], **body}, indent=spaces).encode()
            await uploaded(world, content, SMALL, **{"Content-Type": "application/json"})
    assert len((await world.http.get("/jobs")).json()["jobs"]) == 2


async def test_json_with_the_token_in_its_body_or_in_the_header_is_the_same_batch(open_world: OpenWorld) -> None:
    async with open_world(**AUTH) as world:
        ids = set()
        for fields, headers in (({"token": TOKENS["ann"]}, {}), ({}, {"Authorization": f"Bearer {TOKENS['ann']}"})):
            content = json.dumps({"prompts": ["a cat"], **fields}).encode()
            ids.add(
                (await uploaded(world, content, SMALL, **{"Content-Type": "application/json"}, **headers))["batchId"]
            )
        assert len(ids) == 1


async def test_a_file_is_the_same_batch_whichever_task_brings_it(world: World) -> None:
    tasks = [{"X-CloudTasks-QueueName": "images", "X-CloudTasks-TaskName": name} for name in ("1", "1", "2")]
    found = {(await uploaded(world, table(2), SMALL, **task))["batchId"] for task in (*tasks, {})}
    assert len(found) == 1


async def test_an_upload_that_is_continued_with_another_receiver_adds_it_to_the_rows_that_were_stored(
    open_world: OpenWorld,
) -> None:
    stores: list[Breaking] = []

    def breaking(store: JobStore) -> JobStore:
        stores.append(Breaking(store, 1))
        return cast(JobStore, stores[0])

    async with open_world(wrap=breaking) as world:
        receiver = Receiver(world, "receiver.test")
        broken = await upload(world, table(101), SMALL, **{"Idempotency-Key": "k"})
        assert broken.status_code == 503
        stores[0].commits = 10
        found = await uploaded(world, table(101), adding(receiver), **{"Idempotency-Key": "k"})
        assert found["counts"]["total"] == 101
        await ended(world, found)
        await world.run_for(timedelta(minutes=3))
        assert len(receiver.deliveries) == world.paid == 101


async def test_an_erased_job_of_a_repeated_upload_gets_no_receiver(world: World) -> None:
    receiver = Receiver(world, "receiver.test")
    found = await uploaded(world, table(2), SMALL)
    await ended(world, found)
    erased = (await jobs_of(world, found))[0]
    assert (await world.http.delete(f"/jobs/{erased['id']}?erase=true")).status_code == 204
    await uploaded(world, table(2), adding(receiver))
    await world.run_window()
    assert told(receiver) == ["cat 1"]


async def test_a_ninth_receiver_of_a_repeated_upload_is_refused(world: World) -> None:
    for number in range(8):
        await uploaded(world, table(2), f"{SMALL}&callbackUrl=https://receiver.test/{number}")
    answer = await upload(world, table(2), f"{SMALL}&callbackUrl=https://receiver.test/8")
    assert (answer.status_code, answer.json()["field"]) == (422, "callbackUrl")
    assert (await uploaded(world, table(2), f"{SMALL}&callbackUrl=https://receiver.test/7"))["counts"]["total"] == 2


@pytest.mark.parametrize("stored", [False, True])
async def test_equal_requests_of_one_batch_that_name_too_many_receivers_are_refused(
    open_world: OpenWorld, stored: bool
) -> None:
    each = [[f"https://receiver.test/{number}/{n}" for n in range(3)] for number in range(4)]
    requests = [{"prompt": "a cat", "idempotencyKey": "k", "callbackUrl": urls} for urls in each]
    async with open_world(**AUTH) as world:
        ann = world.caller("127.0.0.1", Authorization=f"Bearer {TOKENS['ann']}")
        if stored:
            assert (await ann.post("/", json=requests[:1])).status_code == 202
        answer = await ann.post("/", json=requests)
        assert (answer.status_code, answer.json()["field"]) == (422, "[2].callbackUrl")
        assert len((await ann.get("/jobs")).json()["jobs"]) == stored
        results = (await ann.post("/?partial=true", json=requests)).json()["jobs"]
        assert [one["status"] for one in results] == ["queued", "queued", 422, 422]
        (job,) = (await ann.get("/jobs")).json()["jobs"]
        assert len(job["callbacks"]) == 6


async def test_a_receiver_too_many_that_another_request_has_added_meanwhile_is_refused(
    open_world: OpenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        raise TooManyReceivers

    async with open_world(**AUTH) as world:
        ann = world.caller("127.0.0.1", Authorization=f"Bearer {TOKENS['ann']}")
        requests = [{"prompt": "a cat", "idempotencyKey": "k", "callbackUrl": "https://receiver.test/"}]
        assert (await ann.post("/", json=requests)).status_code == 202
        monkeypatch.setattr(accept_batch, "add_receivers", full)
        answer = await ann.post("/", json=[{"prompt": "a new dog"}, *requests])
        assert (answer.status_code, answer.json()["field"]) == (422, "[1].callbackUrl")
        assert len((await ann.get("/jobs")).json()["jobs"]) == 1, "no job of a refused batch is stored"
        (result,) = (await ann.post("/?partial=true", json=requests)).json()["jobs"]
        assert result["status"] == 422


async def test_prompts_that_are_repeated_with_another_receiver_add_it(open_world: OpenWorld) -> None:
    async with open_world(**AUTH) as world:
        first, second = Receiver(world, "first.test"), Receiver(world, "second.test")
        headers = {"Idempotency-Key": "k", "Authorization": f"Bearer {TOKENS['ann']}"}
        for receiver in (first, second):
            fields = {"prompts": ["a cat", "a dog"], **SMALL_IMAGE, "callbackUrl": receiver.url}
            answer = await world.http.post("/", json=fields, headers=headers)
            assert answer.status_code == 202, answer.text
        await world.run_for(timedelta(minutes=2))
        assert told(first) == told(second) == ["a cat", "a dog"]
        assert world.paid == 2

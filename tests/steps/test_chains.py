"""`POST /jobs/{id}/next`: a job continues with an image of another one, and both name each other."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.harness.receivers import Receiver
from tests.harness.world import SMALL
from tests.steps.chains import SETTINGS, BrokenSaves, continued, finished, inputs
from tests.steps.conftest import OpenWorld
from tests.steps.test_callers import AUTH, SHOP, bearer, submit


@pytest.mark.parametrize("workflow", ["draft", "best", "saved"])
async def test_a_job_continues_with_the_chosen_image_and_the_same_prompt(open_world: OpenWorld, workflow: str) -> None:
    async with open_world(**SETTINGS) as world:
        first = await finished(world, workflow="draft", count=2)
        response = await continued(world, first["id"], workflow=workflow, image=1)
        assert (response.status_code, response.headers["location"]) == (202, f"/jobs/{response.json()['id']}")
        (second,) = await world.end_of(response.json()["id"])
        assert (second["status"], second["workflow"], second["prompt"]) == ("succeeded", workflow, first["prompt"])
        assert (await inputs(world))[1] == first["images"][1]["sha256"]
        first = await world.job(first["id"])
        assert (second["previousJob"], first["nextJobs"]) == (first["id"], [second["id"]])
        assert (first["previousJob"], second["nextJobs"]) == (None, [])


async def test_the_first_image_and_another_prompt_may_continue(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as world:
        first = await finished(world, workflow="draft")
        (second,) = await world.end_of((await continued(world, first["id"], prompt="sharper")).json()["id"])
        assert (second["prompt"], (await inputs(world))[1]) == ("sharper", first["images"][0]["sha256"])


async def test_a_job_may_continue_in_many_ways_and_lists_the_newest(open_world: OpenWorld) -> None:
    async with open_world(**AUTH, **SETTINGS) as world:
        world.http.headers.update(bearer("zap"))
        first = await finished(world, workflow="draft")
        ids = [(await continued(world, first["id"])).json()["id"] for _ in range(3)]
        batch = [{"prompt": f"variant {n}", "workflow": "draft", "fromJob": first["id"]} for n in range(99)]
        response = await world.http.post("/", json=batch)
        assert response.status_code == 202
        ids += [job["id"] for job in response.json()["jobs"]]
        assert (await world.job(first["id"]))["nextJobs"] == ids[-100:]


async def test_a_request_that_continues_is_idempotent(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as world:
        first = await finished(world, workflow="draft")
        one, two = [await continued(world, first["id"], key="k") for _ in range(2)]
        assert (one.json()["id"], two.headers["idempotent-replayed"]) == (two.json()["id"], "true")
        assert (await world.job(first["id"]))["nextJobs"] == [one.json()["id"]]
        assert (await continued(world, first["id"], key="k", prompt="other")).status_code == 422


@pytest.mark.parametrize("fields", [{}, {"prompt": "sharper"}])
async def test_a_repeat_is_answered_although_its_source_has_been_erased(
    open_world: OpenWorld, fields: dict[str, Any]
) -> None:
    async with open_world(**SETTINGS) as world:
        first = await finished(world, workflow="draft")
        second = await continued(world, first["id"], key="k", **fields)
        await world.end_of(second.json()["id"])
        assert (await world.http.delete(f"/jobs/{first['id']}?erase=true")).status_code == 204
        again = await continued(world, first["id"], key="k", **fields)
        assert (again.status_code, again.json()["id"]) == (200, second.json()["id"])
        assert (await continued(world, first["id"], key="k", workflow="saved")).status_code == 422
        assert (await continued(world, first["id"], dedupeField="prompt")).status_code == 410
        assert (await continued(world, first["id"], key="another")).status_code == 410
        assert (await continued(world, first["id"])).status_code == 410
        assert world.paid == 2


async def test_so_is_one_whose_field_is_its_key(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as world:
        first = await finished(world, workflow="draft")
        fields = {"dedupeField": "prompt", "prompt": "sharper"}
        second = await continued(world, first["id"], **fields)
        assert (await world.http.delete(f"/jobs/{first['id']}?erase=true")).status_code == 204
        again = await continued(world, first["id"], **fields)
        assert (again.headers["idempotent-replayed"], again.json()["id"]) == ("true", second.json()["id"])


@pytest.mark.parametrize("empty", ["", None])
@pytest.mark.parametrize("name", ["image", "prompt"])
async def test_an_empty_field_counts_as_not_sent(open_world: OpenWorld, name: str, empty: str | None) -> None:
    async with open_world(**SETTINGS) as world:
        first = await finished(world, workflow="draft")
        response = await continued(world, first["id"], **{name: empty})
        assert (response.status_code, response.json().get("prompt")) == (202, first["prompt"]), response.text


async def test_a_link_that_was_lost_is_made_by_a_repeat(open_world: OpenWorld) -> None:
    async with open_world(wrap=BrokenSaves, **SETTINGS) as world:
        first = await finished(world, workflow="draft")
        world.store.broken = {first["id"]}
        response = await continued(world, first["id"], key="k")
        assert (response.status_code, (await world.job(first["id"]))["nextJobs"]) == (202, [])
        world.store.broken = set()
        await continued(world, first["id"], key="k")
        assert (await world.job(first["id"]))["nextJobs"] == [response.json()["id"]]


@pytest.mark.parametrize(
    ("fields", "status", "field"),
    [
        ({"workflow": None}, 422, "workflow"),
        ({"workflow": "unknown"}, 422, "workflow"),
        ({"workflow": "lite"}, 422, "image1"),
        ({"image": 1}, 422, "image"),
        ({"image": -1}, 422, "image"),
        ({"image": "x"}, 422, "image"),
        ({"fromJob": "0" * 32}, 422, "fromJob"),
        ({"fromImage": 0}, 422, "fromImage"),
        ({"image1": "https://a.example/b.png"}, 422, "fromJob"),
    ],
)
async def test_what_cannot_continue_is_rejected_by_name(
    open_world: OpenWorld, fields: dict[str, Any], status: int, field: str | None
) -> None:
    async with open_world(**SETTINGS) as world:
        first = await finished(world, workflow="draft")
        response = await continued(world, first["id"], **fields)
        assert (response.status_code, response.json().get("field")) == (status, field), response.text
        assert world.paid == 1


async def test_a_batch_does_not_continue_a_job(open_world: OpenWorld) -> None:
    async with open_world(**AUTH, **SETTINGS) as world:
        world.http.headers.update(bearer("zap"))
        first = await finished(world, workflow="draft")
        for body in (["a cat"], {"prompts": ["a cat"], "workflow": "best"}):
            response = await world.http.post(f"/jobs/{first['id']}/next?workflow=best", json=body)
            assert (response.status_code, world.paid) == (422, 1)


async def test_a_job_without_images_does_not_continue(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as world:
        job_id = await world.accepted("[fault:moderation]", workflow="draft")
        for _ in range(2):
            response = await continued(world, job_id)
            assert (response.status_code, response.json()["errorCode"]) == (409, "source_not_ready")
            await world.end_of(job_id)
        assert (await continued(world, "0" * 32)).status_code == 404


async def test_a_quote_of_a_continuation_stores_nothing(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as world:
        first = await finished(world, workflow="draft")
        response = await continued(world, first["id"], dryRun=True)
        assert (response.status_code, response.json()["estimatedCost"]["amount"]) == (200, 0.2)
        assert (await world.job(first["id"]))["nextJobs"] == []


async def test_only_the_caller_and_admins_continue_a_job_and_only_the_caller_is_told(open_world: OpenWorld) -> None:
    async with open_world(**AUTH, **SETTINGS) as world:
        first = (await submit(world, bearer("zap"), workflow="draft")).json()["id"]
        path = f"/jobs/{first}"

        async def post(name: str) -> httpx.Response:
            return await world.http.post(f"{path}/next", json={"workflow": "best"}, headers=bearer(name))

        async def final() -> bool:
            return (await world.record(first)).finished

        await world.run_until(final)
        assert (await world.http.post(f"{path}/next", json={"workflow": "best"})).status_code == 401
        assert (await post("ci")).status_code == 404
        by_admin, by_zap = (await post("admin")).json(), (await post("zap")).json()
        assert by_admin["previousJob"] == by_zap["previousJob"] == first
        job = (await world.http.get(path, headers=bearer("zap"))).json()
        assert job["nextJobs"] == [by_zap["id"]], "who knows the id of a job can see its images"


async def test_readers_without_the_token_see_no_links(open_world: OpenWorld) -> None:
    async with open_world(**AUTH, **SETTINGS) as world:
        form = {"prompt": "a cat", "workflow": "draft", **SMALL}
        first = (await world.http.post("/", data=form, headers={"Origin": SHOP})).json()["id"]
        await world.run_until(lambda: asyncio.sleep(0, result=True))
        await world.run_window()
        body = {"workflow": "draft", **SMALL}
        answer = await world.http.post(f"/jobs/{first}/next", data=body, headers={"Origin": SHOP})
        assert answer.status_code == 202, answer.text
        assert (answer.json()["previousJob"], answer.json()["nextJobs"]) == (None, None)
        assert (await world.http.get(f"/jobs/{first}")).json()["nextJobs"] is None


async def test_a_job_whose_source_is_erased_before_it_starts_fails_free_of_charge_and_says_why(
    open_world: OpenWorld,
) -> None:
    async with open_world(**SETTINGS) as world:
        first = await finished(world, workflow="draft")
        second = (await continued(world, first["id"])).json()
        assert (await world.http.delete(f"/jobs/{first['id']}?erase=true")).status_code == 204
        await world.deps.images.delete_job(first["id"])
        (second,) = await world.end_of(second["id"])
        assert (second["status"], second["errorCode"], second["errorCharged"], world.paid) == (
            "failed",
            "input_image_unavailable",
            "no",
            1,
        )
        assert "may have been erased" in second["errorMessage"]
        assert "publicly reachable" not in second["errorHint"]
        body = {"confirm": True, "attempt": second["attempt"]}
        assert (await world.http.post(f"/jobs/{second['id']}/retry", json=body)).json()["errorCode"] == "input_gone"


async def test_a_message_stays_the_same_when_the_job_is_continued_before_the_next_attempt(
    open_world: OpenWorld,
) -> None:
    async with open_world(**SETTINGS) as world:
        receiver = Receiver(world, "receiver.test", 500)
        first = await finished(world, workflow="draft", callbackUrl=receiver.url)
        await continued(world, first["id"])
        await world.run_for(timedelta(minutes=2))
        bodies = [delivery.body for delivery in receiver.deliveries]
        assert len(bodies) > 1
        assert all(body == bodies[0] for body in bodies)


async def test_a_job_is_continued_while_a_worker_holds_it(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as world:
        receiver = Receiver(world, "receiver.test", seconds=5)
        job_id = await world.accepted(workflow="draft", callbackUrl=receiver.url)
        scheduler = asyncio.create_task(world.run_for(timedelta(minutes=3)))
        while not (await world.record(job_id)).finished:
            await world.clock.sleep(0.5)
        await world.clock.sleep(1)
        second = (await continued(world, job_id)).json()["id"]
        await scheduler
        job = await world.job(job_id)
        assert (job["nextJobs"], job["callbacks"][0]["status"]) == ([second], "delivered")
        assert len(receiver.deliveries) == 1, "the worker kept its lease"

"""Chains: a job continues with an image of another one, by `POST /jobs/{id}/next` or, with `then`, automatically."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import httpx
import pytest

from shared.job import Job
from shared.ports import JobStore
from shared.store_errors import StoreUnavailable
from tests.harness.receivers import Receiver
from tests.harness.world import SMALL, World, moment
from tests.steps import test_row_batches as rows
from tests.steps.conftest import OpenWorld
from tests.steps.test_callers import AUTH, SHOP, bearer, submit

WORKFLOWS = json.dumps(
    {
        "default": {"mode": "webhook", "id": "demo-webhook", "pricePerImage": 0.04},
        "draft": {"mode": "webhook", "id": "demo-webhook", "pricePerImage": 0.04},
        "best": {"mode": "execute", "id": "demo-execute", "model": "nano_banana_pro", "pricePerImage": 0.2},
        "lite": {"mode": "execute", "id": "demo-execute", "model": "nano_banana_2_lite", "pricePerImage": 0.1},
        "saved": {"mode": "run", "id": "demo-saved", "pricePerImage": 0.2},
    }
)
SETTINGS = {"WIREFLOW_WORKFLOWS": WORKFLOWS}


async def inputs(world: World) -> list[str | None]:
    return [run["input"] for run in (await world.simulated("/_runs"))["runs"]]


async def finished(world: World, **fields: Any) -> dict[str, Any]:
    (job,) = await world.end_of(await world.accepted(**fields))
    assert job["status"] == "succeeded"
    return job


async def continued(world: World, job_id: str, key: str | None = None, **fields: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await world.http.post(f"/jobs/{job_id}/next", json={"workflow": "best", **fields}, headers=headers)


# --- by request ----------------------------------------------------------------------------------------------------


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


async def test_a_retry_keeps_what_follows_and_its_price(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as world:
        await world.simulated("/_faults", fault="moderation", times=1)
        (first,) = await world.end_of(await world.accepted(workflow="draft", then="best"))
        assert (first["status"], first["nextJobs"]) == ("failed", [])
        plan = {"action": "retry", "filter": {}, "dryRun": True}
        quote = (await world.http.post("/jobs/actions", json=plan)).json()
        assert quote["estimatedCost"]["amount"] == 0.24
        await world.http.post(f"/jobs/{first['id']}/retry", json={"confirm": True, "attempt": 1})
        await world.end_of(first["id"])
        assert (await next_of(world, first["id"]))["status"] == "succeeded"


# --- automatically -------------------------------------------------------------------------------------------------


async def next_of(world: World, job_id: str) -> dict[str, Any]:
    (next_id,) = (await world.job(job_id))["nextJobs"]
    (job,) = await world.end_of(next_id)
    return job


async def test_with_then_a_job_follows_with_the_first_image(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as world:
        own = {"metadata": {"order": "7"}, "altText": "A cat on a mat"}
        first = await finished(world, workflow="draft", then="best", count=2, **own)
        second = await next_of(world, first["id"])
        assert (second["status"], second["workflow"], second["previousJob"]) == ("succeeded", "best", first["id"])
        assert (second["prompt"], second["metadata"], second["altText"]) == ("a cat", *own.values())
        assert await inputs(world) == [None, first["images"][0]["sha256"]]
        assert moment(second["createdAt"]) - moment(first["completedAt"]) < timedelta(seconds=3)
        await world.run_window()
        assert (second["nextJobs"], world.paid, (await world.record(first["id"])).due_at) == ([], 2, None)


async def test_what_follows_a_private_job_is_private(open_world: OpenWorld) -> None:
    async with open_world(**AUTH, **SETTINGS) as world:
        stranger = world.caller("127.0.0.1")
        world.http.headers.update(bearer("zap"))
        first = await finished(world, workflow="draft", then="best")
        second = await next_of(world, first["id"])
        answers = [await stranger.get(f"/jobs/{job['id']}") for job in (first, second)]
        assert [answer.status_code for answer in answers] == [401, 401]


@pytest.mark.parametrize("prompt", ["[fault:moderation]", "[fault:completed_without_image]"])
async def test_nothing_follows_a_job_that_fails(open_world: OpenWorld, prompt: str) -> None:
    async with open_world(**SETTINGS) as world:
        (first,) = await world.end_of(await world.accepted(prompt, workflow="draft", then="best"))
        await world.run_window()
        jobs = (await world.http.get("/jobs")).json()["jobs"]
        assert (first["status"], first["nextJobs"], len(jobs)) == ("failed", [], 1)


async def test_nothing_follows_a_job_that_is_canceled(open_world: OpenWorld) -> None:
    async with open_world(DAILY_SPEND_USD="0.24", **SETTINGS) as world:
        await finished(world, workflow="draft")
        job_id = await world.accepted(workflow="draft", then="best")
        assert (await world.http.delete(f"/jobs/{job_id}")).json()["nextJobs"] == []
        await world.run_window()
        assert len((await world.http.get("/jobs")).json()["jobs"]) == 2


@pytest.mark.parametrize("lost", ["create", "save"])
async def test_exactly_one_job_follows_when_a_worker_dies_at_any_point(open_world: OpenWorld, lost: str) -> None:
    async with open_world(wrap=BrokenSaves, **SETTINGS) as world:
        job_id = await world.accepted(workflow="draft", then="best")
        world.store.break_at(job_id, lost)
        await world.end_of(job_id)
        await world.run_window()
        assert (await world.record(job_id)).next_jobs == ()
        world.store.broken, world.store.creates = set(), True
        await world.run_for(timedelta(minutes=7))
        second = await next_of(world, job_id)
        await world.run_window()
        assert (second["status"], world.paid) == ("succeeded", 2)
        assert len((await world.http.get("/jobs")).json()["jobs"]) == 2


async def test_the_price_of_the_whole_is_quoted_and_checked_first(open_world: OpenWorld) -> None:
    async with open_world(DAILY_SPEND_USD="0.3", **SETTINGS) as world:
        quote = await world.post(workflow="draft", then="best", dryRun=True)
        assert quote.json()["estimatedCost"] == {"amount": 0.24, "currency": "USD", "source": "price"}
        await finished(world, workflow="draft")
        await finished(world, workflow="draft")
        waiting = await world.post(workflow="draft", then="best")
        assert (waiting.json()["status"], waiting.json()["waitReason"]) == ("queued", "spend_limit")
        await world.http.delete(f"/jobs/{waiting.json()['id']}")
        await world.clock.sleep(2)
        alone = await world.post(workflow="draft")
        assert (alone.json()["status"], world.paid) == ("running", 3)


async def test_what_was_reserved_for_both_is_counted_once(open_world: OpenWorld) -> None:
    async with open_world(DAILY_SPEND_USD="0.3", **SETTINGS) as world:
        first = await finished(world, workflow="draft", then="best")
        await next_of(world, first["id"])
        assert (await world.store.read_gate()).budget.total.today == 240_000


@pytest.mark.parametrize("then", ["lite", "unknown", 7, ["best"]])
async def test_a_workflow_that_cannot_follow_is_rejected(open_world: OpenWorld, then: Any) -> None:
    async with open_world(**SETTINGS) as world:
        response = await world.post(workflow="draft", then=then)
        assert (response.status_code, response.json()["field"], world.paid) == (422, "then", 0)


async def test_a_form_may_not_send_then(open_world: OpenWorld) -> None:
    async with open_world(**AUTH, **SETTINGS) as world:
        form = {"prompt": "a cat", "then": "best"}
        response = await world.http.post("/", data=form, headers={"Origin": SHOP})
        assert (response.status_code, response.json()["field"]) == (422, "then")


async def test_each_request_of_a_batch_may_have_its_own_then(open_world: OpenWorld) -> None:
    async with open_world(**AUTH, **SETTINGS) as world:
        world.http.headers.update(bearer("zap"))
        batch = {"prompts": ["one", {"prompt": "two", "then": "saved"}], "workflow": "draft", "then": "best", **SMALL}
        ids = [job["id"] for job in (await world.http.post("/", json=batch)).json()["jobs"]]
        await world.end_of(*ids)
        assert [(await next_of(world, job_id))["workflow"] for job_id in ids] == ["best", "saved"]


async def test_rows_of_an_upload_continue_jobs_and_are_continued(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as world:
        first = await finished(world, workflow="draft")
        table = f"prompt,fromJob,then\none,{first['id']},best\ntwo,,best\n".encode()
        quote = await rows.upload(world, table, "workflow=draft&dryRun=true")
        assert quote.json()["estimatedCost"]["amount"] == 0.48
        found = await rows.uploaded(world, table, "workflow=draft")
        assert found["estimatedCost"]["amount"] == 0.48
        one, two = await rows.jobs_of(world, found)
        await world.end_of(one["id"], two["id"])
        assert (await world.job(first["id"]))["nextJobs"] == [one["id"]]
        followers = [await next_of(world, job["id"]) for job in (one, two)]
        assert [(job["status"], job["workflow"], job["batchId"]) for job in followers] == [
            ("succeeded", "best", None)
        ] * 2


async def test_receivers_are_told_of_both_jobs_and_which_one_follows(open_world: OpenWorld) -> None:
    async with open_world(**SETTINGS) as world:
        receiver = Receiver(world, "receiver.test")
        first = await finished(world, workflow="draft", then="best", callbackUrl=receiver.url)
        second = await next_of(world, first["id"])
        await world.run_window()
        told = [delivery.body["data"] for delivery in receiver.deliveries]
        assert [job["id"] for job in told] == [first["id"], second["id"]]
        assert [job["nextJobs"] for job in told] == [[second["id"]], []]
        assert told[1]["previousJob"] == first["id"]


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


class BrokenSaves:
    """A job store in which some jobs cannot be saved any more, or no job can be created."""

    def __init__(self, inner: JobStore) -> None:
        self._inner = inner
        self.broken: set[str] = set()  # ids
        self.creates = True
        self._at: tuple[str, str] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def break_at(self, job_id: str, lost: str) -> None:
        """As soon as the job has succeeded, lose its next save, or the creation of the next job."""
        self._at = (job_id, lost)

    async def create(self, job: Job) -> Job:
        if not self.creates:
            raise StoreUnavailable("lost")
        return await self._inner.create(job)

    async def save(self, job: Job) -> Job:
        if job.id in self.broken:
            raise StoreUnavailable("lost")
        saved = await self._inner.save(job)
        if self._at and job.id == self._at[0] and job.finished:
            self.broken, self.creates = ({job.id}, True) if self._at[1] == "save" else (set(), False)
            self._at = None
        return saved

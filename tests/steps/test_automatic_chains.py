"""With `then`, a job that succeeds is followed by exactly one other job, which was quoted with it."""

from datetime import timedelta
from typing import Any

import pytest

from tests.harness.receivers import Receiver
from tests.harness.world import SMALL, moment
from tests.steps import row_batches as rows
from tests.steps.chains import SETTINGS, BrokenSaves, finished, inputs, next_of
from tests.steps.conftest import OpenWorld
from tests.steps.test_callers import AUTH, SHOP, bearer


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

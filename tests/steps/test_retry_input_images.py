"""A retry has the fields and the input image of the first attempt, which is kept for seven days."""

import hashlib
import json

import httpx
import pytest

from tests.harness.world import World, moment
from tests.images.sample_images import encoded
from tests.steps.conftest import OpenWorld
from tests.steps.retries import DAY, HOUR, retry

CAT = encoded("png", 40, 30)
URL = "https://photos.test/cat.png"

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
        await world.run_for(6 * DAY, every=HOUR)
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
    await world.run_for(7 * DAY + HOUR, every=HOUR)
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

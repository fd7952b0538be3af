"""Several input images of one job: in order, uploaded once each, and named in errors."""

import hashlib
import json
from pathlib import Path

import httpx
import pytest

from tests.harness.world import World
from tests.images.sample_images import encoded
from tests.steps.conftest import OpenWorld
from tests.steps.input_images import CAT, URL, WORKFLOWS, serve, stored_inputs

PHOTOS = [encoded("png", 40 + number, 30) for number in range(3)]
SHAS = [hashlib.sha256(photo).hexdigest() for photo in PHOTOS]


async def inputs_of_last_call(world: World) -> list[str]:
    """Return the hashes of the images that the last paid call names, in order."""
    call = [call for call in world.vendor.calls if call.endpoint in ("trigger", "execute")][-1]
    body = json.loads(call.request.content)
    params = body["nodes"][1]["data"]["params"] if "nodes" in body else body
    urls = [params[name] for name in ("image1", "image2", "image3") if name in params]
    found = [await world.simulator.state.uploads.read(httpx.URL(url).path) for url in urls]
    return [hashlib.sha256(content).hexdigest() for content, _ in filter(None, found)]


@pytest.mark.parametrize("workflow", ["default", "pro"])
async def test_three_input_images_reach_the_model_in_order_and_are_deleted(
    open_world: OpenWorld, tmp_path: Path, workflow: str
) -> None:
    async with open_world(WIREFLOW_WORKFLOWS=WORKFLOWS) as world:
        serve(world, httpx.Response(200, content=PHOTOS[1]))
        files = {"image1": ("a.png", PHOTOS[0]), "image3": ("c.png", PHOTOS[2])}
        form = {"prompt": "a cat", "workflow": workflow, "image2": URL}
        job_id = (await world.http.post("/", data=form, files=files)).json()["id"]
        assert stored_inputs(tmp_path) == [job_id, f"{job_id}-3"]
        (job,) = await world.end_of(job_id)
        assert (job["status"], await inputs_of_last_call(world)) == ("succeeded", SHAS)
        await world.run_window()
        assert (stored_inputs(tmp_path), (await world.record(job_id)).due_at) == ([], None)


async def test_an_image_of_an_earlier_job_may_be_the_first_of_several(open_world: OpenWorld) -> None:
    async with open_world(WIREFLOW_WORKFLOWS=WORKFLOWS) as world:
        (first,) = await world.end_of(await world.accepted())
        serve(world, httpx.Response(200, content=PHOTOS[1]))
        body = {"prompt": "a cat", "workflow": "pro", "fromJob": first["id"], "image2": URL}
        (second,) = await world.end_of((await world.http.post("/", json=body)).json()["id"])
        assert second["status"] == "succeeded"
        assert await inputs_of_last_call(world) == [first["images"][0]["sha256"], SHAS[1]]


async def test_each_of_several_images_is_uploaded_once_whatever_fails(open_world: OpenWorld) -> None:
    async with open_world(WIREFLOW_WORKFLOWS=WORKFLOWS) as world:
        serve(world, httpx.Response(503), httpx.Response(200, content=PHOTOS[1]))
        files = {"image1": ("a.png", PHOTOS[0]), "image3": ("c.png", PHOTOS[2])}
        form = {"prompt": "a cat", "workflow": "pro", "image2": URL}
        job_id = (await world.http.post("/", data=form, files=files)).json()["id"]
        (job,) = await world.end_of(job_id)
        assert (job["status"], len(world.vendor.to("upload")), world.paid) == ("succeeded", 3, 1)
        assert await inputs_of_last_call(world) == SHAS


async def test_a_further_image_that_is_refused_is_named(open_world: OpenWorld) -> None:
    async with open_world(WIREFLOW_WORKFLOWS=WORKFLOWS) as world:
        serve(world, httpx.Response(200, content=CAT), httpx.Response(200, content=b"%PDF-1.7 this is a document"))
        body = {"prompt": "a cat", "workflow": "pro", "image1": URL, "image2": URL}
        (job,) = await world.end_of((await world.http.post("/", json=body)).json()["id"])
        assert (job["errorCode"], job["errorMessage"][:7], world.paid) == ("not_an_image", "image2:", 0)


async def test_several_input_images_are_used_again_by_a_retry(open_world: OpenWorld, tmp_path: Path) -> None:
    async with open_world(WIREFLOW_WORKFLOWS=WORKFLOWS) as world:
        await world.simulated("/_faults", fault="failed", times=1)
        files = {f"image{number + 1}": ("a.png", photo) for number, photo in enumerate(PHOTOS)}
        form = {"prompt": "a cat", "workflow": "pro"}
        (job,) = await world.end_of((await world.http.post("/", data=form, files=files)).json()["id"])
        assert (job["status"], len(stored_inputs(tmp_path))) == ("failed", 3)
        await world.http.post(f"/jobs/{job['id']}/retry", json={"confirm": True, "attempt": 1})
        (job,) = await world.end_of(job["id"])
        await world.run_window()
        assert (job["status"], await inputs_of_last_call(world), stored_inputs(tmp_path)) == ("succeeded", SHAS, [])


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"image2": URL}, "image2"),
        ({"image1": URL, "image3": URL}, "image3"),
        ({"image1": URL, "image2": "http://photos.test/"}, "image2"),
        ({"image1": URL, "image2": URL, "workflow": "lite"}, "image1"),
    ],
)
async def test_input_images_begin_with_the_first_and_leave_none_out(
    open_world: OpenWorld, fields: dict[str, str], field: str
) -> None:
    lite = {"mode": "execute", "id": "demo-execute", "model": "nano_banana_2_lite"}
    async with open_world(WIREFLOW_WORKFLOWS=json.dumps({**json.loads(WORKFLOWS), "lite": lite})) as world:
        response = await world.http.post("/", json={"prompt": "a cat", "workflow": "pro", **fields})
        assert (response.status_code, response.json()["field"]) == (422, field)


async def test_requests_with_other_further_images_are_other_requests(world: World) -> None:
    async def post(photo: bytes) -> httpx.Response:
        files = {"image1": ("a.png", PHOTOS[0]), "image2": ("b.png", photo)}
        return await world.http.post("/", data={"prompt": "a cat"}, files=files, headers={"Idempotency-Key": "k"})

    assert [(await post(PHOTOS[n])).status_code for n in (1, 1, 2)] == [202, 202, 422]

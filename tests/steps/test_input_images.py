"""Input images: uploaded to Wireflow before the paid call, and stored until the job is final, or a week for a retry."""

import hashlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from shared import idempotency
from shared.copy_errors import CopyError
from shared.idempotency import IdempotencyKey
from shared.job_states import Status
from shared.ports import ImageStore, JobStore
from tests.harness.world import World
from tests.images.sample_images import encoded
from tests.steps.conftest import OpenWorld
from tests.steps.input_images import CAT, URL, WORKFLOWS, serve, stored_inputs

SHA256 = hashlib.sha256(CAT).hexdigest()
HOUR = timedelta(hours=1)


async def received_inputs(world: World) -> list[str | None]:
    return [run["input"] for run in (await world.simulated("/_runs"))["runs"]]


@pytest.mark.parametrize("workflow", ["default", "pro", "saved"])
async def test_an_image_url_reaches_the_model(open_world: OpenWorld, tmp_path: Path, workflow: str) -> None:
    async with open_world(WIREFLOW_WORKFLOWS=WORKFLOWS) as world:
        serve(world, httpx.Response(200, content=CAT))
        fields = {"aspect_ratio": "64:1"} if workflow == "default" else {}
        response = await world.http.post("/", json={"prompt": "a cat", "image1": URL, "workflow": workflow, **fields})
        assert (response.status_code, response.json()["status"]) == (202, "queued")
        (job,) = await world.end_of(response.json()["id"])
        assert (job["status"], job["workflow"], job["imageCount"]) == ("succeeded", workflow, 1)
        assert await received_inputs(world) == [SHA256]
        assert world.paid == 1


@pytest.mark.parametrize("workflow", ["default", "pro", "saved"])
async def test_an_uploaded_file_reaches_the_model_and_is_deleted_once_the_job_is_final(
    open_world: OpenWorld, tmp_path: Path, workflow: str
) -> None:
    async with open_world(WIREFLOW_WORKFLOWS=WORKFLOWS) as world:
        files = {"image1": ("cat.png", CAT, "image/png")}
        response = await world.http.post("/", data={"prompt": "a cat", "workflow": workflow}, files=files)
        job_id = response.json()["id"]
        assert stored_inputs(tmp_path) == [job_id]
        (job,) = await world.end_of(job_id)
        await world.run_window()
        assert (job["status"], await received_inputs(world), stored_inputs(tmp_path)) == ("succeeded", [SHA256], [])
        record = await world.record(job_id)
        assert (record.due_at, record.stored_input) == (None, None)


async def test_the_image_of_an_earlier_job_reaches_the_model(open_world: OpenWorld, tmp_path: Path) -> None:
    async with open_world() as world:
        (first,) = await world.end_of(await world.accepted())
        (second,) = await world.end_of(await world.accepted(fromJob=first["id"]))
        assert (second["status"], (await received_inputs(world))[1]) == ("succeeded", first["images"][0]["sha256"])
        assert stored_inputs(tmp_path) == []


async def test_an_image_that_is_already_at_wireflow_is_not_uploaded(world: World) -> None:
    (first,) = await world.end_of(await world.accepted())
    url = first["images"][0]["sourceUrl"]
    (second,) = await world.end_of(await world.accepted(image1=url))
    assert second["status"] == "succeeded"
    assert world.vendor.to("upload") == []
    assert (await received_inputs(world))[1] == first["images"][0]["sha256"]


async def test_an_image_is_uploaded_once_and_its_url_saved_before_the_paid_call(world: World) -> None:
    serve(world, httpx.Response(200, content=CAT))
    world.vendor.always("trigger", 503)
    job_id = await world.accepted(image1=URL)
    await world.run_window()
    record = await world.record(job_id)
    assert (record.status, record.prepared, bool(record.hosted_url)) == (Status.QUEUED, True, True)
    world.vendor.reset()
    (job,) = await world.end_of(job_id)
    assert (job["status"], len(world.vendor.to("upload")), world.paid) == ("succeeded", 1, 1)


UNACCEPTABLE = {
    "not an image": (httpx.Response(200, content=b"%PDF-1.7 this is a document, not an image"), "not_an_image"),
    "too large": (httpx.Response(200, content=CAT, headers={"Content-Length": "26214401"}), "image_too_large"),
    "a redirect to a private address": (
        httpx.Response(302, headers={"Location": "https://private.test/"}),
        "invalid_request",
    ),
    "a redirect to http": (httpx.Response(302, headers={"Location": "http://photos.test/x"}), "invalid_request"),
}


@pytest.mark.parametrize("case", UNACCEPTABLE)
async def test_an_unacceptable_input_image_fails_the_job_at_no_cost(world: World, tmp_path: Path, case: str) -> None:
    response, code = UNACCEPTABLE[case]
    serve(world, response)
    (job,) = await world.end_of(await world.accepted(image1=URL), patience=HOUR)
    assert (job["status"], job["errorCode"], job["errorCharged"], world.paid) == ("failed", code, "no", 0)
    await world.run_window()
    assert stored_inputs(tmp_path) == []


async def test_a_missing_input_image_is_retried_for_ten_minutes(world: World) -> None:
    serve(world, httpx.Response(404))
    job_id = await world.accepted(image1=URL)
    await world.run_window()
    queued = await world.job(job_id)
    assert (queued["status"], queued["waitReason"]) == ("queued", "input_image_unavailable")
    (job,) = await world.end_of(job_id, patience=HOUR)
    assert (job["errorCode"], job["errorCharged"], world.paid) == ("input_image_unavailable", "no", 0)
    assert job["runSeconds"] is None


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_an_input_image_whose_server_fails_is_retried(world: World, status: int) -> None:
    serve(world, *[httpx.Response(status)] * 3, httpx.Response(200, content=CAT))
    (job,) = await world.end_of(await world.accepted(image1=URL), patience=HOUR)
    assert (job["status"], await received_inputs(world)) == ("succeeded", [SHA256])


@pytest.mark.parametrize("status", [400, 413, 415, 422])
async def test_a_refused_upload_fails_the_job_at_no_cost(world: World, status: int) -> None:
    serve(world, httpx.Response(200, content=CAT))
    world.vendor.always("upload", status)
    (job,) = await world.end_of(await world.accepted(image1=URL), patience=HOUR)
    assert (job["errorCode"], job["errorCharged"], world.paid) == ("invalid_request", "no", 0)


@pytest.mark.parametrize("status", [401, 402, 404, 429, 500, 502, 503])
async def test_a_failed_upload_is_retried(world: World, status: int) -> None:
    serve(world, httpx.Response(200, content=CAT))
    world.vendor.always("upload", status)
    job_id = await world.accepted(image1=URL)
    await world.run_window()
    assert (await world.job(job_id))["status"] == "queued"
    world.vendor.reset()
    (job,) = await world.end_of(job_id, patience=2 * HOUR)
    assert (job["status"], world.paid) == ("succeeded", 1)


async def test_a_job_that_cannot_be_prepared_before_its_deadline_fails(world: World) -> None:
    serve(world, httpx.Response(500))
    (job,) = await world.end_of(await world.accepted(image1=URL, deadlineSeconds=120), patience=HOUR)
    assert (job["errorCode"], job["errorCharged"]) == ("input_image_unavailable", "no")


async def test_the_file_of_a_job_that_is_canceled_while_it_is_prepared_is_deleted_a_week_later(
    world: World, tmp_path: Path
) -> None:
    response = await world.http.post("/", data={"prompt": "a cat"}, files={"image1": ("cat.png", CAT)})
    canceled = await world.http.delete(response.headers["location"])
    assert canceled.json()["status"] == "canceled"
    await world.run_for(timedelta(days=6, hours=23), every=HOUR)
    assert stored_inputs(tmp_path) == [canceled.json()["id"]]  # for a retry
    await world.run_for(2 * HOUR)
    assert (stored_inputs(tmp_path), world.paid) == ([], 0)


class FailingDeletes:
    """An image store whose first `times` deletions fail."""

    def __init__(self, inner: ImageStore, times: int) -> None:
        self._inner, self._times = inner, times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def delete(self, name: str) -> None:
        self._times -= 1
        if self._times >= 0:
            raise CopyError("the image store is unavailable")
        await self._inner.delete(name)


async def test_a_failed_deletion_of_an_input_image_is_retried(world: World, tmp_path: Path) -> None:
    images: Any = FailingDeletes(world.deps.images, 2)
    world.deps = replace(world.deps, images=images)
    response = await world.http.post("/", data={"prompt": "a cat"}, files={"image1": ("cat.png", CAT)})
    await world.end_of(response.json()["id"])
    await world.run_window()
    assert stored_inputs(tmp_path) == [response.json()["id"]]
    await world.run_for(timedelta(minutes=12))
    assert stored_inputs(tmp_path) == []


SOURCES: dict[str, tuple[dict[str, Any], int, str]] = {
    "an unknown job": ({"fromJob": "0" * 32}, 404, "fromJob"),
    "an unknown image": ({"fromImage": 7}, 422, "fromImage"),
}


@pytest.mark.parametrize("case", SOURCES)
async def test_an_unknown_source_job_or_image_is_rejected(world: World, case: str) -> None:
    (first,) = await world.end_of(await world.accepted())
    fields, status, field = SOURCES[case]
    response = await world.post(**{"fromJob": first["id"], **fields})
    assert (response.status_code, response.json()["field"], world.paid) == (status, field, 1)


async def test_a_source_job_that_has_not_succeeded_is_rejected(world: World) -> None:
    first = await world.accepted()
    response = await world.post(fromJob=first)
    assert (response.status_code, response.json()["field"], world.paid) == (409, "fromJob", 1)


async def test_the_same_file_under_the_same_idempotency_key_is_replayed_and_another_is_rejected(world: World) -> None:
    async def post(content: bytes) -> httpx.Response:
        files, headers = {"image1": ("cat.png", content)}, {"Idempotency-Key": "k"}
        return await world.http.post("/", data={"prompt": "a cat"}, files=files, headers=headers)

    first, again, other = await post(CAT), await post(CAT), await post(encoded("png", 41, 30))
    assert first.json()["id"] == again.json()["id"]
    assert (again.headers["idempotent-replayed"], other.status_code) == ("true", 422)
    await world.end_of(first.json()["id"])
    assert world.paid == 1


async def leave_file(world: World, key: str, content: bytes) -> str:
    """Store the file of a request that crashed before its job was stored; return the id that the job will have."""
    job_id = idempotency.job_id(IdempotencyKey("key", key), None, await world.store.id_secret())
    world.deps.images.write(f"inputs/{job_id}", world.deps.image_from_bytes(content))
    return job_id


@pytest.mark.parametrize("source", ["file", "url"])
async def test_a_file_left_by_a_crash_is_never_used_as_the_input_image(world: World, source: str) -> None:
    serve(world, httpx.Response(200, content=CAT))
    job_id = await leave_file(world, "k", encoded("png", 41, 30))
    headers = {"Idempotency-Key": "k"}
    if source == "file":
        response = await world.http.post(
            "/", data={"prompt": "a cat"}, files={"image1": ("c.png", CAT)}, headers=headers
        )
    else:
        response = await world.http.post("/", json={"prompt": "a cat", "image1": URL}, headers=headers)
    assert (response.status_code, response.json()["id"]) == (202, job_id)
    (job,) = await world.end_of(job_id)
    assert (job["status"], await received_inputs(world)) == ("succeeded", [SHA256])


async def test_a_file_of_a_concurrent_repeat_that_is_stored_late_is_deleted(world: World, tmp_path: Path) -> None:
    async def post() -> httpx.Response:
        headers = {"Idempotency-Key": "k"}
        return await world.http.post("/", data={"prompt": "a cat"}, files={"image1": ("c.png", CAT)}, headers=headers)

    job_id = (await post()).json()["id"]
    await world.end_of(job_id)
    await world.run_window()
    store = cast("JobStore", MissesJobs(world.store, 1))
    world.context = replace(world.context, deps=replace(world.context.deps, store=store))
    world.http = world.caller("127.0.0.1")
    again = await post()
    assert (again.headers["idempotent-replayed"], stored_inputs(tmp_path)) == ("true", [job_id])
    await world.run_window()
    assert stored_inputs(tmp_path) == []


class MissesJobs:
    """A job store whose first `times` lookups find no job, as when two requests arrive at the same time."""

    def __init__(self, inner: JobStore, times: int) -> None:
        self._inner, self._times = inner, times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def get(self, job_id: str) -> Any:
        self._times -= 1
        return None if self._times >= 0 else await self._inner.get(job_id)


async def test_an_image_of_an_earlier_job_that_is_too_large_fails_the_job_at_once(open_world: OpenWorld) -> None:
    async with open_world(large_bytes=26 * 1024 * 1024) as world:
        (first,) = await world.end_of(await world.accepted())
        image = (await world.record(first["id"])).images[0]
        large = CAT + b"\0" * (26 * 1024 * 1024)
        (Path(world.deps.config.images.path) / str(image.name)).write_bytes(large)
        (job,) = await world.end_of(await world.accepted(fromJob=first["id"]), patience=HOUR)
        assert (job["errorCode"], job["errorCharged"]) == ("image_too_large", "no")

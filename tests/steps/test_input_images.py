"""Image to image: the input image is hosted before anything is paid, kept until the job has ended, and arrives."""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from shared import idempotency
from shared.idempotency import IdempotencyKey
from shared.job import Status
from shared.ports import CopyError, ImageStore, JobStore
from tests.harness.world import World
from tests.images.sample_images import encoded
from tests.steps.conftest import Open

CAT = encoded("png", 40, 30)
SHA256 = hashlib.sha256(CAT).hexdigest()
URL = "https://photos.test/cat.png"
WORKFLOWS = json.dumps(
    {
        "pro": {"mode": "execute", "id": "demo-execute", "model": "nano_banana_pro", "overridable": ["aspect_ratio"]},
        "saved": {"mode": "run", "id": "demo-saved"},
    }
)
HOUR = timedelta(hours=1)


def serving(here: World, *answers: httpx.Response) -> list[httpx.Request]:
    """Photos.test answers with these in turn, the last one for good; the requests that it saw."""
    seen: list[httpx.Request] = []

    def site(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return answers[min(len(seen), len(answers)) - 1]

    here.vendor.sites["photos.test"] = site
    return seen


async def inputs_of(here: World) -> list[str | None]:
    return [run["input"] for run in (await here.simulated("/_runs"))["runs"]]


def kept(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "images" / "inputs").glob("[!.]*"))


@pytest.mark.parametrize("workflow", ["default", "pro", "saved"])
async def test_an_image_by_its_address_reaches_the_model(open_world: Open, tmp_path: Path, workflow: str) -> None:
    async with open_world(WIREFLOW_WORKFLOWS=WORKFLOWS) as here:
        serving(here, httpx.Response(200, content=CAT))
        fields = {"aspect_ratio": "64:1"} if workflow == "default" else {}
        answer = await here.http.post("/", json={"prompt": "a cat", "image1": URL, "workflow": workflow, **fields})
        assert (answer.status_code, answer.json()["status"]) == (202, "queued")
        (job,) = await here.end_of(answer.json()["id"])
        assert (job["status"], job["workflow"], job["imageCount"]) == ("succeeded", workflow, 1)
        assert await inputs_of(here) == [SHA256]
        assert here.paid == 1


@pytest.mark.parametrize("workflow", ["default", "pro", "saved"])
async def test_a_file_reaches_the_model_and_is_kept_until_the_job_has_ended(
    open_world: Open, tmp_path: Path, workflow: str
) -> None:
    async with open_world(WIREFLOW_WORKFLOWS=WORKFLOWS) as here:
        files = {"image1": ("cat.png", CAT, "image/png")}
        answer = await here.http.post("/", data={"prompt": "a cat", "workflow": workflow}, files=files)
        job_id = answer.json()["id"]
        assert kept(tmp_path) == [job_id]
        (job,) = await here.end_of(job_id)
        await here.run_window()
        assert (job["status"], await inputs_of(here), kept(tmp_path)) == ("succeeded", [SHA256], [])
        record = await here.record(job_id)
        assert (record.due_at, record.stored_input) == (None, None)


async def test_the_picture_of_an_earlier_job_reaches_the_model(open_world: Open, tmp_path: Path) -> None:
    async with open_world() as here:
        (first,) = await here.end_of(await here.accepted())
        (second,) = await here.end_of(await here.accepted(fromJob=first["id"]))
        assert (second["status"], (await inputs_of(here))[1]) == ("succeeded", first["images"][0]["sha256"])
        assert kept(tmp_path) == []


async def test_an_image_at_wireflow_goes_as_it_is(here: World) -> None:
    (first,) = await here.end_of(await here.accepted())
    url = first["images"][0]["sourceUrl"]
    (second,) = await here.end_of(await here.accepted(image1=url))
    assert second["status"] == "succeeded"
    assert here.vendor.to("upload") == []
    assert (await inputs_of(here))[1] == first["images"][0]["sha256"]


async def test_an_image_is_uploaded_once_and_its_address_saved_before_the_paid_call(here: World) -> None:
    serving(here, httpx.Response(200, content=CAT))
    here.vendor.always("trigger", 503)
    job_id = await here.accepted(image1=URL)
    await here.run_window()
    record = await here.record(job_id)
    assert (record.status, record.prepared, bool(record.hosted_url)) == (Status.QUEUED, True, True)
    here.vendor.reset()
    (job,) = await here.end_of(job_id)
    assert (job["status"], len(here.vendor.to("upload")), here.paid) == ("succeeded", 1, 1)


NEVER = {
    "no image": (httpx.Response(200, content=b"%PDF-1.7 this is a document, not a image"), "not_an_image"),
    "too large": (httpx.Response(200, content=CAT, headers={"Content-Length": "26214401"}), "image_too_large"),
    "leads to a private place": (httpx.Response(302, headers={"Location": "https://private.test/"}), "invalid_request"),
    "leads to http": (httpx.Response(302, headers={"Location": "http://photos.test/x"}), "invalid_request"),
}


@pytest.mark.parametrize("case", NEVER)
async def test_what_cannot_be_an_input_image_fails_the_job_and_costs_nothing(
    here: World, tmp_path: Path, case: str
) -> None:
    answer, code = NEVER[case]
    serving(here, answer)
    (job,) = await here.end_of(await here.accepted(image1=URL), patience=HOUR)
    assert (job["status"], job["errorCode"], job["errorCharged"], here.paid) == ("failed", code, "no", 0)
    await here.run_window()
    assert kept(tmp_path) == []


async def test_an_image_that_is_not_there_is_waited_for_ten_minutes(here: World) -> None:
    serving(here, httpx.Response(404))
    job_id = await here.accepted(image1=URL)
    await here.run_window()
    waiting = await here.job(job_id)
    assert (waiting["status"], waiting["waitReason"]) == ("queued", "input_image_unavailable")
    (job,) = await here.end_of(job_id, patience=HOUR)
    assert (job["errorCode"], job["errorCharged"], here.paid) == ("input_image_unavailable", "no", 0)
    assert job["runSeconds"] is None


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_a_place_that_answers_later_makes_the_job_wait(here: World, status: int) -> None:
    serving(here, *[httpx.Response(status)] * 3, httpx.Response(200, content=CAT))
    (job,) = await here.end_of(await here.accepted(image1=URL), patience=HOUR)
    assert (job["status"], await inputs_of(here)) == ("succeeded", [SHA256])


@pytest.mark.parametrize("status", [400, 413, 415, 422])
async def test_an_upload_that_is_refused_fails_the_job_and_costs_nothing(here: World, status: int) -> None:
    serving(here, httpx.Response(200, content=CAT))
    here.vendor.always("upload", status)
    (job,) = await here.end_of(await here.accepted(image1=URL), patience=HOUR)
    assert (job["errorCode"], job["errorCharged"], here.paid) == ("invalid_request", "no", 0)


@pytest.mark.parametrize("status", [401, 402, 404, 429, 500, 502, 503])
async def test_an_upload_that_does_not_work_now_is_tried_again(here: World, status: int) -> None:
    serving(here, httpx.Response(200, content=CAT))
    here.vendor.always("upload", status)
    job_id = await here.accepted(image1=URL)
    await here.run_window()
    assert (await here.job(job_id))["status"] == "queued"
    here.vendor.reset()
    (job,) = await here.end_of(job_id, patience=2 * HOUR)
    assert (job["status"], here.paid) == ("succeeded", 1)


async def test_a_job_that_cannot_be_prepared_fails_when_its_patience_ends(here: World) -> None:
    serving(here, httpx.Response(500))
    (job,) = await here.end_of(await here.accepted(image1=URL, deadlineSeconds=120), patience=HOUR)
    assert (job["errorCode"], job["errorCharged"]) == ("input_image_unavailable", "no")


async def test_a_job_that_is_being_prepared_can_be_cancelled_and_leaves_nothing(here: World, tmp_path: Path) -> None:
    answer = await here.http.post("/", data={"prompt": "a cat"}, files={"image1": ("cat.png", CAT)})
    canceled = await here.http.delete(answer.headers["location"])
    assert canceled.json()["status"] == "canceled"
    await here.run_window()
    assert (kept(tmp_path), here.paid) == ([], 0)


class Stubborn:
    """An image store that removes nothing, so many times."""

    def __init__(self, inner: ImageStore, times: int) -> None:
        self._inner, self._times = inner, times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def delete(self, name: str) -> None:
        self._times -= 1
        if self._times >= 0:
            raise CopyError("the image store is away")
        await self._inner.delete(name)


async def test_an_image_that_cannot_be_removed_now_is_removed_later(here: World, tmp_path: Path) -> None:
    images: Any = Stubborn(here.deps.images, 2)
    here.deps = replace(here.deps, images=images)
    answer = await here.http.post("/", data={"prompt": "a cat"}, files={"image1": ("cat.png", CAT)})
    await here.http.delete(answer.headers["location"])
    await here.run_window()
    assert kept(tmp_path) == [answer.json()["id"]]
    await here.run_for(timedelta(minutes=12))
    assert kept(tmp_path) == []


SOURCES: dict[str, tuple[dict[str, Any], int, str]] = {
    "nobody's": ({"fromJob": "0" * 32}, 404, "fromJob"),
    "another number": ({"fromImage": 7}, 422, "fromImage"),
}


@pytest.mark.parametrize("case", SOURCES)
async def test_a_source_that_there_is_not_is_refused(here: World, case: str) -> None:
    (first,) = await here.end_of(await here.accepted())
    fields, status, field = SOURCES[case]
    answer = await here.post(**{"fromJob": first["id"], **fields})
    assert (answer.status_code, answer.json()["field"], here.paid) == (status, field, 1)


async def test_a_source_that_has_not_succeeded_is_refused(here: World) -> None:
    first = await here.accepted()
    answer = await here.post(fromJob=first)
    assert (answer.status_code, answer.json()["field"], here.paid) == (409, "fromJob", 1)


async def test_the_same_file_under_the_same_key_is_the_same_job_and_another_is_refused(here: World) -> None:
    async def post(content: bytes) -> httpx.Response:
        files, headers = {"image1": ("cat.png", content)}, {"Idempotency-Key": "k"}
        return await here.http.post("/", data={"prompt": "a cat"}, files=files, headers=headers)

    first, again, other = await post(CAT), await post(CAT), await post(encoded("png", 41, 30))
    assert first.json()["id"] == again.json()["id"]
    assert (again.headers["idempotent-replayed"], other.status_code) == ("true", 422)
    await here.end_of(first.json()["id"])
    assert here.paid == 1


async def left_behind(here: World, key: str, content: bytes) -> str:
    """The file of a request that died before its job was recorded."""
    job_id = idempotency.job_id(IdempotencyKey("key", key), None, await here.store.id_secret())
    here.deps.images.write(f"inputs/{job_id}", here.deps.image_from_bytes(content))
    return job_id


@pytest.mark.parametrize("by", ["file", "address"])
async def test_what_a_crash_left_behind_is_never_taken_for_the_image(here: World, by: str) -> None:
    serving(here, httpx.Response(200, content=CAT))
    job_id = await left_behind(here, "k", encoded("png", 41, 30))
    headers = {"Idempotency-Key": "k"}
    if by == "file":
        answer = await here.http.post("/", data={"prompt": "a cat"}, files={"image1": ("c.png", CAT)}, headers=headers)
    else:
        answer = await here.http.post("/", json={"prompt": "a cat", "image1": URL}, headers=headers)
    assert (answer.status_code, answer.json()["id"]) == (202, job_id)
    (job,) = await here.end_of(job_id)
    assert (job["status"], await inputs_of(here)) == ("succeeded", [SHA256])


async def test_a_file_that_came_twice_is_removed_though_the_second_was_stored_late(here: World, tmp_path: Path) -> None:
    async def post() -> httpx.Response:
        headers = {"Idempotency-Key": "k"}
        return await here.http.post("/", data={"prompt": "a cat"}, files={"image1": ("c.png", CAT)}, headers=headers)

    job_id = (await post()).json()["id"]
    await here.end_of(job_id)
    await here.run_window()
    known, forgetful = here.context.deps, Forgetful(here.store, 1)
    here.context = replace(here.context, deps=replace(known, store=cast("JobStore", forgetful)))
    here.http = here.caller("127.0.0.1")
    again = await post()
    assert (again.headers["idempotent-replayed"], kept(tmp_path)) == ("true", [job_id])
    await here.run_window()
    assert kept(tmp_path) == []


class Forgetful:
    """A job store that has not seen a job yet, so many times: as when two requests come at once."""

    def __init__(self, inner: JobStore, times: int) -> None:
        self._inner, self._times = inner, times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def get(self, job_id: str) -> Any:
        self._times -= 1
        return None if self._times >= 0 else await self._inner.get(job_id)


async def test_an_earlier_picture_that_is_too_large_fails_the_job_at_once(open_world: Open) -> None:
    async with open_world(large_bytes=26 * 1024 * 1024) as here:
        (first,) = await here.end_of(await here.accepted())
        image = (await here.record(first["id"])).images[0]
        large = CAT + b"\0" * (26 * 1024 * 1024)
        (Path(here.deps.config.images.path) / str(image.name)).write_bytes(large)
        (job,) = await here.end_of(await here.accepted(fromJob=first["id"]), patience=HOUR)
        assert (job["errorCode"], job["errorCharged"]) == ("image_too_large", "no")

"""Reading a job with its ETag, and its image, a placeholder, or the reason why there is none."""

import hashlib
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.requests import Request

from functions.trigger.router import handle
from shared.ports import StoredImage
from tests.harness.world import World
from tests.steps.conftest import Open

IMG = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"  # what an <img> sends
FIELDS = (
    "id status message prompt workflow executionId imageUrl imageUrls imageCount images possibleDuplicate errorCode "
    "errorMessage errorCharged errorRetryable errorHint requestId creditsUsed caller steps createdAt startedAt "
    "completedAt runSeconds waitReason estimatedStartAt statusUrl"
).split()


async def done(here: World, prompt: str = "a cat", **fields: object) -> dict[str, Any]:
    (job,) = await here.end_of(await here.accepted(prompt, **fields))
    return job


# --- the job -------------------------------------------------------------------------------------------------------


async def test_the_public_job_always_has_all_its_fields(open_world: Open) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="1") as here:
        jobs = [(await here.post("[fault:bad_request]")).json(), await done(here)]
        await here.clock.sleep(120)
        ids = [await here.accepted() for _ in range(3)]
        await here.http.delete(f"/jobs/{ids[2]}")
        jobs += [await here.job(job_id) for job_id in ids]
        assert [job["status"] for job in jobs] == ["failed", "succeeded", "running", "queued", "canceled"]
        assert all(list(job) == FIELDS for job in jobs)
        image = jobs[1]["images"][0]
        assert list(image) == "index url sourceUrl contentType width height bytes sha256 crc32c".split()


async def test_the_response_to_a_post_is_the_public_job(here: World) -> None:
    response = await here.post()
    assert list(response.json()) == FIELDS
    assert response.headers["location"] == f"/jobs/{response.json()['id']}"
    assert int(response.headers["retry-after"]) >= 1


async def test_urls_are_on_public_url_or_on_the_address_of_the_request(open_world: Open) -> None:
    async with open_world(PUBLIC_URL="") as here:
        job = (await here.http.post("http://localhost:8080/", json={"prompt": "a cat"})).json()
        assert job["statusUrl"] == f"http://localhost:8080/jobs/{job['id']}"
        behind_a_proxy = await here.http.get(f"http://a.test/jobs/{job['id']}", headers={"X-Forwarded-Proto": "https"})
        assert behind_a_proxy.json()["imageUrl"] == f"https://a.test/jobs/{job['id']}/image"


async def test_an_etag_saves_the_body_until_the_job_changes(here: World) -> None:
    job_id = await here.accepted()
    first = await here.http.get(f"/jobs/{job_id}")
    known = {"If-None-Match": f'W/"x", {first.headers["etag"]}'}
    again = await here.http.get(f"/jobs/{job_id}", headers=known)
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert again.headers["retry-after"] == first.headers["retry-after"]
    await here.end_of(job_id)
    moved = await here.http.get(f"/jobs/{job_id}", headers=known)
    assert (moved.status_code, moved.json()["status"]) == (200, "succeeded")
    assert "retry-after" not in moved.headers


async def test_head_is_get_without_the_body(here: World) -> None:
    job = await done(here)
    for path in (job["statusUrl"], job["imageUrl"], "/health"):
        head, get = await here.http.head(path), await here.http.get(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers == get.headers


# --- the image -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("accept", ["*/*", IMG, "text/html", "application/json"])
async def test_a_stored_image_is_served_whatever_is_accepted(here: World, accept: str) -> None:
    job = await done(here)
    for url in (job["imageUrl"], job["images"][0]["url"]):
        response = await here.http.get(url, headers={"Accept": accept})
        assert (response.status_code, response.headers["content-type"]) == (200, "image/png")
        assert hashlib.sha256(response.content).hexdigest() == job["images"][0]["sha256"]
        assert int(response.headers["content-length"]) == len(response.content)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
async def test_each_format_keeps_its_content_type(here: World, kind: str) -> None:
    job = await done(here, format=kind)
    assert job["images"][0]["contentType"] == f"image/{kind}"
    response = await here.http.get(job["imageUrl"])
    assert response.headers["content-type"] == f"image/{kind}"


async def test_an_image_has_an_etag_and_never_changes(here: World) -> None:
    job = await done(here)
    first = await here.http.get(job["imageUrl"])
    again = await here.http.get(job["imageUrl"], headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "immutable" in first.headers["cache-control"]


async def test_image_numbers_start_at_0(here: World) -> None:
    job = await done(here, count=3)
    for image in job["images"]:
        response = await here.http.get(f"{job['imageUrl']}/{image['index']}")
        assert hashlib.sha256(response.content).hexdigest() == image["sha256"]
    assert (await here.http.get(job["imageUrl"])).content == (await here.http.get(f"{job['imageUrl']}/0")).content
    beyond = await here.http.get(f"{job['imageUrl']}/3", headers={"Accept": IMG})
    assert (beyond.status_code, beyond.json()["errorCode"]) == (404, "not_found")


@pytest.mark.parametrize("accept", [IMG, "image/*", "image/png", "text/html, image/webp;q=0.5", "IMAGE/PNG"])
async def test_an_img_gets_a_placeholder_that_is_not_cached(here: World, accept: str) -> None:
    job = (await here.post()).json()
    for url in (job["imageUrl"], f"{job['imageUrl']}/0"):
        response = await here.http.get(url, headers={"Accept": accept})
        assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
        assert Image.open(BytesIO(response.content)).format == "PNG"
        assert "etag" not in response.headers


@pytest.mark.parametrize(
    "accept", ["*/*", "text/html", "application/json", "image/png;q=0", "image/*; q=0.000", "", None]
)
async def test_other_callers_get_a_409_so_that_none_stores_the_placeholder(here: World, accept: str | None) -> None:
    job = (await here.post()).json()
    response = await here.http.get(job["imageUrl"], headers={"Accept": accept} if accept is not None else {})
    assert (response.status_code, response.json()["errorCode"]) == (409, "image_not_ready")
    assert int(response.headers["retry-after"]) >= 1


async def test_a_failed_or_canceled_job_responds_with_410(open_world: Open) -> None:
    async with open_world(DAILY_EXECUTIONS="1") as here:
        failed = (await here.post("[fault:bad_request]")).json()
        waiting = [(await here.post()).json() for _ in range(2)][1]
        await here.http.delete(f"/jobs/{waiting['id']}")
        for job in (failed, waiting):
            gone = await here.http.get(job["imageUrl"])
            assert (gone.status_code, gone.json()["errorCode"]) == (410, "image_failed")
            shown = await here.http.get(job["imageUrl"], headers={"Accept": IMG})
            assert (shown.status_code, shown.headers["cache-control"]) == (200, "no-store")
            assert Image.open(BytesIO(shown.content)).format == "PNG"


async def test_the_two_placeholders_differ(open_world: Open) -> None:
    async with open_world() as here:
        going = (await here.post()).json()
        failed = (await here.post("[fault:bad_request]")).json()
        images = [(await here.http.get(job["imageUrl"], headers={"Accept": IMG})).content for job in (going, failed)]
        assert images[0] != images[1]


async def test_an_image_outlives_its_document(open_world: Open, tmp_path: Path) -> None:
    async with open_world() as here:
        job = await done(here, count=2)
        before = [await here.http.get(f"{job['imageUrl']}/{n}") for n in (0, 1)]
    (tmp_path / "jobs.db").unlink()
    async with open_world() as here:
        assert (await here.http.get(job["statusUrl"])).status_code == 404
        for n, response in enumerate(before):
            after = await here.http.get(f"{job['imageUrl']}/{n}")
            assert (after.status_code, after.content) == (200, response.content)
        assert (await here.http.get(f"{job['imageUrl']}/2")).status_code == 404


async def test_a_deleted_image_is_404(here: World, tmp_path: Path) -> None:
    job = await done(here)
    (tmp_path / "images" / "jobs" / job["id"] / "1" / "0.png").unlink()
    response = await here.http.get(job["imageUrl"], headers={"Accept": IMG})
    assert (response.status_code, response.json()["errorCode"]) == (404, "not_found")


class Signing:
    """An image store with signed URLs, like Cloud Storage."""

    async def read(self, name: str) -> StoredImage:
        url = f"https://storage.test/{name}?signed"
        return StoredImage(content_type="image/png", size=1, crc32c="AAAAAA==", url=url, seconds=600)


async def test_a_signed_url_is_a_redirect(here: World) -> None:
    job = await done(here)
    scope = {"type": "http", "method": "GET", "path": f"/jobs/{job['id']}/image", "headers": [], "query_string": b""}
    response = await handle(Request(scope), replace(here.context, deps=replace(here.deps, images=Signing())))
    assert response.status_code == 302
    assert response.headers["location"] == f"https://storage.test/jobs/{job['id']}/1/0.png?signed"
    assert response.headers["cache-control"].startswith("private")


async def test_reading_changes_nothing(here: World) -> None:
    job = await done(here)
    calls = len(here.vendor.calls)
    for path in (job["statusUrl"], job["imageUrl"], f"{job['imageUrl']}/9"):
        await here.http.get(path)
    await here.run_for(timedelta(minutes=5))
    assert await here.job(job["id"]) == job
    assert len(here.vendor.calls) == calls

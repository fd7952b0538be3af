"""Reading jobs, their images, and the list of jobs: ETags, placeholders, redirects, and problems."""

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
from tests.steps.conftest import OpenWorld

IMG_ACCEPT = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"  # of an <img> element
FIELDS = (
    "id status message prompt altText metadata workflow batchId attempt executionId imageUrl imageUrls imageCount "
    "images possibleDuplicate errorCode errorMessage errorCharged errorRetryable errorHint requestId creditsUsed "
    "estimatedCost cost caller steps callbacks attempts previousJob nextJobs "
    "createdAt startedAt completedAt runSeconds waitReason estimatedStartAt queuePosition statusUrl"
).split()


async def finished_job(world: World, prompt: str = "a cat", **fields: object) -> dict[str, Any]:
    (job,) = await world.end_of(await world.accepted(prompt, **fields))
    return job


# --- the job -------------------------------------------------------------------------------------------------------


async def test_the_public_job_has_all_fields_in_every_state(open_world: OpenWorld) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="1") as world:
        jobs = [(await world.post("[fault:bad_request]")).json(), await finished_job(world)]
        await world.clock.sleep(120)
        ids = [await world.accepted() for _ in range(3)]
        await world.http.delete(f"/jobs/{ids[2]}")
        jobs += [await world.job(job_id) for job_id in ids]
        assert [job["status"] for job in jobs] == ["failed", "succeeded", "running", "queued", "canceled"]
        assert all(list(job) == FIELDS for job in jobs)
        image = jobs[1]["images"][0]
        assert list(image) == "index url sourceUrl contentType width height bytes sha256 crc32c".split()


async def test_the_response_to_a_post_is_the_public_job(world: World) -> None:
    response = await world.post()
    assert list(response.json()) == FIELDS
    assert response.headers["location"] == f"/jobs/{response.json()['id']}"
    assert int(response.headers["retry-after"]) >= 1


async def test_urls_are_based_on_public_url_or_on_the_host_of_the_request(open_world: OpenWorld) -> None:
    async with open_world(PUBLIC_URL="") as world:
        job = (await world.http.post("http://localhost:8080/", json={"prompt": "a cat"})).json()
        assert job["statusUrl"] == f"http://localhost:8080/jobs/{job['id']}"
        behind_a_proxy = await world.http.get(f"http://a.test/jobs/{job['id']}", headers={"X-Forwarded-Proto": "https"})
        assert behind_a_proxy.json()["imageUrl"] == f"https://a.test/jobs/{job['id']}/image"


async def test_an_unchanged_job_is_304(world: World) -> None:
    job_id = await world.accepted()
    first = await world.http.get(f"/jobs/{job_id}")
    conditional = {"If-None-Match": f'W/"x", {first.headers["etag"]}'}
    again = await world.http.get(f"/jobs/{job_id}", headers=conditional)
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert again.headers["retry-after"] == first.headers["retry-after"]
    await world.end_of(job_id)
    changed = await world.http.get(f"/jobs/{job_id}", headers=conditional)
    assert (changed.status_code, changed.json()["status"]) == (200, "succeeded")
    assert "retry-after" not in changed.headers


async def test_head_is_a_get_without_a_body(world: World) -> None:
    job = await finished_job(world)
    for path in (job["statusUrl"], job["imageUrl"], "/health"):
        head, get = await world.http.head(path), await world.http.get(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers == get.headers


# --- the image -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("accept", ["*/*", IMG_ACCEPT, "text/html", "application/json"])
async def test_a_stored_image_is_served_whatever_the_accept_header(world: World, accept: str) -> None:
    job = await finished_job(world)
    for url in (job["imageUrl"], job["images"][0]["url"]):
        response = await world.http.get(url, headers={"Accept": accept})
        assert (response.status_code, response.headers["content-type"]) == (200, "image/png")
        assert hashlib.sha256(response.content).hexdigest() == job["images"][0]["sha256"]
        assert int(response.headers["content-length"]) == len(response.content)


@pytest.mark.parametrize("format_name", ["png", "jpeg", "webp"])
async def test_each_format_keeps_its_content_type(world: World, format_name: str) -> None:
    job = await finished_job(world, format=format_name)
    assert job["images"][0]["contentType"] == f"image/{format_name}"
    response = await world.http.get(job["imageUrl"])
    assert response.headers["content-type"] == f"image/{format_name}"


async def test_an_image_has_an_etag_and_never_changes(world: World) -> None:
    job = await finished_job(world)
    first = await world.http.get(job["imageUrl"])
    again = await world.http.get(job["imageUrl"], headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "immutable" in first.headers["cache-control"]


async def test_image_urls_are_numbered_from_0(world: World) -> None:
    job = await finished_job(world, count=3)
    for image in job["images"]:
        response = await world.http.get(f"{job['imageUrl']}/{image['index']}")
        assert hashlib.sha256(response.content).hexdigest() == image["sha256"]
    assert (await world.http.get(job["imageUrl"])).content == (await world.http.get(f"{job['imageUrl']}/0")).content
    beyond = await world.http.get(f"{job['imageUrl']}/3", headers={"Accept": IMG_ACCEPT})
    assert (beyond.status_code, beyond.json()["errorCode"]) == (404, "not_found")


@pytest.mark.parametrize("accept", [IMG_ACCEPT, "image/*", "image/png", "text/html, image/webp;q=0.5", "IMAGE/PNG"])
async def test_an_img_element_gets_a_placeholder_that_is_not_cached(world: World, accept: str) -> None:
    job = (await world.post()).json()
    for url in (job["imageUrl"], f"{job['imageUrl']}/0"):
        response = await world.http.get(url, headers={"Accept": accept})
        assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
        assert Image.open(BytesIO(response.content)).format == "PNG"
        assert "etag" not in response.headers


@pytest.mark.parametrize(
    "accept", ["*/*", "text/html", "application/json", "image/png;q=0", "image/*; q=0.000", "", None]
)
async def test_a_client_that_does_not_ask_for_images_gets_a_409_instead_of_a_placeholder(
    world: World, accept: str | None
) -> None:
    job = (await world.post()).json()
    response = await world.http.get(job["imageUrl"], headers={"Accept": accept} if accept is not None else {})
    if accept == "text/html":
        assert (response.status_code, "image_not_ready" in response.text) == (409, True)
        return
    assert (response.status_code, response.json()["errorCode"]) == (409, "image_not_ready")
    assert int(response.headers["retry-after"]) >= 1


async def test_the_image_of_a_failed_or_canceled_job_is_410(open_world: OpenWorld) -> None:
    async with open_world(DAILY_EXECUTIONS="1") as world:
        failed = (await world.post("[fault:bad_request]")).json()
        canceled = [(await world.post()).json() for _ in range(2)][1]
        await world.http.delete(f"/jobs/{canceled['id']}")
        for job in (failed, canceled):
            gone = await world.http.get(job["imageUrl"])
            assert (gone.status_code, gone.json()["errorCode"]) == (410, "image_failed")
            placeholder = await world.http.get(job["imageUrl"], headers={"Accept": IMG_ACCEPT})
            assert (placeholder.status_code, placeholder.headers["cache-control"]) == (200, "no-store")
            assert Image.open(BytesIO(placeholder.content)).format == "PNG"


async def test_the_two_placeholders_differ_even_for_pages_that_may_not_read_them(open_world: OpenWorld) -> None:
    async with open_world() as world:
        running = (await world.post()).json()
        failed = (await world.post("[fault:bad_request]")).json()
        images = [
            (await world.http.get(job["imageUrl"], headers={"Accept": IMG_ACCEPT})).content for job in (running, failed)
        ]
        waiting, failed = (Image.open(BytesIO(content)).size for content in images)
        assert waiting != failed


async def test_an_image_is_served_after_its_job_document_has_expired(open_world: OpenWorld, tmp_path: Path) -> None:
    async with open_world() as world:
        job = await finished_job(world, count=2)
        before = [await world.http.get(f"{job['imageUrl']}/{n}") for n in (0, 1)]
    (tmp_path / "jobs.db").unlink()
    async with open_world() as world:
        assert (await world.http.get(job["statusUrl"])).status_code == 404
        for n, response in enumerate(before):
            after = await world.http.get(f"{job['imageUrl']}/{n}")
            assert (after.status_code, after.content) == (200, response.content)
        assert (await world.http.get(f"{job['imageUrl']}/2")).status_code == 404


async def test_an_image_that_was_deleted_is_404(world: World, tmp_path: Path) -> None:
    job = await finished_job(world)
    (tmp_path / "images" / "jobs" / job["id"] / "1" / "0.png").unlink()
    response = await world.http.get(job["imageUrl"], headers={"Accept": IMG_ACCEPT})
    assert (response.status_code, response.json()["errorCode"]) == (404, "not_found")


class SigningStore:
    """An image store that signs URLs, like Cloud Storage; a folder cannot."""

    async def read(self, name: str, disposition: str | None = None) -> StoredImage:
        url = f"https://storage.test/{name}?signed{disposition or ''}"
        return StoredImage(content_type="image/png", size=1, crc32c="AAAAAA==", url=url, seconds=600)


async def test_an_image_with_a_signed_url_is_a_redirect(world: World) -> None:
    job = await finished_job(world)
    scope = {"type": "http", "method": "GET", "path": f"/jobs/{job['id']}/image", "headers": [], "query_string": b""}
    response = await handle(Request(scope), replace(world.context, deps=replace(world.deps, images=SigningStore())))
    assert response.status_code == 302
    assert response.headers["location"] == f"https://storage.test/jobs/{job['id']}/1/0.png?signed"
    assert response.headers["cache-control"].startswith("private")


async def test_reading_changes_nothing(world: World) -> None:
    job = await finished_job(world)
    calls = len(world.vendor.calls)
    for path in (job["statusUrl"], job["imageUrl"], f"{job['imageUrl']}/9"):
        await world.http.get(path)
    await world.run_for(timedelta(minutes=5))
    assert await world.job(job["id"]) == job
    assert len(world.vendor.calls) == calls


# --- lists -----------------------------------------------------------------------------------------------------------


async def test_jobs_are_listed_in_pages_newest_first(world: World) -> None:
    ids = []
    for n in range(5):
        ids.append(await world.accepted(f"cat {n}"))
        await world.clock.sleep(1)
    first = (await world.http.get("/jobs?limit=2")).json()
    rest = (await world.http.get(f"/jobs?cursor={first['nextCursor']}")).json()
    assert [job["id"] for job in first["jobs"] + rest["jobs"]] == ids[::-1]
    assert rest["nextCursor"] is None
    since = (await world.record(ids[3])).created_at.isoformat()
    filtered = (
        await world.http.get("/jobs", params={"since": since, "workflow": "default", "status": "running"})
    ).json()
    assert [job["id"] for job in filtered["jobs"]] == ids[:2:-1]
    assert (await world.http.get("/jobs?status=failed")).json() == {"jobs": [], "nextCursor": None}


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "status=done", "since=yesterday", "since=2026-01-31", "cursor=x"]
)
async def test_an_invalid_query_parameter_of_the_job_list_is_named_in_the_problem(world: World, query: str) -> None:
    response = await world.http.get(f"/jobs?{query}")
    assert (response.status_code, response.json()["field"]) == (422, query.partition("=")[0])

"""Images as files: their names, downloads, and parts."""

import dataclasses

import httpx
import pytest

from shared.ports import FileDetails, ImageStream, StoredImage
from tests.harness.world import World
from tests.steps.conftest import OpenWorld
from tests.steps.test_callers import AUTH, bearer, final_states, submit
from tests.steps.test_reading import finished_job


async def test_an_image_is_shown_or_saved_under_a_name_from_its_prompt(world: World) -> None:
    job = await finished_job(world, "A red fox", count=2)
    suffix = job["id"][:6]
    shown = await world.http.get(job["imageUrl"])
    assert shown.headers["content-disposition"].startswith(f'inline; filename="a-red-fox-{suffix}.png"')
    saved = await world.http.get(f"{job['imageUrl']}/1?download=1")
    assert saved.headers["content-disposition"].startswith(f'attachment; filename="a-red-fox-2-{suffix}.png"')
    assert shown.status_code == saved.status_code == 200


async def test_a_stored_image_says_which_job_and_run_it_is_of(world: World) -> None:
    kept: list[FileDetails | None] = []
    write = world.deps.images.write

    def watched(name: str, image: ImageStream, details: FileDetails | None = None) -> None:
        kept.append(details)
        write(name, image, details)

    world.deps.images.write = watched  # type: ignore[method-assign]
    job = await finished_job(world, "A red fox")
    (details,) = filter(None, kept)
    assert details.metadata == {
        "jobId": job["id"],
        "executionId": job["executionId"],
        "workflow": "default",
        "sourceHost": "wireflow.test",
        "aiGenerated": "true",
    }
    assert details.disposition.startswith(f'inline; filename="a-red-fox-{job["id"][:6]}.png"')


async def test_the_name_of_a_private_image_does_not_tell_its_prompt(open_world: OpenWorld) -> None:
    async with open_world(**AUTH) as world:
        job = (await submit(world, bearer("zap"))).json()
        assert await final_states(world, job) == ["succeeded"]
        shown = await world.http.get(job["imageUrl"])
        assert shown.headers["content-disposition"].startswith(f'inline; filename="image-{job["id"][:6]}.png"')


@pytest.mark.parametrize("extension", ["png", "jpg", "jpeg", "webp", "gif", "avif"])
async def test_a_url_with_an_extension_leads_to_the_same_image(world: World, extension: str) -> None:
    job = await finished_job(world)
    for path in (f"/jobs/{job['id']}/image", f"/jobs/{job['id']}/image/0"):
        response = await world.http.get(f"{path}.{extension}?download=1")
        assert (response.status_code, response.headers["location"]) == (302, f"{path}?download=1")
    assert (await world.http.get(f"/jobs/{job['id']}/image.svg")).status_code == 404


@pytest.mark.parametrize("store", ["files", "signed URLs"])
async def test_the_first_image_is_not_cached_while_another_one_is_shown_in_its_place(world: World, store: str) -> None:
    world.vendor.answer("cdn", lambda call: httpx.Response(503) if "/0.png" in call.request.url.path else None)
    job = await finished_job(world, count=2, allowPartial=True)
    assert job["imageCount"] == 1
    read = world.deps.images.read

    async def signed(name: str, disposition: str | None) -> StoredImage | None:
        stored = await read(name, disposition)
        return stored and dataclasses.replace(stored, url=f"https://storage.test/{name}", seconds=600)

    if store == "signed URLs":
        world.deps.images.read = signed  # type: ignore[method-assign]
    second = await world.http.get(f"{job['imageUrl']}/1")
    shown = await world.http.get(job["imageUrl"])
    assert (shown.headers.get("etag"), shown.status_code) == (second.headers.get("etag"), second.status_code)
    assert shown.headers["cache-control"] == "private, no-cache"
    assert "max-age" in second.headers["cache-control"]
    world.vendor.reset()
    await world.http.post(f"/jobs/{job['id']}/recopy")
    meanwhile = await world.http.get(job["imageUrl"])
    assert (meanwhile.status_code, meanwhile.content) == (shown.status_code, shown.content)
    assert meanwhile.headers["cache-control"] == "private, no-cache"
    await world.end_of(job["id"])
    first = await world.http.get(job["imageUrl"])
    assert "max-age" in first.headers["cache-control"]
    assert (first.content, first.headers.get("location")) != (shown.content, shown.headers.get("location"))


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=1-9", 1, 9),
        ("bytes=5-", 5, None),
        ("bytes=-7", -7, None),
        ("bytes=9-999999", 9, None),
    ],
)
async def test_a_part_of_an_image_can_be_read(world: World, asked: str, first: int, last: int | None) -> None:
    job = await finished_job(world)
    whole = (await world.http.get(job["imageUrl"])).content
    part = await world.http.get(job["imageUrl"], headers={"Range": asked})
    expected = whole[first:] if last is None else whole[first : last + 1]
    assert (part.status_code, part.content) == (206, expected)
    start = first % len(whole)
    assert part.headers["content-range"] == f"bytes {start}-{start + len(expected) - 1}/{len(whole)}"
    assert part.headers["content-length"] == str(len(expected))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Range": "bytes=0-1,3-4"},
        {"Range": "bytes=5-2"},
        {"Range": "bytes=-"},
        {"Range": "lines=0-1"},
        {"Range": "bytes=0-1", "If-Range": '"another"'},
        {"Range": "bytes=" + "9" * 5_000},
    ],
)
async def test_any_other_range_is_ignored(world: World, headers: dict[str, str]) -> None:
    job = await finished_job(world)
    whole = await world.http.get(job["imageUrl"], headers=headers)
    assert (whole.status_code, len(whole.content)) == (200, job["images"][0]["bytes"])
    assert whole.headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize("asked", ["bytes=999999-", "bytes=-0", "bytes=999999-1000000"])
async def test_bytes_that_do_not_exist_are_refused_with_the_size(world: World, asked: str) -> None:
    job = await finished_job(world)
    response = await world.http.get(job["imageUrl"], headers={"Range": asked})
    assert (response.status_code, response.json()["errorCode"]) == (416, "range_not_satisfiable")
    assert response.headers["content-range"] == f"bytes */{job['images'][0]['bytes']}"

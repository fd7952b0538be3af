"""Copies: the image was paid for, so a failed download is retried; only stored images are reported."""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from functions.simulator.images import render
from tests.harness.vendor import Call
from tests.harness.world import World, moment
from tests.images.sample_images import encoded
from tests.steps.conftest import OpenWorld
from tests.steps.copying import Responder, copying_job, gone, status

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
SAMPLES = Path(__file__).parents[1] / "samples" / "images"


def disconnect(call: Call) -> httpx.Response:
    raise httpx.ReadError("connection reset", request=call.request)


def stored_files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "images").rglob("*") if path.is_file())


# --- retries -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("responder", [status(500), status(502), status(503), status(429), status(418), disconnect])
async def test_a_failed_copy_is_retried(world: World, tmp_path: Path, responder: Responder) -> None:
    world.vendor.answer("cdn", responder)
    job_id = await copying_job(world)
    assert stored_files(tmp_path) == []
    world.vendor.reset()
    (job,) = await world.end_of(job_id)
    assert (job["status"], job["imageCount"]) == ("succeeded", 1)


@pytest.mark.parametrize(
    "fault", ["hang", "cut_in_header", "cut_in_body", "wrong_content_length", "early_end", "slow_first_byte", "trickle"]
)
async def test_a_broken_download_is_retried_and_the_whole_image_is_stored(
    world: World, tmp_path: Path, fault: str
) -> None:
    await world.simulated("/_faults", fault=fault, times=3, **{"for": "cdn"})
    (job,) = await world.end_of(await world.accepted())
    response = await world.http.get(job["imageUrl"])
    assert hashlib.sha256(response.content).hexdigest() == job["images"][0]["sha256"]
    assert len(response.content) == job["images"][0]["bytes"]
    assert stored_files(tmp_path) == ["0.png"], "no part of an image is left behind"


async def test_pauses_between_copies_grow_to_ten_minutes(world: World) -> None:
    world.vendor.answer("cdn", status(503))
    await copying_job(world)
    await world.run_for(3 * HOUR)
    pauses = [(after - before) / MINUTE for before, after in pairwise(world.vendor.times("cdn"))]
    assert all(after >= before - 1.1 for before, after in pairwise(pauses)), "a window may start a minute late"
    assert 10 <= max(pauses) <= 11.5


async def test_a_copy_that_fails_for_24_hours_is_copy_failed(world: World) -> None:
    world.vendor.answer("cdn", status(503))
    (job,) = await world.end_of(await world.accepted())
    assert (job["status"], job["errorCode"], job["errorCharged"]) == ("failed", "copy_failed", "yes")
    assert "wireflow.test responded with HTTP 503" in job["errorMessage"]
    assert job["errorHint"].startswith("Fix the cause, then recopy the image.")
    assert 24 * HOUR <= moment(job["completedAt"]) - moment(job["startedAt"]) <= 24.5 * HOUR


async def test_a_copy_may_still_succeed_within_24_hours(world: World) -> None:
    world.vendor.answer("cdn", status(503))
    job_id = await copying_job(world)
    await world.run_for(6 * HOUR)
    world.vendor.reset()
    (job,) = await world.end_of(job_id)
    assert job["status"] == "succeeded"


# --- routes and expiry ---------------------------------------------------------------------------------------------


async def test_after_a_403_a_browser_user_agent_and_then_the_proxy_are_tried(world: World) -> None:
    world.vendor.answer("cdn", status(403))
    (job,) = await world.end_of(await world.accepted())
    assert job["status"] == "succeeded"
    direct, as_browser = world.vendor.to("cdn")
    assert direct.request.headers["user-agent"].startswith("wireflow-images/")
    assert as_browser.request.headers["user-agent"].startswith("Mozilla/")
    (proxied,) = world.vendor.to("download")
    assert proxied.request.url.params["url"] == job["images"][0]["sourceUrl"]


@pytest.mark.parametrize(
    ("code", "proxy"), [(400, 404), (401, 404), (403, 404), (404, 404), (410, 404), (403, 500), (404, 502), (403, 400)]
)
async def test_an_image_that_is_gone_on_every_route_for_ten_minutes_is_expired(
    world: World, code: int, proxy: int
) -> None:
    world.vendor.answer("cdn", status(code))
    world.vendor.answer("download", status(proxy))
    (job,) = await world.end_of(await world.accepted())
    assert (job["status"], job["errorCode"], job["errorCharged"]) == ("failed", "image_expired", "yes")
    assert f"responded with HTTP {code}" in job["errorMessage"]
    assert 10 * MINUTE <= moment(job["completedAt"]) - moment(job["startedAt"]) <= 25 * MINUTE
    assert len(world.vendor.to("trigger")) == 1


async def test_an_image_that_returns_within_ten_minutes_is_stored(world: World) -> None:
    world.vendor.answer("cdn", status(404))
    world.vendor.answer("download", status(404))
    job_id = await copying_job(world)
    await world.run_for(5 * MINUTE)
    world.vendor.reset()
    (job,) = await world.end_of(job_id)
    assert job["status"] == "succeeded"


async def test_an_outage_restarts_the_ten_minutes_before_expiry(world: World) -> None:
    """An image counts as expired only if every route reports it as gone for ten minutes without a break."""
    world.vendor.answer("cdn", status(404))
    world.vendor.answer("download", status(404))
    job_id = await copying_job(world)
    await world.run_for(5 * MINUTE)
    world.vendor.answer("cdn", status(503))
    await world.run_for(20 * MINUTE)
    assert (await world.job(job_id))["status"] == "copying"


async def test_a_proxy_that_is_unavailable_neither_ends_a_job_nor_restarts_the_ten_minutes(world: World) -> None:
    world.vendor.answer("cdn", status(403))
    world.vendor.answer("download", status(503))
    job_id = await copying_job(world)
    await world.run_for(30 * MINUTE)
    assert (await world.job(job_id))["status"] == "copying"
    world.vendor.answer("download", status(404))
    (job,) = await world.end_of(job_id, patience=12 * MINUTE)
    assert job["errorCode"] == "image_expired"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("not_an_image", "not_an_image"),
        ("html_instead_of_image", "not_an_image"),
        ("image_too_large", "image_too_large"),
        ("image_too_large_unannounced", "image_too_large"),
    ],
)
async def test_a_download_that_is_not_an_acceptable_image_fails_at_once(
    open_world: OpenWorld, tmp_path: Path, fault: str, code: str
) -> None:
    async with open_world(large_bytes=2_000_000, MAX_IMAGE_BYTES="1000000") as world:
        (job,) = await world.end_of(await world.accepted(f"a cat [fault:{fault}]"))
        assert (job["status"], job["errorCode"], job["errorCharged"]) == ("failed", code, "yes")
        assert len(world.vendor.to("cdn")) == 1
        assert moment(job["completedAt"]) - moment(job["startedAt"]) <= 30 * SECOND
        assert stored_files(tmp_path) == []


# --- several images ------------------------------------------------------------------------------------------------


async def test_all_images_are_stored_and_counted(world: World) -> None:
    (job,) = await world.end_of(await world.accepted(count=4))
    assert (job["status"], job["imageCount"]) == ("succeeded", 4)
    assert [image["index"] for image in job["images"]] == [0, 1, 2, 3]
    assert len({image["sha256"] for image in job["images"]}) == 4


async def test_a_job_waits_until_its_last_image_is_stored(world: World) -> None:
    world.vendor.answer("cdn", status(503, "/2.png"))
    job_id = await copying_job(world, count=3)
    job = await world.job(job_id)
    assert [image["url"] is not None for image in job["images"]] == [True, True, False]
    assert (await world.http.get(f"{job['imageUrl']}/1")).status_code == 200
    assert (await world.http.get(f"{job['imageUrl']}/2")).status_code == 409
    await world.run_for(HOUR)
    fetched = [call.request.url.path[-5:] for call in world.vendor.to("cdn")]
    assert (fetched.count("0.png"), fetched.count("1.png")) == (1, 1), "a stored image is not downloaded again"
    world.vendor.reset()
    (job,) = await world.end_of(job_id)
    assert (job["status"], job["imageCount"]) == ("succeeded", 3)


async def test_the_image_url_means_image_0_even_while_it_is_missing(world: World) -> None:
    world.vendor.answer("cdn", status(503, "/0.png"))
    job = await world.job(await copying_job(world, count=2))
    assert (await world.http.get(f"{job['imageUrl']}/1")).status_code == 200
    assert (await world.http.get(job["imageUrl"])).status_code == 409
    world.vendor.reset()
    await world.end_of(job["id"])
    assert (await world.http.get(job["imageUrl"])).content == (await world.http.get(f"{job['imageUrl']}/0")).content


async def test_a_job_with_a_lost_image_fails_and_keeps_its_other_images(world: World) -> None:
    for endpoint in ("cdn", "download"):
        world.vendor.answer(endpoint, lambda call: httpx.Response(404) if "1.png" in str(call.request.url) else None)
    (job,) = await world.end_of(await world.accepted(count=3))
    assert (job["status"], job["errorCode"], job["imageCount"]) == ("failed", "image_expired", 2)


async def test_with_allow_partial_a_job_succeeds_without_a_lost_image_and_names_it(world: World) -> None:
    for endpoint in ("cdn", "download"):
        world.vendor.answer(endpoint, lambda call: httpx.Response(404) if "1.png" in str(call.request.url) else None)
    (job,) = await world.end_of(await world.accepted(count=4, allowPartial=True))
    assert (job["status"], job["imageCount"], job["errorCode"]) == ("succeeded", 3, None)
    assert [image["index"] for image in job["images"]] == [0, 2, 3]
    assert "image 1 (image_expired)" in job["message"]
    response = await world.http.get(f"{job['imageUrl']}/1")
    assert (response.status_code, response.json()["errorCode"]) == (410, "image_failed")


async def test_with_allow_partial_a_single_image_is_still_retried_for_a_day(world: World) -> None:
    world.vendor.answer("cdn", status(503))
    job_id = await copying_job(world, allowPartial=True)
    await world.run_for(HOUR)
    world.vendor.reset()
    (job,) = await world.end_of(job_id)
    assert job["status"] == "succeeded"


# --- the image store -----------------------------------------------------------------------------------------------


async def test_a_copy_that_is_already_in_the_image_store_is_accepted(open_world: OpenWorld, tmp_path: Path) -> None:
    async with open_world() as world:
        job_id = await world.accepted()
        (run,) = world.simulator.state.runs.all()
        image = await world.simulated("/_runs?pictures=true")
        path = tmp_path / "images" / "jobs" / job_id / "1" / "0.png"
        path.parent.mkdir(parents=True)
        path.write_bytes(render(run.images()[0]))
        (job,) = await world.end_of(job_id)
        assert job["images"][0]["sha256"] == image["runs"][0]["pictures"][0]["sha256"]


def store_unrecorded(folder: Path, job_id: str, name: str, content: bytes) -> str:
    """Store a file as a worker that was killed before it recorded the copy. Return its checksum."""
    path = folder / "images" / "jobs" / job_id / "1" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def encodes_anew(world: World) -> None:
    """The same image in other bytes."""
    world.vendor.answer("cdn", lambda _call: httpx.Response(200, content=encoded("png", 64, 1) + b"anew"))


def encodes_in_another_format(world: World) -> None:
    world.vendor.answer("cdn", lambda _call: httpx.Response(200, content=encoded("jpeg", 64, 1)))


def is_down(world: World) -> None:
    world.vendor.answer("cdn", status(503))


@pytest.mark.parametrize("cdn", [encodes_anew, encodes_in_another_format, gone, is_down])
async def test_an_image_that_is_stored_succeeds_whatever_the_cdn_serves_since(
    world: World, tmp_path: Path, cdn: Callable[[World], None]
) -> None:
    job_id = await world.accepted()
    sha256 = store_unrecorded(tmp_path, job_id, "0.png", encoded("png", 64, 48))
    cdn(world)
    (job,) = await world.end_of(job_id)
    (image,) = job["images"]
    assert (job["status"], image["sha256"]) == ("succeeded", sha256)
    assert (image["contentType"], image["width"], image["height"]) == ("image/png", 64, 48)
    response = await world.http.get(job["imageUrl"])
    assert hashlib.sha256(response.content).hexdigest() == sha256
    assert stored_files(tmp_path) == ["0.png"]
    assert moment(job["completedAt"]) - moment(job["startedAt"]) <= MINUTE


async def test_only_the_file_of_the_same_image_counts(world: World, tmp_path: Path) -> None:
    job_id = await world.accepted(count=2)
    sha256 = store_unrecorded(tmp_path, job_id, "1.webp", encoded("webp", 64, 48))
    store_unrecorded(tmp_path, job_id, "10.png", encoded("png", 64, 48))
    (job,) = await world.end_of(job_id)
    assert [image["sha256"] == sha256 for image in job["images"]] == [False, True]
    assert len(world.vendor.to("cdn")) == 1


# --- truncated images ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["png-cut-half.bin", "avif-cut-half.bin", "png-head-only.bin"])
async def test_a_part_of_an_image_is_retried_and_then_copy_failed(world: World, tmp_path: Path, name: str) -> None:
    content = (SAMPLES / name).read_bytes()
    world.vendor.answer("cdn", lambda _call: httpx.Response(200, content=content))
    (job,) = await world.end_of(await world.accepted())
    assert (job["status"], job["errorCode"], job["errorCharged"]) == ("failed", "copy_failed", "yes")
    assert len(world.vendor.to("cdn")) > 10
    assert stored_files(tmp_path) == []


# --- the image store is unavailable --------------------------------------------------------------------------------


async def test_a_copy_waits_for_an_unavailable_image_store(world: World, tmp_path: Path) -> None:
    (tmp_path / "images").write_text("a file in place of the folder")
    job_id = await copying_job(world)
    message = (await world.job(job_id))["message"]
    assert "The image store of this deployment failed:" in message
    assert "NotADirectoryError: Not a directory" in message
    assert str(tmp_path) not in message
    (tmp_path / "images").unlink()
    (job,) = await world.end_of(job_id)
    assert job["status"] == "succeeded"

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
from tests.steps.run_responses import run_response

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
SAMPLES = Path(__file__).parents[1] / "samples" / "images"
Responder = Callable[[Call], httpx.Response | None]


def status(code: int, only: str = "") -> Responder:
    """Respond with this status to every file, or to those whose path ends with `only`."""
    return lambda call: httpx.Response(code) if call.request.url.path.endswith(only) else None


def disconnect(call: Call) -> httpx.Response:
    raise httpx.ReadError("connection reset", request=call.request)


async def copying_job(world: World, **fields: object) -> str:
    """Return the id of a job that is copying: its run has ended, and its images cannot be downloaded yet."""
    job_id = await world.accepted(**fields)
    await world.run_window()
    assert (await world.job(job_id))["status"] == "copying"
    return job_id


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


@pytest.mark.parametrize("code", [403, 404, 410])
async def test_an_image_that_is_gone_on_every_route_for_ten_minutes_is_expired(world: World, code: int) -> None:
    world.vendor.answer("cdn", status(code))
    world.vendor.answer("download", status(404))
    (job,) = await world.end_of(await world.accepted())
    assert (job["status"], job["errorCode"], job["errorCharged"]) == ("failed", "image_expired", "yes")
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


# --- redirects -----------------------------------------------------------------------------------------------------


def redirects(count: int, to: str = "https://wireflow.test{path}?n={n}") -> Responder:
    """Redirect `count` times before the image."""

    def respond(call: Call) -> httpx.Response | None:
        n = int(call.request.url.params.get("n", 0)) + 1
        if n > count:
            return None
        return httpx.Response(302, headers={"Location": to.format(path=call.request.url.path, n=n)})

    return respond


async def test_three_redirects_are_followed(world: World) -> None:
    world.vendor.answer("cdn", redirects(3))
    (job,) = await world.end_of(await world.accepted())
    assert (job["status"], len(world.vendor.to("cdn"))) == ("succeeded", 4)


@pytest.mark.parametrize(
    "responder",
    [
        redirects(4),
        redirects(1, "http://wireflow.test{path}"),
        redirects(1, "https://wireflow.test:8443{path}"),
        redirects(1, "https://elsewhere.test/x.png"),
        redirects(1, "file:///etc/passwd"),
        redirects(1, "https://["),
    ],
)
async def test_a_fourth_redirect_and_a_redirect_to_a_forbidden_url_are_not_followed(
    world: World, responder: Responder
) -> None:
    world.vendor.answer("cdn", responder)
    job_id = await copying_job(world)
    assert all(call.request.url.path.startswith("/cdn/") for call in world.vendor.to("cdn"))
    world.vendor.reset()
    (job,) = await world.end_of(job_id)
    assert job["status"] == "succeeded"


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


def gone(world: World) -> None:
    world.vendor.answer("cdn", status(404))
    world.vendor.answer("download", status(404))


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


# --- URLs that are not allowed -------------------------------------------------------------------------------------


async def job_with_result(world: World, *urls: str, **fields: object) -> str:
    """Return the id of a job whose run ends with these image URLs."""
    world.vendor.always("poll", 200, run_response("COMPLETED", *urls))
    return await world.accepted(**fields)


@pytest.mark.parametrize(
    "url",
    [
        "http://wireflow.test/cdn/a.png",
        "https://10.0.0.5/a.png",
        "https://169.254.169.254/computeMetadata/v1/",
        "https://[::1]/a.png",
        "https://2130706433/a.png",
        "https://127.1:8443/a.png",
        "https://0177.0.0.1/a.png",
        "https://[::ffff:10.0.0.1]/a.png",
        "https://user:pass@10.0.0.5/a.png",
        "ftp://files.example.net/a.png",
        "gs://bucket/a.png",
        "file:///etc/passwd",
        "data:image/png;base64,iVBORw0K",
    ],
)
async def test_a_url_that_can_never_be_allowed_fails_at_once(world: World, url: str) -> None:
    (job,) = await world.end_of(await job_with_result(world, url))
    assert (job["status"], job["errorCode"], job["errorCharged"]) == ("failed", "copy_failed", "yes")
    assert moment(job["completedAt"]) - moment(job["startedAt"]) <= MINUTE
    assert "https URL of a public host" in job["errorMessage"]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://files.example.net/a.png", "files.example.net"),
        ("https://wireflow.test:8443/a.png", "wireflow.test:8443"),
        ("https://93.184.216.34/a.png", "93.184.216.34"),
    ],
)
async def test_a_host_that_is_not_allowed_is_named_until_the_operator_adds_it(
    open_world: OpenWorld, url: str, host: str
) -> None:
    async with open_world() as world:
        job_id = await job_with_result(world, url)
        await world.run_for(HOUR)
        job = await world.job(job_id)
        assert job["status"] == "copying"
        assert f"The image is on {host}, which is not in IMAGE_HOSTS." in job["message"]
        line = world.log("upstream_refused")[-1]
        assert (line["host"], line["setting"], line["jobId"]) == (host, "IMAGE_HOSTS", job_id)
        assert f"{host} is not in IMAGE_HOSTS" in line["message"]
        simulator = world.simulator
    async with open_world(simulator=simulator, IMAGE_HOSTS=f"wireflow.test,{host}") as world:
        world.vendor.sites[host] = lambda _request: httpx.Response(200, content=encoded("png", 64, 48))
        (job,) = await world.end_of(job_id)
        assert job["status"] == "succeeded"
        assert (await world.record(job_id)).images[0].copy_error is None


async def test_a_redirect_to_a_host_that_is_not_allowed_names_it(world: World) -> None:
    world.vendor.answer("cdn", redirects(1, "https://elsewhere.test/x.png"))
    job = await world.job(await copying_job(world))
    assert "elsewhere.test, which is not in IMAGE_HOSTS" in job["message"]
    world.vendor.reset()
    (job,) = await world.end_of(job["id"])
    assert job["status"] == "succeeded"


async def test_a_job_whose_host_is_never_allowed_fails_after_a_day_and_names_it(world: World) -> None:
    (job,) = await world.end_of(await job_with_result(world, "https://files.example.net/a.png"))
    assert (job["status"], job["errorCode"]) == ("failed", "copy_failed")
    assert "files.example.net, which is not in IMAGE_HOSTS" in job["errorMessage"]
    assert moment(job["completedAt"]) - moment(job["startedAt"]) >= 24 * HOUR


async def test_an_unallowed_url_does_not_keep_other_images(world: World) -> None:
    good = "https://wireflow.test/cdn/exec_00000001/0.png"
    (job,) = await world.end_of(await job_with_result(world, good, "https://10.0.0.5/a.png", allowPartial=True))
    assert (job["status"], job["imageCount"]) == ("succeeded", 1)


async def test_another_failure_clears_the_name_of_the_host(world: World) -> None:
    world.vendor.answer("cdn", redirects(1, "https://elsewhere.test/x.png"))
    job_id = await copying_job(world)
    gone(world)
    (job,) = await world.end_of(job_id)
    assert job["errorCode"] == "image_expired"
    assert "elsewhere.test" not in job["message"]


# --- the image store is unavailable --------------------------------------------------------------------------------


async def test_a_copy_waits_for_an_unavailable_image_store(world: World, tmp_path: Path) -> None:
    (tmp_path / "images").write_text("a file in place of the folder")
    job_id = await copying_job(world)
    (tmp_path / "images").unlink()
    (job,) = await world.end_of(job_id)
    assert job["status"] == "succeeded"

"""Copies: an image that was paid for is fetched again and again, and only what is stored is reported."""

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
from tests.steps.conftest import Open

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
Answer = Callable[[Call], httpx.Response | None]


def status(code: int, only: str = "") -> Answer:
    """This status for every file, or for those whose path ends so."""
    return lambda call: httpx.Response(code) if call.request.url.path.endswith(only) else None


def cut(call: Call) -> httpx.Response:
    raise httpx.ReadError("connection reset", request=call.request)


async def copying(here: World, **fields: object) -> str:
    """A job whose run has ended and whose image cannot be fetched yet."""
    job_id = await here.accepted(**fields)
    await here.run_window()
    assert (await here.job(job_id))["status"] == "copying"
    return job_id


def pieces(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "images").rglob("*") if path.is_file())


# --- tried again ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [status(500), status(502), status(503), status(429), status(418), cut])
async def test_what_fails_now_is_tried_again(here: World, tmp_path: Path, answer: Answer) -> None:
    here.vendor.answer("cdn", answer)
    job_id = await copying(here)
    assert pieces(tmp_path) == []
    here.vendor.reset()
    (job,) = await here.end_of(job_id)
    assert (job["status"], job["imageCount"]) == ("succeeded", 1)


@pytest.mark.parametrize(
    "fault", ["hang", "cut_in_header", "cut_in_body", "wrong_content_length", "early_end", "slow_first_byte", "trickle"]
)
async def test_what_breaks_on_the_wire_is_tried_again_and_stored_whole(here: World, tmp_path: Path, fault: str) -> None:
    await here.simulated("/_faults", fault=fault, times=3, **{"for": "cdn"})
    (job,) = await here.end_of(await here.accepted())
    answer = await here.http.get(job["imageUrl"])
    assert hashlib.sha256(answer.content).hexdigest() == job["images"][0]["sha256"]
    assert len(answer.content) == job["images"][0]["bytes"]
    assert pieces(tmp_path) == ["0.png"], "no half of an image is left"


async def test_the_pauses_grow_to_ten_minutes(here: World) -> None:
    here.vendor.answer("cdn", status(503))
    await copying(here)
    await here.run_for(3 * HOUR)
    waited = [(after - before) / MINUTE for before, after in pairwise(here.vendor.times("cdn"))]
    assert all(after >= before - 1.1 for before, after in pairwise(waited)), "a window may come a minute late"
    assert 10 <= max(waited) <= 11.5


async def test_after_24_hours_it_is_copy_failed(here: World) -> None:
    here.vendor.answer("cdn", status(503))
    (job,) = await here.end_of(await here.accepted())
    assert (job["status"], job["errorCode"], job["errorCharged"]) == ("failed", "copy_failed", "yes")
    assert 24 * HOUR <= moment(job["completedAt"]) - moment(job["startedAt"]) <= 24.5 * HOUR


async def test_before_24_hours_are_over_it_may_still_succeed(here: World) -> None:
    here.vendor.answer("cdn", status(503))
    job_id = await copying(here)
    await here.run_for(6 * HOUR)
    here.vendor.reset()
    (job,) = await here.end_of(job_id)
    assert job["status"] == "succeeded"


# --- routes and expiry ---------------------------------------------------------------------------------------------


async def test_after_a_403_another_user_agent_is_tried_and_then_the_proxy(here: World) -> None:
    here.vendor.answer("cdn", status(403))
    (job,) = await here.end_of(await here.accepted())
    assert job["status"] == "succeeded"
    direct, disguised = here.vendor.to("cdn")
    assert direct.request.headers["user-agent"].startswith("wireflow-images/")
    assert disguised.request.headers["user-agent"].startswith("Mozilla/")
    (proxied,) = here.vendor.to("download")
    assert proxied.request.url.params["url"] == job["images"][0]["sourceUrl"]


@pytest.mark.parametrize("code", [403, 404, 410])
async def test_gone_on_every_route_for_ten_minutes_is_expired(here: World, code: int) -> None:
    here.vendor.answer("cdn", status(code))
    here.vendor.answer("download", status(404))
    (job,) = await here.end_of(await here.accepted())
    assert (job["status"], job["errorCode"], job["errorCharged"]) == ("failed", "image_expired", "yes")
    assert 10 * MINUTE <= moment(job["completedAt"]) - moment(job["startedAt"]) <= 25 * MINUTE
    assert len(here.vendor.to("trigger")) == 1


async def test_an_image_that_is_back_within_ten_minutes_is_stored(here: World) -> None:
    here.vendor.answer("cdn", status(404))
    here.vendor.answer("download", status(404))
    job_id = await copying(here)
    await here.run_for(5 * MINUTE)
    here.vendor.reset()
    (job,) = await here.end_of(job_id)
    assert job["status"] == "succeeded"


async def test_an_outage_in_between_begins_the_ten_minutes_anew(here: World) -> None:
    """Only ten minutes in which every route answers that it is gone prove that it is."""
    here.vendor.answer("cdn", status(404))
    here.vendor.answer("download", status(404))
    job_id = await copying(here)
    await here.run_for(5 * MINUTE)
    here.vendor.answer("cdn", status(503))
    await here.run_for(20 * MINUTE)
    assert (await here.job(job_id))["status"] == "copying"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("not_an_image", "not_an_image"),
        ("html_instead_of_image", "not_an_image"),
        ("image_too_large", "image_too_large"),
        ("image_too_large_unannounced", "image_too_large"),
    ],
)
async def test_what_is_no_image_of_ours_fails_at_once(open_world: Open, tmp_path: Path, fault: str, code: str) -> None:
    async with open_world(large_bytes=2_000_000, MAX_IMAGE_BYTES="1000000") as here:
        (job,) = await here.end_of(await here.accepted(f"a cat [fault:{fault}]"))
        assert (job["status"], job["errorCode"], job["errorCharged"]) == ("failed", code, "yes")
        assert len(here.vendor.to("cdn")) == 1
        assert moment(job["completedAt"]) - moment(job["startedAt"]) <= 30 * SECOND
        assert pieces(tmp_path) == []


# --- redirects -----------------------------------------------------------------------------------------------------


def redirects(count: int, to: str = "https://wireflow.test{path}?n={n}") -> Answer:
    """So many redirects before the image."""

    def answer(call: Call) -> httpx.Response | None:
        n = int(call.request.url.params.get("n", 0)) + 1
        if n > count:
            return None
        return httpx.Response(302, headers={"Location": to.format(path=call.request.url.path, n=n)})

    return answer


async def test_three_redirects_are_followed(here: World) -> None:
    here.vendor.answer("cdn", redirects(3))
    (job,) = await here.end_of(await here.accepted())
    assert (job["status"], len(here.vendor.to("cdn"))) == ("succeeded", 4)


@pytest.mark.parametrize(
    "answer",
    [
        redirects(4),
        redirects(1, "http://wireflow.test{path}"),
        redirects(1, "https://wireflow.test:8443{path}"),
        redirects(1, "https://elsewhere.test/x.png"),
        redirects(1, "file:///etc/passwd"),
        redirects(1, "https://["),
    ],
)
async def test_a_fourth_redirect_and_one_to_another_place_is_not_followed(here: World, answer: Answer) -> None:
    here.vendor.answer("cdn", answer)
    job_id = await copying(here)
    assert all(call.request.url.path.startswith("/cdn/") for call in here.vendor.to("cdn"))
    here.vendor.reset()
    (job,) = await here.end_of(job_id)
    assert job["status"] == "succeeded"


# --- several images ------------------------------------------------------------------------------------------------


async def test_all_images_are_stored_and_counted(here: World) -> None:
    (job,) = await here.end_of(await here.accepted(count=4))
    assert (job["status"], job["imageCount"]) == ("succeeded", 4)
    assert [image["index"] for image in job["images"]] == [0, 1, 2, 3]
    assert len({image["sha256"] for image in job["images"]}) == 4


async def test_a_job_waits_for_its_last_image(here: World) -> None:
    here.vendor.answer("cdn", status(503, "/2.png"))
    job_id = await copying(here, count=3)
    job = await here.job(job_id)
    assert [image["url"] is not None for image in job["images"]] == [True, True, False]
    assert (await here.http.get(f"{job['imageUrl']}/1")).status_code == 200
    assert (await here.http.get(f"{job['imageUrl']}/2")).status_code == 409
    await here.run_for(HOUR)
    fetched = [call.request.url.path[-5:] for call in here.vendor.to("cdn")]
    assert (fetched.count("0.png"), fetched.count("1.png")) == (1, 1), "what is stored is not fetched again"
    here.vendor.reset()
    (job,) = await here.end_of(job_id)
    assert (job["status"], job["imageCount"]) == ("succeeded", 3)


async def test_the_first_image_is_the_first_even_while_it_is_missing(here: World) -> None:
    here.vendor.answer("cdn", status(503, "/0.png"))
    job = await here.job(await copying(here, count=2))
    assert (await here.http.get(f"{job['imageUrl']}/1")).status_code == 200
    assert (await here.http.get(job["imageUrl"])).status_code == 409
    here.vendor.reset()
    await here.end_of(job["id"])
    assert (await here.http.get(job["imageUrl"])).content == (await here.http.get(f"{job['imageUrl']}/0")).content


async def test_with_one_of_three_lost_the_job_fails_and_keeps_the_others(here: World) -> None:
    for place in ("cdn", "download"):
        here.vendor.answer(place, lambda call: httpx.Response(404) if "1.png" in str(call.request.url) else None)
    (job,) = await here.end_of(await here.accepted(count=3))
    assert (job["status"], job["errorCode"], job["imageCount"]) == ("failed", "image_expired", 2)


async def test_with_allow_partial_three_of_four_succeed_and_the_missing_one_is_named(here: World) -> None:
    for place in ("cdn", "download"):
        here.vendor.answer(place, lambda call: httpx.Response(404) if "1.png" in str(call.request.url) else None)
    (job,) = await here.end_of(await here.accepted(count=4, allowPartial=True))
    assert (job["status"], job["imageCount"], job["errorCode"]) == ("succeeded", 3, None)
    assert [image["index"] for image in job["images"]] == [0, 2, 3]
    assert "image 1 (image_expired)" in job["message"]
    answer = await here.http.get(f"{job['imageUrl']}/1")
    assert (answer.status_code, answer.json()["errorCode"]) == (410, "image_failed")


async def test_with_allow_partial_the_only_image_is_still_tried_for_a_day(here: World) -> None:
    here.vendor.answer("cdn", status(503))
    job_id = await copying(here, allowPartial=True)
    await here.run_for(HOUR)
    here.vendor.reset()
    (job,) = await here.end_of(job_id)
    assert job["status"] == "succeeded"


# --- the image store -----------------------------------------------------------------------------------------------


async def test_a_copy_that_was_stored_and_not_recorded_counts_as_done(open_world: Open, tmp_path: Path) -> None:
    async with open_world() as here:
        job_id = await here.accepted()
        (run,) = here.simulator.state.runs.all()
        image = await here.simulated("/_runs?pictures=true")
        path = tmp_path / "images" / "jobs" / job_id / "1" / "0.png"
        path.parent.mkdir(parents=True)
        path.write_bytes(render(run.images()[0]))
        (job,) = await here.end_of(job_id)
        assert job["images"][0]["sha256"] == image["runs"][0]["pictures"][0]["sha256"]


async def test_a_store_that_is_away_is_waited_for(here: World, tmp_path: Path) -> None:
    (tmp_path / "images").write_text("a file where the folder should be")
    job_id = await copying(here)
    (tmp_path / "images").unlink()
    (job,) = await here.end_of(job_id)
    assert job["status"] == "succeeded"

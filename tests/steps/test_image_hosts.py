"""Copies from other URLs: redirects, URLs that can never be allowed, and hosts that an operator may allow."""

from datetime import timedelta

import httpx
import pytest

from tests.harness.vendor import Call
from tests.harness.world import World, moment
from tests.images.sample_images import encoded
from tests.steps.conftest import OpenWorld
from tests.steps.copying import Responder, copying_job, gone
from tests.steps.run_responses import run_response

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


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

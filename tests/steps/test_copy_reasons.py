"""Why a copy failed: the job and the log say it, with advice that fits."""

from pathlib import Path

import httpx
import pytest

from tests.harness.vendor import Call
from tests.harness.world import World
from tests.steps.copying import Responder, copying_job, status

SAMPLES = Path(__file__).parents[1] / "samples" / "images"


def disconnect(call: Call) -> httpx.Response:
    raise httpx.ReadError("connection reset", request=call.request)


def cut(_call: Call) -> httpx.Response:
    return httpx.Response(200, content=(SAMPLES / "png-cut-half.bin").read_bytes())


@pytest.mark.parametrize(
    ("responder", "reason"),
    [
        (status(500), "wireflow.test responded with HTTP 500"),
        (status(404), "wireflow.test responded with HTTP 404; the download proxy failed too: wireflow.test responded"),
        (cut, "bytes, before the image did"),
        (disconnect, "ReadError: connection reset"),
    ],
)
async def test_a_job_and_the_log_say_why_the_last_copy_failed(world: World, responder: Responder, reason: str) -> None:
    world.vendor.answer("cdn", responder)
    world.vendor.answer("download", status(404))
    job_id = await copying_job(world)
    job = await world.job(job_id)
    assert reason in job["message"]
    assert "IMAGE_HOSTS" not in job["message"], "no advice that does not fit"
    assert reason in world.log("upstream_refused")[-1]["message"]


async def test_each_missing_image_has_its_own_reason(world: World) -> None:
    by_image = {"0.png": 500, "1.png": 503}

    def respond(call: Call) -> httpx.Response | None:
        code = by_image.get(call.request.url.path[-5:])
        return httpx.Response(code) if code else None

    world.vendor.answer("cdn", respond)
    job = await world.job(await copying_job(world, count=3))
    for index, code in enumerate(by_image.values()):
        assert f"Image {index}: The download failed: wireflow.test responded with HTTP {code}." in job["message"]


async def test_the_reason_of_a_failure_holds_no_query_of_a_url_and_is_short(world: World) -> None:
    def fail(call: Call) -> httpx.Response:
        raise httpx.ReadError(f"{call.request.url}?X-Signature=secret {'long ' * 200}\n\x1b", request=call.request)

    world.vendor.answer("cdn", fail)
    job_id = await copying_job(world)
    (image,) = (await world.record(job_id)).images
    assert image.copy_error
    assert len(image.copy_error) <= 500
    assert image.copy_error.isprintable()
    for text in (image.copy_error, world.log("upstream_refused")[-1]["message"]):
        assert "?[REDACTED]" in text
        assert "secret" not in text

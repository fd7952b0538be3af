"""Which images of a response a job gets: results only, each once, and with the newest URL until it is stored."""

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest

from shared.error_codes import ErrorCode
from shared.job import Job
from shared.job_parts import Image
from shared.job_states import Status
from shared.ports import ResultImage, RunResponse, RunState
from shared.steps.results import result_images, result_text, without_twins
from tests.harness.virtual_time import NOON
from tests.harness.world import World
from tests.steps.conftest import OpenWorld
from tests.steps.run_responses import URL

CDN = "https://cdn.wireflow.ai/outputs"


def a_job(*images: Image, prompt: str = "a cat", **fields: Any) -> Job:
    more = {"created_at": NOON, "expire_at": NOON + timedelta(days=30), "give_up_at": NOON + timedelta(days=3)}
    return Job(id="job-1", status=Status.RUNNING, prompt=prompt, images=images, **more, **fields)


def reported(*images: tuple[str, str | None]) -> RunResponse:
    return RunResponse(state=RunState.RUNNING, images=tuple(ResultImage(url=url, place=place) for url, place in images))


def image(index: int, url: str, place: str | None = None, name: str | None = None, **more: Any) -> Image:
    return Image(index=index, source_url=url, place=place, name=name, **more)


def urls(job: Job, response: RunResponse) -> list[str]:
    return [image.source_url for image in result_images(job, response)]


# --- the same image again ------------------------------------------------------------------------------------------


def test_a_new_url_at_a_known_place_replaces_the_old_one() -> None:
    job = a_job(image(0, f"{CDN}/tmp/1.png", "gen-1/0"), image(1, f"{CDN}/2.png", "gen-1/1"))
    response = reported((f"{CDN}/final/1.png", "gen-1/0"), (f"{CDN}/2.png", "gen-1/1"))
    assert urls(job, response) == [f"{CDN}/final/1.png", f"{CDN}/2.png"]
    assert urls(a_job(*result_images(job, response)), response) == [f"{CDN}/final/1.png", f"{CDN}/2.png"]


def test_a_known_url_keeps_its_image_wherever_it_is_listed() -> None:
    job = a_job(image(0, f"{CDN}/1.png", "gen-1/0"))
    response = reported((f"{CDN}/2.png", "gen-1/0"), (f"{CDN}/1.png", "gen-1/1"))
    assert sorted(urls(job, response)) == [f"{CDN}/1.png", f"{CDN}/2.png"]


@pytest.mark.parametrize("places", [(None, None), ("gen-1/0", "gen-1/1"), ("gen-1/0", "gen-2/0"), ("gen-1/0", None)])
def test_an_image_at_another_place_is_another_image(places: tuple[str | None, str | None]) -> None:
    job = a_job(image(0, f"{CDN}/1.png", places[0]))
    assert sorted(urls(job, reported((f"{CDN}/2.png", places[1])))) == [f"{CDN}/1.png", f"{CDN}/2.png"]


def test_a_stored_image_is_neither_replaced_nor_doubled() -> None:
    stored = image(1, f"{CDN}/1.png?sig=1", "gen-1/0", name="jobs/job-1/1/1.png")
    for url in (f"{CDN}/1.png?sig=2", f"{CDN}/moved/1.png?sig=2"):
        assert result_images(a_job(stored), reported((url, "gen-1/0"))) == (stored,)
    found = result_images(a_job(stored), reported((f"{CDN}/2.png", "gen-1/1"), (f"{CDN}/1.png", "gen-1/0")))
    assert [(image.index, image.source_url) for image in found] == [(1, stored.source_url), (2, f"{CDN}/2.png")]


def test_beside_a_stored_image_the_missing_one_gets_its_new_url_and_another_try() -> None:
    stored = image(0, f"{CDN}/1.png", "gen-1/0", name="jobs/job-1/1/0.png")
    expired = image(1, f"{CDN}/2.png?sig=1", "gen-1/1", error=ErrorCode.IMAGE_EXPIRED)
    found = result_images(a_job(stored, expired), reported((f"{CDN}/2.png?sig=2", "gen-1/1")))
    assert found == (stored, image(1, f"{CDN}/2.png?sig=2", "gen-1/1"))


# --- twins ---------------------------------------------------------------------------------------------------------


def test_a_twin_of_a_stored_image_is_left_out() -> None:
    stored = image(1, f"{CDN}/1.png?X-Oss-Signature=1", name="jobs/job-1/1/1.png")
    other = image(2, f"{CDN}/2.png?X-Oss-Signature=1")
    assert without_twins((image(0, f"{CDN}/1.png?X-Oss-Signature=2"), stored, other)) == (stored, other)


def test_an_expired_image_is_a_twin_whatever_its_query_is() -> None:
    stored = image(0, f"{CDN}/1.png?key=1", name="jobs/job-1/1/0.png")
    pending = image(1, f"{CDN}/1.png?key=2")
    assert without_twins((stored, pending)) == (stored, pending)
    assert without_twins((stored, pending.evolve(error=ErrorCode.IMAGE_EXPIRED))) == (stored,)
    lone = image(1, f"{CDN}/2.png?key=2", error=ErrorCode.IMAGE_EXPIRED)
    assert without_twins((stored, lone)) == (stored, lone)


# --- what the request itself contains ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": "https://example.com/a.png"},
        {"prompt": "  https://example.com/a.png\n"},
        {"prompt": "like https://example.com/a.png but blue"},
        {"prompt": "like https://example.com/a.png, but blue"},
        {"prompt": "![a cat](https://example.com/a.png) (see `https://example.com/a.png`)."},
        {"image1": "https://example.com/a.png?X-Amz-Signature=1"},
        {"image1": "https://Example.com:443/a.png"},
        {"hosted_url": "https://example.com/a.png"},
        {"input": json.dumps({"style": {"images": [{"ref": "https://example.com/a.png?token=1"}]}})},
    ],
    ids=repr,
)
@pytest.mark.parametrize("signature", ["", "?X-Goog-Signature=7", "#part"])
def test_a_url_of_the_request_is_not_a_result(fields: dict[str, Any], signature: str) -> None:
    response = reported((f"https://example.com/a.png{signature}", "gen-1/0"), (URL, "gen-1/1"))
    assert urls(a_job(**fields), response) == [URL]


def test_the_text_of_a_run_is_one_that_the_request_does_not_have() -> None:
    job = a_job(input=json.dumps({"negative": "dogs"}))
    response = RunResponse(state=RunState.COMPLETED, texts=("An enhanced cat", "I cannot draw that.", "a cat", "dogs"))
    assert result_text(job, response) == "I cannot draw that."
    assert result_text(job, RunResponse(state=RunState.COMPLETED, texts=("a cat",))) is None


# --- from a request to its image -----------------------------------------------------------------------------------


def node(output: Any, node_id: str = "gen-1", **more: Any) -> dict[str, Any]:
    return {"nodeId": node_id, "status": "COMPLETED", "output": output, **more}


async def test_an_image_that_moves_between_two_responses_is_one_image(world: World) -> None:
    job_id = await world.accepted()
    responses = [
        {"status": "RUNNING", "nodeStates": [{"nodeId": "gen-1", "outputUrl": URL.replace("0.png", "gone.png")}]},
        {"status": "COMPLETED", "nodeRuns": [node({"images": [{"url": URL}]})]},
    ]
    world.vendor.answer("poll", lambda _call: httpx.Response(200, json=responses.pop(0)))
    (job,) = await world.end_of(job_id)
    assert (job["status"], job["imageCount"]) == ("succeeded", 1)
    assert [image["sourceUrl"] for image in job["images"]] == [URL]


async def test_an_image_of_an_unknown_signature_does_not_fail_the_job_when_it_is_stored(open_world: OpenWorld) -> None:
    async with open_world() as world:
        job_id = await world.accepted()
        told = [{"output": f"{URL}?seal=old"}, {"output": f"{URL}?seal=new"}]
        world.vendor.always("poll", 200, {"status": "COMPLETED", "nodeRuns": told})
        world.vendor.answer("cdn", lambda call: httpx.Response(403) if b"old" in call.request.url.query else None)
        world.vendor.always("download", 403)
        (job,) = await world.end_of(job_id)
        assert (job["status"], job["errorCode"], job["imageCount"]) == ("succeeded", None, 1)
        assert (await world.http.get(job["imageUrl"])).status_code == 200


async def test_only_the_result_becomes_an_image(world: World) -> None:
    page = "https://example.com/cats"
    job_id = await world.accepted(page, image1="https://wireflow.test/input.png")
    nodes = [
        node(page, "text-1"),
        node({"text": "https://example.com/more"}, "text-2"),
        node("Read https://example.com/on", "text-3"),
        node({"url": "https://wireflow.test/input.png?X-Amz-Signature=1"}, "load-1"),
        node({"url": "https://wireflow.test/other.png"}, "n7", nodeType="input:image"),
        node({"url": URL}),
    ]
    world.vendor.always("poll", 200, {"status": "COMPLETED", "nodeRuns": nodes})
    (job,) = await world.end_of(job_id)
    assert (job["status"], [image["sourceUrl"] for image in job["images"]]) == ("succeeded", [URL])


async def test_a_text_instead_of_an_image_is_the_message_of_the_error(world: World) -> None:
    job_id = await world.accepted("a cat")
    nodes = [node("a cat", "prompt-1"), node({"text": "I cannot draw cats for sk-simulator."})]
    world.vendor.always("poll", 200, {"status": "COMPLETED", "nodeRuns": nodes})
    (job,) = await world.end_of(job_id)
    assert (job["errorCode"], job["errorMessage"]) == (
        "completed_without_image",
        "I cannot draw cats for [REDACTED].",
    )


async def test_a_finish_reason_that_is_a_refusal_explains_the_missing_image(world: World) -> None:
    job_id = await world.accepted("a cat")
    candidates = {"candidates": [{"finishReason": "IMAGE_SAFETY", "content": {"text": "I cannot draw that."}}]}
    world.vendor.always("poll", 200, {"status": "COMPLETED", "nodeRuns": [node(candidates)]})
    (job,) = await world.end_of(job_id)
    assert (job["status"], job["errorCode"], job["errorMessage"]) == ("failed", "moderation", "I cannot draw that.")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"detail": [{"msg": "flagged by a content checker", "type": "content_policy_violation"}]}, "moderation"),
        ("Your prompt contains sensitive words that violate our rules", "moderation"),
        ("Timed out while drawing 'a sign about road safety and content policy'", "upstream_error"),
        ("Model failure for 'A sign about road safety and content policy'", "upstream_error"),
    ],
)
async def test_the_error_of_a_run_is_a_refusal_or_not(world: World, error: Any, code: str) -> None:
    job_id = await world.accepted("a sign about road safety and content policy")
    failed = {"nodeId": "gen-1", "status": "FAILED", "error": error}
    world.vendor.always("poll", 200, {"status": "ERROR", "error": None, "nodeStates": [failed]})
    (job,) = await world.end_of(job_id)
    assert (job["status"], job["errorCode"], job["errorCharged"]) == ("failed", code, "no")
    (line,) = world.log("unknown_shape")
    assert line["kind"] == "status ERROR"


async def test_a_large_response_with_its_image_in_base64_leads_to_the_image(world: World) -> None:
    job_id = await world.accepted()
    output = {"b64_json": "iVBORw0K" * 700_000, "url": URL}
    world.vendor.always("poll", 200, {"status": "COMPLETED", "nodeRuns": [node(output)]})
    (job,) = await world.end_of(job_id)
    assert (job["status"], job["imageCount"]) == ("succeeded", 1)

"""The end of a run: which images and which error each final response leads to."""

import httpx
import pytest

from tests.harness.world import World
from tests.steps.conftest import OpenWorld
from tests.steps.run_responses import URL, run_response


async def test_image_urls_are_saved_as_soon_as_they_are_known(open_world: OpenWorld) -> None:
    async with open_world(run_seconds=(40.0, 40.0), POLL_WINDOW_SECONDS="30") as world:
        job_id = await world.accepted("a cat [fault:image_before_end]")
        await world.run_window()
        job = await world.job(job_id)
        assert job["status"] == "running"
        assert [image["sourceUrl"] for image in job["images"]] == [URL]
        (job,) = await world.end_of(job_id)
        assert (job["status"], job["imageCount"]) == ("succeeded", 1)


async def test_the_newest_of_several_signed_urls_of_an_image_is_used(world: World) -> None:
    job_id = await world.accepted()
    responses = [
        run_response("RUNNING", f"{URL}?sig=1"),
        run_response("RUNNING", f"{URL}?sig=2"),
        run_response("COMPLETED", f"{URL}?sig=3"),
    ]
    world.vendor.answer("poll", lambda _call: httpx.Response(200, json=responses.pop(0)))
    (job,) = await world.end_of(job_id)
    assert [image["sourceUrl"] for image in job["images"]] == [f"{URL}?sig=3"]
    assert [call.request.url.query for call in world.vendor.to("cdn")] == [b"sig=3"]


async def test_an_image_that_was_reported_once_is_kept(world: World) -> None:
    job_id = await world.accepted(count=2)
    second = URL.replace("0.png", "1.png")
    responses = [run_response("RUNNING", URL), run_response("COMPLETED", second)]
    world.vendor.answer("poll", lambda _call: httpx.Response(200, json=responses.pop(0)))
    (job,) = await world.end_of(job_id)
    assert {image["sourceUrl"] for image in job["images"]} == {URL, second}


async def test_a_run_that_completed_without_an_image_is_polled_again_after_5_s(world: World) -> None:
    (job,) = await world.end_of(await world.accepted("a cat [fault:completed_without_image]"))
    assert (job["status"], job["errorCode"]) == ("failed", "completed_without_image")
    (polls,) = world.simulator.state.stats.polls.values()
    assert (polls[-1] - polls[-2]).total_seconds() == 5
    (run,) = world.simulator.state.runs.all()
    assert sum(at >= run.ends_at for at in polls) == 2


async def test_an_image_that_appears_shortly_after_completion_is_stored(world: World) -> None:
    job_id = await world.accepted()
    responses = [run_response("COMPLETED"), run_response("COMPLETED", URL)]
    world.vendor.answer("poll", lambda _call: httpx.Response(200, json=responses.pop(0)) if responses else None)
    (job,) = await world.end_of(job_id)
    assert (job["status"], job["imageCount"]) == ("succeeded", 1)


@pytest.mark.parametrize(
    ("state", "code", "charged"),
    [("FAILED", "upstream_error", "no"), ("CANCELLED", "canceled", "unknown"), ("TIMEOUT", "timed_out", "unknown")],
)
async def test_a_failed_run_fails_its_job(world: World, state: str, code: str, charged: str) -> None:
    job_id = await world.accepted()
    world.vendor.always("poll", 200, run_response(state, error="the model broke"), x_request_id="req_9")
    (job,) = await world.end_of(job_id)
    assert (job["status"], job["errorCode"], job["errorCharged"]) == ("failed", code, charged)
    assert (job["errorMessage"], job["requestId"]) == ("the model broke", "req_9")
    assert len(world.vendor.to("trigger")) == 1


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED", "TIMEOUT"])
async def test_the_images_of_a_failed_run_are_charged_and_stored(world: World, state: str) -> None:
    job_id = await world.accepted()
    world.vendor.always("poll", 200, run_response(state, URL, error="the second node broke"))
    (job,) = await world.end_of(job_id)
    assert (job["status"], job["errorCharged"], job["imageCount"]) == ("failed", "yes", 1)
    assert job["errorMessage"] == "the second node broke"
    response = await world.http.get(job["images"][0]["url"])
    assert (response.status_code, response.headers["content-type"]) == (200, "image/png")


async def test_the_error_of_a_failed_run_is_passed_on_with_secrets_redacted(world: World) -> None:
    job_id = await world.accepted()
    world.vendor.always(
        "poll", 200, run_response("FAILED", error="webhook demo-webhook, key sk-simulator: out of memory", x=1)
    )
    (job,) = await world.end_of(job_id)
    assert job["errorMessage"] == "webhook [REDACTED], key [REDACTED]: out of memory"
    stored = repr(await world.record(job_id))
    assert "out of memory" in stored
    assert "demo-webhook" not in stored
    assert "sk-simulator" not in stored


async def test_the_model_that_made_the_image_is_recorded(world: World) -> None:
    job_id = await world.accepted()
    world.vendor.always("poll", 200, run_response("COMPLETED", URL, model="gemini-3.1-flash-lite-image"))
    await world.end_of(job_id)
    assert (await world.record(job_id)).model == "gemini-3.1-flash-lite-image"
    (line,) = world.log("job_stored")
    assert line["model"] == "gemini-3.1-flash-lite-image"


async def test_a_moderation_refusal_has_its_own_error_code(world: World) -> None:
    (job,) = await world.end_of(await world.accepted("a cat [fault:moderation]"))
    assert (job["errorCode"], job["errorCharged"], job["errorRetryable"]) == ("moderation", "no", False)
    assert "content policy" in job["errorMessage"]


async def test_the_input_image_is_not_a_result(world: World) -> None:
    input_url = "https://wireflow.test/input.png"
    job_id = await world.accepted(image1=input_url)
    world.vendor.always("poll", 200, run_response("COMPLETED", input_url, URL))
    (job,) = await world.end_of(job_id)
    assert [image["sourceUrl"] for image in job["images"]] == [URL]


@pytest.mark.parametrize("fault", ["unknown_status", "missing_status"])
async def test_an_unknown_shape_is_logged_and_stored_and_ends_no_job(world: World, fault: str) -> None:
    job_id = await world.accepted(f"a cat [fault:{fault}]")
    (job,) = await world.end_of(job_id)
    assert job["status"] == "succeeded"
    (line,) = world.log("unknown_shape")
    assert line["jobId"] == job_id
    assert "nodeRuns" in str((await world.record(job_id)).last_response)


async def test_an_unknown_shape_is_logged_once_per_kind_and_stored_with_each_job(world: World) -> None:
    ids = [await world.accepted("a cat [fault:unknown_status]") for _ in range(3)]
    ids += [await world.accepted("a cat [fault:missing_status]") for _ in range(3)]
    await world.end_of(*ids)
    assert sorted(line["kind"] for line in world.log("unknown_shape")) == ["no status", "status WARMING_UP"]
    assert all([(await world.record(job_id)).last_response for job_id in ids])
    assert world.deps.unknown_shapes.counts["status WARMING_UP"] >= 3


async def test_an_unknown_field_name_is_only_information(world: World) -> None:
    job_id = await world.accepted()
    world.vendor.always("poll", 200, run_response("COMPLETED", URL, watermark={"strength": 3}))
    (job,) = await world.end_of(job_id)
    assert job["status"] == "succeeded"
    lines = world.log("unknown_shape")
    assert {line["severity"] for line in lines} == {"INFO"}
    assert any("watermark" in line["kind"] for line in lines)
    assert "watermark" in str((await world.record(job_id)).last_response)


async def test_a_stored_response_is_bounded(world: World) -> None:
    job_id = await world.accepted()
    world.vendor.always("poll", 200, {"status": "WARMING_UP", "noise": "x" * 1_000_000})
    await world.run_window()
    assert len(str((await world.record(job_id)).last_response)) <= 4_096


# --- completed without an image ------------------------------------------------------------------------------------

BLOCKED = "Your prompt was blocked by our content policy (safety system)."


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        (BLOCKED, "moderation", False),
        ("The model is overloaded", "upstream_error", True),
        ({"message": "The model is overloaded"}, "upstream_error", True),
    ],
    ids=str,
)
async def test_a_failed_node_of_a_completed_run_says_why_there_is_no_image(
    world: World, error: object, code: str, *, retryable: bool
) -> None:
    job_id = await world.accepted()
    nodes = [{"nodeId": "gen-1", "status": "FAILED", "error": error}, {"nodeId": "text-1", "text": "a caption"}]
    world.vendor.always("poll", 200, {"status": "COMPLETED", "error": None, "nodeStates": nodes})
    (job,) = await world.end_of(job_id)
    words = error["message"] if isinstance(error, dict) else error
    assert (job["errorCode"], job["errorMessage"], job["errorRetryable"]) == (code, words, retryable)
    assert job["errorCharged"] == "unknown", "other nodes may have been charged"


async def test_a_failed_node_without_words_is_an_error_of_wireflow(world: World) -> None:
    job_id = await world.accepted()
    world.vendor.always("poll", 200, {"status": "COMPLETED", "nodeStates": [{"nodeId": "gen-1", "status": "FAILED"}]})
    (job,) = await world.end_of(job_id)
    assert (job["errorCode"], job["errorMessage"]) == ("upstream_error", "Wireflow or the model reported an error.")


async def test_a_failed_node_that_quotes_the_prompt_is_not_a_moderation_refusal(world: World) -> None:
    prompt = "a sign that says blocked by our content policy for safety"
    job_id = await world.accepted(prompt)
    nodes = [{"nodeId": "gen-1", "status": "FAILED", "error": f"No image for {prompt}"}]
    world.vendor.always("poll", 200, {"status": "COMPLETED", "nodeStates": nodes})
    (job,) = await world.end_of(job_id)
    assert job["errorCode"] == "upstream_error"


async def test_a_failed_node_beside_an_image_does_not_fail_the_job(world: World) -> None:
    job_id = await world.accepted()
    nodes = [{"nodeId": "caption-1", "status": "FAILED", "error": BLOCKED}]
    world.vendor.always("poll", 200, run_response("COMPLETED", URL, nodeStates=nodes))
    (job,) = await world.end_of(job_id)
    assert (job["status"], job["imageCount"]) == ("succeeded", 1)


async def test_the_last_response_of_a_run_without_an_image_is_kept_with_secrets_redacted(world: World) -> None:
    key, job_id = world.deps.config.api_key, await world.accepted()
    responses = [
        {"status": "WARMING_UP"},
        {"status": "COMPLETED", "output": {"artwork": "https://cdn.test/a"}, "error": f"key {key}"},
    ]
    world.vendor.answer(
        "poll", lambda _call: httpx.Response(200, json=responses.pop(0) if len(responses) > 1 else responses[0])
    )
    (job,) = await world.end_of(job_id)
    kept = str((await world.record(job_id)).last_response)
    assert job["errorCode"] == "completed_without_image"
    assert "https://cdn.test/a" in kept
    assert "[REDACTED]" in kept
    assert key not in kept


async def test_more_than_100_images_are_logged(world: World) -> None:
    job_id = await world.accepted()
    world.vendor.always("poll", 200, run_response("COMPLETED", *(f"{URL}?n={n}" for n in range(101))))
    await world.run_window()
    (line,) = [line for line in world.log("unknown_shape") if line["severity"] == "WARNING"]
    assert (line["kind"], line["jobId"]) == ("more than 100 images", job_id)

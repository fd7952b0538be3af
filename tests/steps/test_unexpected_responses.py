"""Undocumented responses that Wireflow, a gateway, or an attacker may send."""

import httpx

from tests.harness.vendor import Call
from tests.harness.world import World
from tests.steps.conftest import OpenWorld

IMAGE = "https://wireflow.test/cdn/{run}/0.png"


def run_response(status: str, *urls: str, **more: object) -> dict[str, object]:
    return {"status": status, "outputs": [{"nodeId": "n", "urls": list(urls)}], **more}


async def test_secrets_at_the_edge_of_a_truncated_error_are_redacted(world: World) -> None:
    config = world.deps.config
    echo = "x" * 494 + f" {config.webhook_id} {config.api_key}"
    world.vendor.always("poll", 200, {"status": "FAILED", "error": echo})
    (job,) = await world.end_of(await world.accepted())
    assert job["errorCode"] == "upstream_error"
    assert config.webhook_id[:4] not in job["errorMessage"]
    assert config.api_key[:4] not in job["errorMessage"]


async def test_an_image_that_is_signed_again_for_each_poll_is_one_image(world: World) -> None:
    signatures = iter(range(1_000))

    def respond(call: Call) -> httpx.Response:
        run = call.request.url.path.split("/")[-2]
        urls = [f"{IMAGE.format(run=run)}?X-Goog-Signature={next(signatures)}" for _ in range(2)]
        return httpx.Response(200, json=run_response("COMPLETED" if next(signatures) > 30 else "RUNNING", *urls))

    world.vendor.answer("poll", respond)
    (job,) = await world.end_of(await world.accepted())
    assert (job["status"], job["imageCount"]) == ("succeeded", 1)


async def test_a_response_without_a_request_id_does_not_clear_the_known_one(world: World) -> None:
    def without_request_id(call: Call) -> httpx.Response:
        run = call.request.url.path.split("/")[-2]
        return httpx.Response(200, json=run_response("COMPLETED", IMAGE.format(run=run)))

    world.vendor.answer("poll", without_request_id)
    (job,) = await world.end_of(await world.accepted())
    assert (job["status"], bool(job["requestId"])) == ("succeeded", True)


async def test_a_rate_limit_reset_tomorrow_does_not_delay_the_run_deadline(open_world: OpenWorld) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="10", RUN_DEADLINE_SECONDS="20") as world:
        tomorrow = str(int(world.deps.clock.now().timestamp()) + 86_400)
        headers = {"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": tomorrow}
        world.vendor.answer("poll", lambda _call: httpx.Response(200, json=run_response("RUNNING"), headers=headers))
        (job,) = await world.end_of(await world.accepted())
        assert (job["errorCode"], job["errorCharged"]) == ("timed_out", "unknown")


async def test_a_lone_surrogate_in_an_error_of_wireflow_is_replaced(world: World) -> None:
    body = b'{"status":"FAILED","error":"half \\ud800 a character"}'
    world.vendor.answer("poll", lambda _call: httpx.Response(200, content=body))
    (job,) = await world.end_of(await world.accepted())
    assert job["errorMessage"] == "half ? a character"


async def test_the_run_of_a_retried_call_is_polled_at_once(world: World) -> None:
    await world.end_of(await world.accepted("a cat [fault:server_error_once]"))
    retried_at = world.vendor.times("trigger")[1]
    first, *_ = world.vendor.times("poll")
    assert (first - retried_at).total_seconds() <= 3


# --- bytes that are not JSON -----------------------------------------------------------------------------------------


async def test_a_start_with_a_byte_that_is_not_utf_8_is_paid_once(world: World) -> None:
    run = '{"executionId":"exec_1","status":"queued","message":"Café queued"}'.encode("latin-1")
    world.vendor.answer("trigger", lambda _call: httpx.Response(202, content=run))
    job_id = await world.accepted()
    await world.run_window()
    job = await world.job(job_id)
    assert (job["executionId"], job["possibleDuplicate"], len(world.vendor.to("trigger"))) == ("exec_1", False, 1)


async def test_a_run_whose_responses_cannot_be_read_says_so_and_keeps_one(world: World) -> None:
    body = f"<h1>Key {world.deps.config.api_key}</h1>".encode() + b"\xff" * 9_000
    for endpoint in ("poll", "details"):
        world.vendor.answer(endpoint, lambda _call: httpx.Response(200, content=body))
    job_id = await world.accepted()
    (job,) = await world.end_of(job_id)
    assert (job["errorCode"], job["errorCharged"]) == ("timed_out", "unknown")
    assert job["errorMessage"] == "The responses of Wireflow could not be read."
    kept = (await world.record(job_id)).last_response
    assert kept is not None
    assert kept.startswith("<h1>Key [REDACTED]</h1>")
    assert len(kept) <= 4_096


async def test_a_response_that_was_unreadable_once_is_not_why_a_run_timed_out(world: World) -> None:
    job_id = await world.accepted("a cat [fault:never_ends]")
    world.vendor.answer("poll", lambda _call: httpx.Response(200, content=b"<h1>Sign in</h1>"))
    await world.run_window()
    world.vendor.reset()
    (job,) = await world.end_of(job_id)
    assert job["errorMessage"] == "The run did not complete in time."
    assert (await world.record(job_id)).last_response == "<h1>Sign in</h1>"


async def test_the_result_of_another_run_is_not_that_of_a_job(world: World) -> None:
    other = run_response("COMPLETED", IMAGE.format(run="exec_9"), executionId="exec_9")
    world.vendor.always("poll", 200, other)
    world.vendor.always("details", 200, other)
    (job,) = await world.end_of(await world.accepted())
    assert (job["errorCode"], job["images"]) == ("timed_out", [])
    assert job["errorMessage"] == "The responses of Wireflow are about another run."


async def test_the_error_of_a_start_without_an_execution_id_has_the_words_of_wireflow(world: World) -> None:
    key = world.deps.config.api_key
    said = {"status": "FAILED", "error": f"Insufficient credits for {key}", "insufficientCredits": True}
    world.vendor.always("trigger", 200, said)
    (job,) = await world.end_of(await world.accepted())
    assert (job["errorCode"], job["errorCharged"]) == ("outcome_unknown", "unknown")
    message = "Wireflow responded with HTTP 200 but without an execution id: Insufficient credits for [REDACTED]"
    assert job["errorMessage"] == message

"""Answers that no page shows and that a vendor, a gateway or an attacker may send all the same."""

import httpx

from tests.harness.vendor import Call
from tests.harness.world import World
from tests.steps.conftest import Open

IMAGE = "https://wireflow.test/cdn/{run}/0.png"


def told(status: str, *urls: str, **more: object) -> dict[str, object]:
    return {"status": status, "outputs": [{"nodeId": "n", "urls": list(urls)}], **more}


async def test_an_error_that_quotes_the_webhook_or_the_key_is_passed_on_without_them(here: World) -> None:
    config = here.deps.config
    echo = "x" * 494 + f" {config.webhook_id} {config.api_key}"
    here.vendor.always("poll", 200, {"status": "FAILED", "error": echo})
    (job,) = await here.end_of(await here.accepted())
    assert job["errorCode"] == "upstream_error"
    assert config.webhook_id[:4] not in job["errorMessage"]
    assert config.api_key[:4] not in job["errorMessage"]


async def test_one_image_that_is_signed_anew_at_each_poll_is_one_image(here: World) -> None:
    signed = iter(range(1_000))

    def answer(call: Call) -> httpx.Response:
        run = call.request.url.path.split("/")[-2]
        urls = [f"{IMAGE.format(run=run)}?X-Goog-Signature={next(signed)}" for _ in range(2)]
        return httpx.Response(200, json=told("COMPLETED" if next(signed) > 30 else "RUNNING", *urls))

    here.vendor.answer("poll", answer)
    (job,) = await here.end_of(await here.accepted())
    assert (job["status"], job["imageCount"]) == ("succeeded", 1)


async def test_an_answer_without_a_request_id_takes_none_away(here: World) -> None:
    def nameless(call: Call) -> httpx.Response:
        run = call.request.url.path.split("/")[-2]
        return httpx.Response(200, json=told("COMPLETED", IMAGE.format(run=run)))

    here.vendor.answer("poll", nameless)
    (job,) = await here.end_of(await here.accepted())
    assert (job["status"], bool(job["requestId"])) == ("succeeded", True)


async def test_a_reset_tomorrow_does_not_outlast_a_runs_deadline(open_world: Open) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="10", RUN_DEADLINE_SECONDS="20") as here:
        tomorrow = str(int(here.deps.clock.now().timestamp()) + 86_400)
        headers = {"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": tomorrow}
        here.vendor.answer("poll", lambda _call: httpx.Response(200, json=told("RUNNING"), headers=headers))
        (job,) = await here.end_of(await here.accepted())
        assert (job["errorCode"], job["errorCharged"]) == ("timed_out", "unknown")


async def test_half_a_character_in_the_vendors_words_ends_no_job_differently(here: World) -> None:
    body = b'{"status":"FAILED","error":"half \\ud800 a character"}'
    here.vendor.answer("poll", lambda _call: httpx.Response(200, content=body))
    (job,) = await here.end_of(await here.accepted())
    assert job["errorMessage"] == "half ? a character"


async def test_a_repeated_run_is_followed_at_once(here: World) -> None:
    await here.end_of(await here.accepted("a cat [fault:server_error_once]"))
    repeated = here.vendor.times("trigger")[1]
    first, *_ = here.vendor.times("poll")
    assert (first - repeated).total_seconds() <= 3

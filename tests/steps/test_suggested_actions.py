"""What the hint of an error code suggests works: each suggestion is carried out for each code that makes it."""

import re
from dataclasses import replace

import pytest

from shared.callbacks import Callback, CallbackStatus
from shared.error_codes import EXPLANATIONS, Charged, ErrorCode
from shared.job import Job
from shared.job_parts import JobError
from shared.job_states import Status
from shared.steps.control import resume
from tests.harness.world import World
from tests.steps.conftest import OpenWorld
from tests.vendor.consequences import CONSEQUENCES

RETRIES = [code for code in ErrorCode if re.search(r"\bretry this job\b", EXPLANATIONS[code].failed_hint, re.I)]
RECOPIES = [code for code in ErrorCode if re.search(r"\brecopy\b", EXPLANATIONS[code].failed_hint, re.I)]
REQUESTS = [code for code in ErrorCode if re.search(r"\bnew request\b", EXPLANATIONS[code].failed_hint)]


def test_every_hint_suggests_what_to_do_with_a_failed_job():
    assert {*RETRIES, *RECOPIES, *REQUESTS} == set(ErrorCode)


async def failed(
    world: World, code: ErrorCode, *, with_image_url: bool = False, with_stored_image: bool = False
) -> Job:
    """Return a stored job that failed with this code; its image was not generated, not stored, or is stored."""
    job_id = await world.accepted()
    await world.end_of(job_id)
    done = await world.record(job_id)
    error = JobError.of(code, charged=Charged.UNKNOWN)
    if with_stored_image:
        return await world.store.save(replace(done, status=Status.FAILED, error=error))
    for name in await world.deps.images.names(job_id):
        await world.deps.images.delete(name)
    images = tuple(replace(image, name=None, error=ErrorCode.COPY_FAILED) for image in done.images)
    stored = replace(done, status=Status.FAILED, error=error, images=images if with_image_url else ())
    return await world.store.save(stored)


LONG = {"redirect_to_private"}  # its copy is tried for a day
FAILING = [
    pytest.param(fault, marks=[pytest.mark.slow] if fault in LONG else [])
    for fault, row in CONSEQUENCES.items()
    if row.status == "failed"
]
SHORT = {"MAX_QUEUE_HOURS": "1", "MAX_IMAGE_BYTES": "1000000", "large_bytes": 2_000_000}


@pytest.mark.parametrize("fault", FAILING)
async def test_once_a_fault_is_over_the_requests_of_the_hint_lead_to_the_image(
    open_world: OpenWorld, fault: str
) -> None:
    async with open_world(**SHORT) as world:
        await world.simulated("/_faults", fault=fault)
        (job,) = await world.end_of(await world.accepted())
        assert (job["status"], job["errorCode"]) == ("failed", CONSEQUENCES[fault].code)
        paid = world.paid
        world.simulator.schedule.rules.clear()
        await resume(world.deps)
        suggested = re.findall(r"POST https://\S+/(recopy|retry)\b(?: with (\{.*\})\.)?", job["errorHint"])
        assert suggested[-1] == ("retry", f'{{"confirm": true, "attempt": {job["attempt"]}}}')
        for action, body in suggested:
            headers = {"Content-Type": "application/json"} if body else {}
            response = await world.http.post(f"/jobs/{job['id']}/{action}", content=body, headers=headers)
            assert response.status_code == 202, response.text
            (job,) = await world.end_of(job["id"])
            if job["status"] == "succeeded":
                break
        assert (job["status"], job["imageCount"] > 0, job["errorCode"]) == ("succeeded", True, None)
        assert world.paid - paid == (action == "retry")


@pytest.mark.parametrize("code", RETRIES)
async def test_a_retry_leads_to_an_image(world: World, code: ErrorCode) -> None:
    job = await failed(world, code)
    shown = await world.job(job.id)
    url, body = re.findall(r"POST (https://\S+/retry) with (\{.*\})\.", shown["errorHint"])[0]
    assert url == f"{shown['statusUrl']}/retry"
    headers = {"Content-Type": "application/json"}
    response = await world.http.post(f"/jobs/{job.id}/retry", content=body, headers=headers)
    assert response.status_code == 202, response.text
    (shown,) = await world.end_of(job.id)
    assert (shown["status"], shown["attempt"], world.paid) == ("succeeded", 2, 2)
    assert [run["errorCode"] for run in shown["attempts"]] == [code, None]


@pytest.mark.parametrize("code", RECOPIES)
async def test_a_recopy_leads_to_an_image_for_free(world: World, code: ErrorCode) -> None:
    job = await failed(world, code, with_image_url=True)
    shown = await world.job(job.id)
    assert f"POST {shown['statusUrl']}/recopy" in shown["errorHint"]
    assert (await world.http.post(f"/jobs/{job.id}/recopy")).status_code == 202
    (shown,) = await world.end_of(job.id)
    assert (shown["status"], shown["errorCode"], world.paid) == ("succeeded", None, 1)


@pytest.mark.parametrize("code", ErrorCode)
async def test_the_event_of_any_failure_can_be_delivered_again(world: World, code: ErrorCode) -> None:
    job = await failed(world, code)
    delivered = Callback(url="https://a.test/", event="image.failed", status=CallbackStatus.DELIVERED, attempts=1)
    await world.store.save(job.evolve(callbacks=(delivered,)))
    response = await world.http.post(f"/jobs/{job.id}/redeliver")
    assert (response.status_code, [one["status"] for one in response.json()["callbacks"]]) == (202, ["pending"])


@pytest.mark.parametrize("code", ErrorCode)
async def test_a_request_with_the_key_of_a_failed_job_is_told_how_to_retry_it(world: World, code: ErrorCode) -> None:
    job = await failed(world, code)
    hint = (await world.job(job.id))["errorHint"]
    assert ("/retry with" in hint) is job.retryable
    assert "/retry with" in hint or "new Idempotency-Key" in hint


@pytest.mark.parametrize("code", ErrorCode)
@pytest.mark.parametrize("recopyable", [False, True])
async def test_a_retry_that_would_fail_again_says_so_and_comes_after_a_free_recopy(
    world: World, code: ErrorCode, *, recopyable: bool
) -> None:
    job = await failed(world, code, with_image_url=recopyable)
    hint = (await world.job(job.id))["errorHint"]
    again = job.retryable and not EXPLANATIONS[code].retryable
    assert ("The same request would probably fail again." in hint) is again
    assert ("run anyway: POST" in hint) is again
    assert re.findall(r"/(recopy|retry)\b", hint) == ["recopy"] * recopyable + ["retry"] * job.retryable
    assert ("Or, to pay for another run" in hint) is (recopyable and job.retryable and not again)


@pytest.mark.parametrize("code", ErrorCode)
@pytest.mark.parametrize("stored", [False, True])
async def test_the_flag_and_the_hint_agree_with_what_a_retry_does(
    world: World, code: ErrorCode, *, stored: bool
) -> None:
    job = await failed(world, code, with_stored_image=stored)
    shown = await world.job(job.id)
    response = await world.http.post(f"/jobs/{job.id}/retry", json={"confirm": True, "attempt": 1})
    possible = response.status_code == 202
    assert possible is job.retryable
    assert shown["errorRetryable"] is (possible and EXPLANATIONS[code].retryable)
    for text in (shown["errorHint"], shown["message"]):
        assert possible or not re.search(r"\bretry (?:this|the) job\b|/retry\b", text, re.IGNORECASE), text
    assert possible or "The job cannot be retried: send a new request" in shown["errorHint"]


async def test_a_replay_of_a_failed_request_names_the_retry_and_pays_nothing(world: World) -> None:
    await world.simulated("/_faults", fault="failed", times=1)
    (job,) = await world.end_of((await world.post(key="k")).json()["id"])
    again = await world.post(key="k")
    assert (again.status_code, again.headers["idempotent-replayed"], again.json()["id"]) == (200, "true", job["id"])
    assert f'POST {job["statusUrl"]}/retry with {{"confirm": true, "attempt": 1}}' in again.json()["errorHint"]
    problem = (await world.post(key="k", onFailure="error")).json()
    assert f"POST {job['statusUrl']}/retry" in problem["detail"]
    assert world.paid == 1


async def test_a_job_with_some_stored_images_is_not_said_to_be_retryable(world: World) -> None:
    job = await failed(world, ErrorCode.IMAGE_EXPIRED, with_image_url=True)
    (missing,) = job.images
    await world.store.save(job.evolve(images=(missing, replace(missing, index=1, name="jobs/x/1/1.png", error=None))))
    hint = (await world.job(job.id))["errorHint"]
    assert "/retry" not in hint
    assert "new Idempotency-Key" in hint

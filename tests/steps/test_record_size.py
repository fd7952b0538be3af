"""A record has 1 MiB: what is accepted fits with all that may be learned later, and what does not fit ends the job."""

import dataclasses
from datetime import timedelta

import httpx
import pytest

from functions.trigger.parsing.urls import LONGEST
from functions.trigger.parsing.validate import STORED_LIMIT
from shared.callbacks import BODY_LIMIT, MAX_CALLBACKS, Callback
from shared.error_codes import ErrorCode
from shared.hooks import Hook, HookSecret
from shared.job import Job
from shared.job_parts import (
    MAX_ATTEMPTS,
    MAX_IMAGES,
    MAX_NEXT_JOBS,
    MAX_RESPONSES,
    Attempt,
    Image,
    InputImage,
    JobError,
    Step,
    Then,
    VendorCall,
    VendorResponse,
    fitting,
)
from shared.job_states import Status
from shared.jobs.document_size import MAX_BYTES, OVERHEAD, size_of
from shared.jobs.job_documents import to_document
from shared.notifications.signing import new_secret
from shared.runtime.lease import Lease
from shared.runtime.scans import memory_of
from shared.store_errors import RecordTooLarge
from shared.wireflow.run_responses import RAW_LIMIT, STEPS_LIMIT
from shared.wireflow.run_results import URL_LIMIT
from tests.harness.receivers import Receiver
from tests.harness.vendor import Call
from tests.harness.virtual_time import NOON
from tests.harness.world import SMALL, World
from tests.steps.conftest import OpenWorld
from tests.steps.test_callers import AUTH, bearer

FOX = "🦊"
RECEIVER = Callback(
    url="https://receiver.example/".ljust(2_048, "x"),
    hook_id="f" * 32,
    event="image.failed",
    last_error="x" * 200,
    last_body="x" * BODY_LIMIT,
    last_status=500,
    last_attempt_at=NOON,
)
FURTHER = InputImage(
    source="https://photos.example/" + "x" * LONGEST,
    stored=f"inputs/{'f' * 32}-3",
    hosted_url="https://cdn.example/" + "x" * URL_LIMIT,
)
EARLIER = Attempt(
    attempt=10,
    status=Status.FAILED,
    execution_id=FOX * 256,
    request_id="x" * 1_024,
    error_message=FOX * 500,
    error_code=ErrorCode.OUTCOME_UNKNOWN,
)


RESPONSE = VendorResponse(
    attempt=10,
    call=VendorCall.RESULT,
    at=NOON,
    http_status=504,
    request_id="x" * 1_024,
    error_code=ErrorCode.COMPLETED_WITHOUT_IMAGE,
)


def largest(request: int, url_bytes: int) -> Job:
    """A job with a request of so many bytes, and as much as it can have in every other field."""
    urls = (f"https://cdn.example/{n}?".ljust(url_bytes, "x") for n in range(200))
    images = fitting(tuple(Image(index=n, source_url=url) for n, url in enumerate(urls)), request + 16_000)
    stored = {
        "content_type": "image/png",
        "stored_at": NOON,
        "width": 1,
        "height": 1,
        "bytes": 1,
        "sha256": "f" * 64,
        "crc32c": "yZRlqg==",
    }
    return Job(
        id="f" * 32,
        status=Status.COPYING,
        prompt=FOX * 4_000,
        input="x" * request,
        created_at=NOON,
        expire_at=NOON,
        give_up_at=NOON,
        image1="https://cdn.example/" + "x" * URL_LIMIT,
        hosted_url="https://cdn.example/" + "x" * URL_LIMIT,
        more_inputs=(FURTHER,) * 2,
        next_jobs=("f" * 32,) * MAX_NEXT_JOBS,
        then=Then(workflow="x" * 31, job="f" * 32),
        steps=(Step(label=FOX * 200, status="x" * 40, progress=1.0),) * STEPS_LIMIT,
        images=tuple(image.evolve(name=f"jobs/{'f' * 32}/10/{image.index}.png", **stored) for image in images),
        error=JobError.of(ErrorCode.OUTCOME_UNKNOWN, charged="unknown", message=FOX * 500),
        request_id="x" * 1_024,
        execution_id=FOX * 256,
        last_response=FOX * RAW_LIMIT,
        callbacks=(RECEIVER,) * MAX_CALLBACKS,
        attempts=(EARLIER,) * MAX_ATTEMPTS,
        responses=(RESPONSE,) * MAX_RESPONSES,
    )


@pytest.mark.parametrize("url_bytes", [30, 1_000, URL_LIMIT])
@pytest.mark.parametrize("request_bytes", [2, 100_000, STORED_LIMIT])
def test_all_limits_together_fit_the_document(request_bytes: int, url_bytes: int) -> None:
    job = largest(request_bytes, url_bytes)
    assert job.images
    assert size_of(to_document(job.trimmed())) < MAX_BYTES
    if request_bytes < STORED_LIMIT:
        assert size_of(to_document(job)) < MAX_BYTES


async def test_a_record_with_too_much_that_is_only_good_to_know_is_saved_without_it(world: World) -> None:
    record = largest(STORED_LIMIT, 30).evolve(due_at=world.clock.now())
    stored = await world.store.create(record.trimmed())
    lease = await Lease.claim(stored, world.store, world.clock, 60.0)
    assert lease
    saved = await lease.save(record)
    assert (saved.steps, saved.last_response, saved.responses, saved.attempts) == ((), None, (), record.attempts)
    with pytest.raises(RecordTooLarge):
        await lease.save(record.evolve(input="x" * 1_048_000))


def test_images_are_bounded_by_count_and_by_what_the_request_leaves() -> None:
    short = tuple(Image(index=n, source_url="https://cdn.example/a") for n in range(500))
    long = tuple(Image(index=n, source_url="https://cdn.example/" + FOX * 4_000) for n in range(500))
    assert len(fitting(short, 0)) == MAX_IMAGES
    assert 50 <= len(fitting(long, 0)) < MAX_IMAGES
    assert len(fitting(long, 900_000)) in (3, 4)
    assert len(fitting(long, 2_000_000)) == 1, "an image that is paid for is worth a try"
    assert fitting((), 0) == ()


def test_a_document_that_firestore_would_reject_is_refused() -> None:
    with pytest.raises(RecordTooLarge):
        to_document(largest(2, 30).evolve(input="x" * 1_048_000))


@pytest.mark.parametrize(("room", "charged"), [(0, "unknown"), (30, "unknown"), (300, "yes")])
async def test_a_job_whose_record_outgrows_the_store_ends_with_what_fits(world: World, room: int, charged: str) -> None:
    """A job of an earlier version may hold more than is accepted today: up to the claim, the images, the end."""
    job_id = await world.accepted()
    record = (await world.record(job_id)).evolve(input="", responses=())
    free = MAX_BYTES - OVERHEAD - size_of(to_document(record)) + size_of({"schemaVersion": 1}) - room
    await world.store.save(record.evolve(input='"' + "x" * (free - 2) + '"'))
    (job,) = await world.end_of(job_id, patience=timedelta(minutes=5))
    assert (job["status"], job["errorCode"], job["errorCharged"]) == ("failed", "record_too_large", charged)
    assert (await world.record(job_id)).due_at is None


async def test_a_large_request_with_many_images_is_copied_as_far_as_they_fit(open_world: OpenWorld) -> None:
    async with open_world() as world:
        job_id = await world.accepted()
        await world.store.save((await world.record(job_id)).evolve(input='{"x": "' + "x" * 800_000 + '"}'))
        urls = [f"https://wireflow.test/{n}?{'x' * 4_000}" for n in range(100)]

        def poll(_call: Call) -> httpx.Response:
            return httpx.Response(200, json={"status": "COMPLETED", "outputs": {"images": [{"url": u} for u in urls]}})

        world.vendor.answer("poll", poll)
        world.vendor.answer("details", poll)
        await world.run_window()
        record = await world.record(job_id)
        assert record.status is Status.COPYING
        assert 30 <= len(record.images) <= 50


async def test_a_job_with_more_hooks_than_fit_succeeds_and_tells_those_of_its_caller(open_world: OpenWorld) -> None:
    async with open_world(**AUTH) as world:
        receiver = Receiver(world, "receiver.test")
        known = {"created_at": NOON, "secrets": (HookSecret(secret=new_secret(bytes(24))),), "format": "flat"}
        for number in range(500):
            url = f"https://receiver.test/{number}?".ljust(2_048, "x")
            hook = Hook(id=f"{number:032x}", hook_url=url, caller=f"boss{number % 5}", admin=True, **known)
            await world.store.create_hook(hook)
        await world.store.create_hook(Hook(id="f" * 32, hook_url=receiver.url, caller="zap", **known))
        job_id = (await world.http.post("/", json={"prompt": "a cat", **SMALL}, headers=bearer("zap"))).json()["id"]
        await world.run_for(timedelta(minutes=2))
        assert (await world.record(job_id)).status is Status.SUCCEEDED
        assert receiver.deliveries[0].url.path == "/hook"
        assert 300 < len(receiver.deliveries) < 500
        (line,) = world.log("callback_undelivered")
        assert (line["severity"], line["jobId"]) == ("ERROR", job_id)


def test_the_memory_of_a_job_includes_its_receivers() -> None:
    job = largest(0, 0).evolve(callbacks=())
    many = job.evolve(callbacks=(dataclasses.replace(RECEIVER, last_body="x" * BODY_LIMIT),) * 300)
    assert memory_of(many) - memory_of(job) > 300 * (len(RECEIVER.url) + BODY_LIMIT)

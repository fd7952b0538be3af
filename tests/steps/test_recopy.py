"""Copying missing images again costs nothing; delivering an event again changes nothing but its callbacks."""

import asyncio
from datetime import timedelta

import httpx
import pytest

from shared.callbacks import Callback, CallbackStatus
from shared.ports import JobStore
from tests.harness.world import World
from tests.steps.conftest import OpenWorld

HOUR = timedelta(hours=1)


async def uncopied(world: World, **fields: object) -> str:
    """Return the id of a job whose image was generated, but could not be copied for a day."""
    world.vendor.answer("cdn", lambda _call: httpx.Response(503))
    (job,) = await world.end_of(await world.accepted(**fields), every=HOUR)
    assert (job["status"], job["errorCode"]) == ("failed", "copy_failed")
    world.vendor.reset()
    return str(job["id"])


async def test_a_job_whose_copies_failed_succeeds_after_a_recopy_without_another_run(world: World) -> None:
    job_id = await uncopied(world)
    failed = await world.job(job_id)
    response = await world.http.post(f"/jobs/{job_id}/recopy")
    job = response.json()
    assert (response.status_code, job["status"], job["errorCode"], job["completedAt"]) == (202, "copying", None, None)
    (job,) = await world.end_of(job_id)
    assert (job["status"], job["imageCount"], job["attempt"], world.paid) == ("succeeded", 1, 1, 1)
    assert (job["cost"], job["runSeconds"]) == (failed["cost"], failed["runSeconds"])
    assert [run["status"] for run in job["attempts"]] == ["succeeded"]
    assert (await world.http.get(job["imageUrl"])).status_code == 200
    assert len(world.log("job_recopied")) == 1


async def test_the_history_has_the_time_of_the_last_recopy(world: World) -> None:
    job_id = await uncopied(world)
    failed_at = (await world.job(job_id))["completedAt"]
    assert (await world.http.get(f"/jobs/{job_id}/history")).json()["recopiedAt"] is None
    await world.http.post(f"/jobs/{job_id}/recopy")
    (job,) = await world.end_of(job_id)
    assert failed_at <= (await world.http.get(f"/jobs/{job_id}/history")).json()["recopiedAt"] <= job["completedAt"]


async def test_a_recopy_is_tried_for_another_day(world: World) -> None:
    job_id = await uncopied(world)
    world.vendor.answer("cdn", lambda _call: httpx.Response(503))
    await world.http.post(f"/jobs/{job_id}/recopy")
    await world.run_for(23 * HOUR, every=HOUR)
    assert (await world.job(job_id))["status"] == "copying"
    await world.run_for(2 * HOUR)
    assert (await world.job(job_id))["errorCode"] == "copy_failed"


@pytest.mark.parametrize("status", [403, 404, 410])
async def test_a_recopy_from_urls_that_have_expired_says_so_and_names_the_retry(world: World, status: int) -> None:
    job_id = await uncopied(world)
    for endpoint in ("cdn", "download"):  # Wireflow's own proxy is the last route
        world.vendor.answer(endpoint, lambda _call: httpx.Response(status))
    assert (await world.http.post(f"/jobs/{job_id}/recopy")).status_code == 202
    (job,) = await world.end_of(job_id)
    assert (job["status"], job["errorCode"], job["errorCharged"]) == ("failed", "image_expired", "yes")
    assert f"POST {job['statusUrl']}/retry" in job["errorHint"]
    world.vendor.reset()
    body = {"confirm": True, "attempt": 1}
    assert (await world.http.post(f"/jobs/{job_id}/retry", json=body)).status_code == 202
    (job,) = await world.end_of(job_id)
    assert (job["status"], job["attempt"], world.paid) == ("succeeded", 2, 2)


async def test_of_a_recopy_and_a_retry_at_once_one_happens(world: World) -> None:
    job_id = await uncopied(world)
    body = {"confirm": True, "attempt": 1}
    recopied, retried = await asyncio.gather(
        world.http.post(f"/jobs/{job_id}/recopy"), world.http.post(f"/jobs/{job_id}/retry", json=body)
    )
    assert sorted((recopied.status_code, retried.status_code)) == [202, 409]
    (job,) = await world.end_of(job_id)
    assert (job["status"], world.paid) == ("succeeded", 2 if retried.status_code == 202 else 1)


async def test_the_missing_images_of_a_job_that_succeeded_partly_are_copied(world: World) -> None:
    world.vendor.answer("cdn", lambda call: httpx.Response(503) if "1.png" in call.request.url.path else None)
    job_id = await world.accepted(count=3, allowPartial=True)
    (job,) = await world.end_of(job_id)
    assert (job["status"], job["imageCount"]) == ("succeeded", 2), job
    world.vendor.reset()
    stored = job["imageUrls"]
    assert (await world.http.post(f"/jobs/{job_id}/recopy")).status_code == 202
    assert (await world.http.get(stored[0])).status_code == 200  # what is stored stays readable meanwhile
    (job,) = await world.end_of(job_id)
    assert (job["status"], job["imageCount"], set(stored) < set(job["imageUrls"])) == ("succeeded", 3, True)


async def test_an_image_that_was_too_large_is_copied_once_it_is_allowed(open_world: OpenWorld) -> None:
    async with open_world(MAX_IMAGE_BYTES="100") as world:
        (job,) = await world.end_of(await world.accepted())
        assert job["errorCode"] == "image_too_large"
    async with open_world(simulator=world.simulator) as world:
        await world.http.post(f"/jobs/{job['id']}/recopy")
        (job,) = await world.end_of(job["id"])
        assert job["status"] == "succeeded"


async def test_the_error_of_the_run_stays(world: World) -> None:
    """A run may fail and leave images all the same."""
    job_id = await uncopied(world)
    record = await world.record(job_id)
    assert record.error is not None
    run_error = record.error.of(record.error.code.UPSTREAM_ERROR, charged=record.error.charged)
    await world.store.save(record.evolve(error=run_error))
    await world.http.post(f"/jobs/{job_id}/recopy")
    (job,) = await world.end_of(job_id)
    assert (job["status"], job["errorCode"], job["imageCount"]) == ("failed", "upstream_error", 1)


@pytest.mark.parametrize("fault", ["", "failed", "bad_request"])
async def test_a_job_without_missing_images_cannot_be_copied_again(world: World, fault: str) -> None:
    response = await world.post(f"[fault:{fault}]" if fault else "a cat")
    job_id = response.json()["id"]
    await world.end_of(job_id)
    response = await world.http.post(f"/jobs/{job_id}/recopy")
    assert (response.status_code, response.json()["errorCode"]) == (409, "not_recopyable")


async def test_a_job_in_flight_cannot_be_copied_again(world: World) -> None:
    job_id = await world.accepted()
    response = await world.http.post(f"/jobs/{job_id}/recopy")
    assert (response.status_code, response.json()["errorCode"]) == (409, "not_recopyable")


# --- redeliver -----------------------------------------------------------------------------------------------------

DELIVERED = {"event": "image.completed", "status": CallbackStatus.DELIVERED, "attempts": 2, "last_status": 200}


async def told(store: JobStore, world: World) -> str:
    """Return the id of a job whose receivers were told, one of them without success."""
    (job,) = await world.end_of(await world.accepted())
    record = await world.record(job["id"])
    callbacks = (
        Callback(url="https://a.test/?key=secret", **DELIVERED),
        Callback(url="https://b.test/", **{**DELIVERED, "status": CallbackStatus.UNDELIVERED}),
        Callback(url="https://c.test/", **{**DELIVERED, "status": CallbackStatus.ENDED}),
    )
    await store.save(record.evolve(callbacks=callbacks))
    return str(job["id"])


async def test_every_callback_is_pending_and_due_again_with_the_same_event(world: World) -> None:
    job_id = await told(world.store, world)
    response = await world.http.post(f"/jobs/{job_id}/redeliver")
    shown = [(one["status"], one["event"], one["attempts"], one["url"]) for one in response.json()["callbacks"]]
    assert response.status_code == 202
    assert shown == [
        ("pending", "image.completed", 0, url) for url in ("https://a.test/", "https://b.test/", "https://c.test/")
    ]
    record = await world.record(job_id)
    assert (record.status, record.attempt, record.due_at) == ("succeeded", 1, world.clock.now())
    assert {callback.next_attempt_at for callback in record.callbacks} == {world.clock.now()}


async def test_without_callbacks_there_is_nothing_to_deliver(world: World) -> None:
    (job,) = await world.end_of(await world.accepted())
    before = await world.record(job["id"])
    response = await world.http.post(f"/jobs/{job['id']}/redeliver")
    assert (response.status_code, await world.record(job["id"])) == (200, before)


async def test_a_job_in_flight_tells_its_receivers_at_its_end(world: World) -> None:
    job_id = await world.accepted()
    response = await world.http.post(f"/jobs/{job_id}/redeliver")
    assert (response.status_code, response.json()["status"]) == (202, "running")


async def test_a_retry_tells_the_receivers_again_with_a_new_event(world: World) -> None:
    (job,) = await world.end_of((await world.post("[fault:bad_request]")).json()["id"])
    record = await world.record(job["id"])
    callbacks = (
        Callback(url="https://a.test/", **{**DELIVERED, "event": "image.failed"}),
        Callback(url="https://gone.test/", **{**DELIVERED, "status": CallbackStatus.ENDED}),
        Callback(url="https://hook.test/", hook_id="b" * 32, **DELIVERED),
    )
    await world.store.save(record.evolve(callbacks=callbacks))
    await world.http.post(f"/jobs/{job['id']}/retry", json={"confirm": True, "attempt": 1})
    first, ended = (await world.record(job["id"])).callbacks  # hooks are matched anew at the end
    assert (first, ended.status) == (Callback(url="https://a.test/"), CallbackStatus.ENDED)


def receiver(world: World) -> list[httpx.Request]:
    """Return the messages that hooks.test gets."""
    messages: list[httpx.Request] = []

    def site(request: httpx.Request) -> httpx.Response:
        stream = request.stream
        assert isinstance(stream, httpx.SyncByteStream | httpx.ByteStream)
        messages.append(httpx.Request("POST", request.url, headers=request.headers, content=b"".join(stream)))
        return httpx.Response(204)

    world.vendor.sites["hooks.test"] = site
    return messages


async def test_a_receiver_gets_the_same_message_again(world: World) -> None:
    messages = receiver(world)
    job_id = await world.accepted(callbackUrl="https://hooks.test/in")
    await world.end_of(job_id)
    await world.run_window()
    await world.http.post(f"/jobs/{job_id}/redeliver")
    await world.run_window()
    first, second = messages
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == f"{job_id}-1-succeeded"
    assert first.content == second.content
    (callback,) = (await world.job(job_id))["callbacks"]
    assert (callback["status"], callback["attempts"]) == ("delivered", 1)


async def test_receivers_are_told_of_each_attempt_and_of_a_recopy(world: World) -> None:
    messages = receiver(world)
    response = await world.post("[fault:bad_request] a cat", callbackUrl="https://hooks.test/in")
    job_id = response.json()["id"]
    await world.run_window()
    world.vendor.answer("cdn", lambda _call: httpx.Response(200, content=b"PK, an archive"))
    record = await world.record(job_id)
    await world.store.save(record.evolve(prompt="a cat"))
    await world.http.post(f"/jobs/{job_id}/retry", json={"confirm": True, "attempt": 1})
    await world.end_of(job_id)
    await world.run_window()
    world.vendor.reset()
    await world.http.post(f"/jobs/{job_id}/recopy")
    await world.end_of(job_id)
    await world.run_window()
    ids = [message.headers["webhook-id"] for message in messages]
    assert ids == [f"{job_id}-1-failed", f"{job_id}-2-failed", f"{job_id}-2-succeeded"]

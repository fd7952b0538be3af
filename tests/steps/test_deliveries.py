"""A job that becomes final tells its receiver until it has accepted the message, or the attempts have run out."""

import json
from typing import cast

import httpx
import pytest

from shared.callbacks import CallbackFormat
from shared.hooks import Hook
from shared.notifications.delivery import DELAYS, JITTER
from shared.notifications.signing import new_secret, signature
from shared.ports import JobStore
from shared.store_errors import StoreUnavailable
from tests.harness.receivers import Receiver, failing
from tests.harness.world import World, moment
from tests.steps.conftest import OpenWorld
from tests.steps.deliveries import HOUR, MINUTE, SECOND, callback, run_until_settled

# --- attempts ------------------------------------------------------------------------------------------------------


async def test_a_stored_image_is_told_at_once_and_once(world: World) -> None:
    receiver = Receiver(world, "receiver.test")
    job_id = await world.accepted(callbackUrl=receiver.url, metadata={"order": "1"})
    await world.run_for(2 * MINUTE)
    job = await world.job(job_id)
    (delivery,) = receiver.deliveries
    assert delivery.body["type"] == "image.completed"
    assert delivery.body["data"] == {**job, "callbacks": None}
    assert delivery.body["timestamp"] == job["completedAt"]
    assert delivery.url.query == b"secret=qwertz"
    assert delivery.id == f"{job_id}-1-succeeded"
    assert delivery.headers["webhook-timestamp"] == str(int(delivery.at.timestamp()))
    assert "webhook-signature" not in delivery.headers, "no secret is configured"
    assert delivery.at - moment(job["completedAt"]) < SECOND
    shown = await callback(world, job_id)
    assert shown.pop("lastAttemptAt")
    assert shown == {
        "url": "https://receiver.test/hook",
        "hookId": None,
        "event": "image.completed",
        "status": "delivered",
        "attempts": 1,
        "lastStatus": 204,
        "nextAttemptAt": None,
    }
    assert (await world.record(job_id)).due_at is None
    assert "qwertz" not in world.lines.getvalue()


async def test_each_valid_secret_of_a_caller_signs_each_attempt(open_world: OpenWorld) -> None:
    old, new = new_secret(bytes(24)), new_secret(bytes(range(24)))
    async with open_world(CALLBACK_SIGNING_SECRETS=json.dumps({"*": [new, old]})) as world:
        receiver = Receiver(world, "receiver.test", failing(1))
        for number, written in enumerate(CallbackFormat):
            await world.accepted(str(number), callbackUrl=receiver.url, callbackFormat=written)
        await world.run_for(2 * MINUTE)
        assert len(receiver.deliveries) == 4
        for delivery in receiver.deliveries:
            at = int(delivery.headers["webhook-timestamp"])
            signed = [signature(secret, delivery.id, at, delivery.raw) for secret in (new, old)]
            assert delivery.headers["webhook-signature"].split() == signed
        types = {delivery.headers["content-type"] for delivery in receiver.deliveries}
        assert types == {"application/json", "application/cloudevents+json"}


async def test_a_failed_delivery_is_retried_by_the_schedule_with_the_same_bytes_and_then_given_up(world: World) -> None:
    receiver = Receiver(world, "receiver.test", 500)
    job_id = await world.accepted(callbackUrl=receiver.url)
    await world.end_of(job_id)
    await run_until_settled(world, job_id)
    assert len(receiver.deliveries) == len(DELAYS)
    for pause, delay in zip(receiver.pauses, DELAYS[1:], strict=True):
        assert delay <= pause <= delay * (1 + JITTER) + SECOND
    assert len({delivery.id for delivery in receiver.deliveries}) == 1
    assert all(delivery.body == receiver.deliveries[0].body for delivery in receiver.deliveries)
    times = [int(delivery.headers["webhook-timestamp"]) for delivery in receiver.deliveries]
    assert times == sorted(set(times)), "the time is that of the attempt"
    shown = await callback(world, job_id)
    assert (shown["status"], shown["attempts"], shown["lastStatus"]) == ("undelivered", len(DELAYS), 500)
    (line,) = world.log("callback_undelivered")
    assert (line["severity"], line["jobId"], line["host"]) == ("ERROR", job_id, "receiver.test")
    assert len(world.log("callback_failed")) == len(DELAYS) - 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_a_failure_and_never_followed(world: World, status: int) -> None:
    elsewhere = Receiver(world, "elsewhere.test")
    receiver = Receiver(world, "receiver.test", failing(1, status, location=elsewhere.url))
    job_id = await world.accepted(callbackUrl=receiver.url)
    await world.end_of(job_id)
    await run_until_settled(world, job_id)
    (line,) = world.log("callback_failed")
    assert (line["httpStatus"], line["host"]) == (status, "receiver.test")
    assert (len(receiver.deliveries), elsewhere.deliveries) == (2, [])


async def test_a_receiver_that_is_gone_gets_no_more_attempts(world: World) -> None:
    receiver = Receiver(world, "receiver.test", 410)
    job_id = await world.accepted(callbackUrl=receiver.url)
    await world.end_of(job_id)
    await world.run_for(10 * MINUTE)
    assert len(receiver.deliveries) == 1
    assert (await callback(world, job_id))["status"] == "ended"


@pytest.mark.parametrize("status", [429, 502, 503, 504])
@pytest.mark.parametrize("asked", [1, 600, 1_000_000, 10**20])
async def test_a_receiver_that_throttles_is_called_when_it_asks_within_a_day(
    world: World, status: int, asked: int
) -> None:
    receiver = Receiver(world, "receiver.test", failing(1, status, retry_after=str(asked)))
    job_id = await world.accepted(callbackUrl=receiver.url)
    await world.end_of(job_id)
    await run_until_settled(world, job_id)
    (pause,) = receiver.pauses
    expected = min(max(asked, 5), 86_400)
    assert 0.99 <= pause.total_seconds() / expected <= 1.2


async def test_a_retry_after_of_another_status_is_ignored(world: World) -> None:
    receiver = Receiver(world, "receiver.test", failing(1, 500, retry_after="600"))
    job_id = await world.accepted(callbackUrl=receiver.url)
    await world.end_of(job_id)
    await run_until_settled(world, job_id)
    assert receiver.pauses[0] < MINUTE


async def test_a_receiver_that_does_not_respond_in_15_s_has_failed(world: World) -> None:
    receiver = Receiver(world, "receiver.test", seconds=3_600.0)
    job_id = await world.accepted(callbackUrl=receiver.url)
    await world.end_of(job_id)
    shown = await callback(world, job_id)
    assert (shown["status"], shown["attempts"], shown["lastStatus"]) == ("pending", 1, None)
    assert 20 * SECOND <= moment(str(shown["nextAttemptAt"])) - moment(str(shown["lastAttemptAt"])) <= 21 * SECOND


@pytest.mark.parametrize("url", ["https://private.test/", "https://10.0.0.7/", "https://receiver.test:8443/"])
async def test_the_address_is_checked_at_every_attempt(world: World, url: str) -> None:
    """A name may resolve to another address later, and an earlier version may have accepted the URL."""
    receiver = Receiver(world, httpx.URL(url).netloc.decode())
    job_id = await world.accepted(callbackUrl="https://public.test/")
    await replace_url(world, job_id, url)
    await world.end_of(job_id)
    await world.run_for(10 * MINUTE)
    assert receiver.deliveries == []
    record = await world.record(job_id)
    assert (record.callbacks[0].status, record.callbacks[0].attempts) == ("pending", 3)
    assert "not allowed" in str(record.callbacks[0].last_error)


async def replace_url(world: World, job_id: str, url: str) -> None:
    record = await world.record(job_id)
    (receiver,) = record.callbacks
    changed = type(receiver)(url=url)
    await world.store.save(record.evolve(callbacks=(changed,)))


async def test_a_message_redelivers_and_recopies_nothing(world: World) -> None:
    """A receiver that is set to our own URL would be told again and again."""
    (job,) = await world.end_of(await world.accepted())
    message = {"webhook-id": f"{job['id']}-1-succeeded", "webhook-timestamp": "1767225600"}
    for action in ("redeliver", "recopy"):
        response = await world.http.post(
            f"/jobs/{job['id']}/{action}", json={"type": "image.completed"}, headers=message
        )
        assert (response.status_code, response.json()["errorCode"]) == (422, "invalid_field")


async def test_a_job_ends_although_the_hooks_cannot_be_read_for_a_moment(open_world: OpenWorld) -> None:
    async with open_world(wrap=lambda store: cast(JobStore, WithoutHooks(store, times=3))) as world:
        receiver = Receiver(world, "receiver.test")
        job_id = await world.accepted(callbackUrl=receiver.url)
        await world.run_window()
        assert (await world.job(job_id))["status"] == "succeeded"
        assert len(receiver.deliveries) == 1
        assert world.log("internal_error") == []


class WithoutHooks:
    """A job store that does not respond the first `times` that hooks are read."""

    def __init__(self, inner: JobStore, times: int) -> None:
        self._inner, self._times = inner, times

    async def active_hooks(self) -> list[Hook]:
        self._times -= 1
        if self._times >= 0:
            raise StoreUnavailable("down")
        return await self._inner.active_hooks()

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)


# --- what a job that ends early tells ------------------------------------------------------------------------------


async def test_a_job_that_fails_in_the_trigger_wakes_the_poller_and_is_told(open_world: OpenWorld) -> None:
    async with open_world(wake_ups=True) as world:
        receiver = Receiver(world, "receiver.test")
        response = await world.post("[fault:bad_request]", callbackUrl=receiver.url)
        assert response.json()["status"] == "failed"
        await world.clock.sleep(12.0)
        (delivery,) = receiver.deliveries
        assert (delivery.body["type"], delivery.id) == ("image.failed", f"{response.json()['id']}-1-failed")
        assert delivery.body["data"]["errorCode"] == "invalid_request"


async def test_a_canceled_job_wakes_the_poller_and_is_told(open_world: OpenWorld) -> None:
    async with open_world(wake_ups=True, EXECUTIONS_PER_MINUTE="1") as world:
        receiver = Receiver(world, "receiver.test")
        await world.accepted()
        job_id = await world.accepted(callbackUrl=receiver.url)
        assert (await world.http.delete(f"/jobs/{job_id}")).json()["status"] == "canceled"
        await world.clock.sleep(12.0)
        assert [delivery.id for delivery in receiver.deliveries] == [f"{job_id}-1-canceled"]


async def test_a_job_that_waited_for_its_maximum_time_is_told(open_world: OpenWorld) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="1") as world:
        receiver = Receiver(world, "receiver.test")
        await world.accepted()
        job_id = await world.accepted(callbackUrl=receiver.url, deadlineSeconds=5)
        await world.end_of(job_id)
        await run_until_settled(world, job_id)
        assert [delivery.body["type"] for delivery in receiver.deliveries] == ["image.failed"]


async def test_a_late_result_is_told_as_well(open_world: OpenWorld) -> None:
    async with open_world(run_seconds=(1_500.0, 1_500.0)) as world:
        receiver = Receiver(world, "receiver.test")
        job_id = await world.accepted(callbackUrl=receiver.url)
        await world.end_of(job_id)
        await world.run_for(2 * HOUR)
        assert [delivery.id for delivery in receiver.deliveries] == [f"{job_id}-1-failed", f"{job_id}-1-succeeded"]
        assert (await world.job(job_id))["status"] == "succeeded"

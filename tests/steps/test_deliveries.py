"""A job that becomes final tells its receivers: each until it has accepted the message, and none at another's cost."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import cast

import httpx
import pytest

from functions.poller.window import MAX_FINAL
from shared.callbacks import CallbackFormat
from shared.hooks import Hook
from shared.job import Job
from shared.notifications.delivery import DELAYS, JITTER
from shared.notifications.signing import new_secret, signature
from shared.ports import JobStore
from shared.runtime.endpoints import FAILURES, PER_ENDPOINT
from shared.steps.set_aside import LOST_AFTER
from shared.store_errors import StoreUnavailable
from tests.harness import world as harness
from tests.harness.counting import WatchedJobs
from tests.harness.receivers import Receiver, failing
from tests.harness.world import World, moment
from tests.steps.conftest import OpenWorld

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


async def callback(world: World, job_id: str, index: int = 0) -> dict[str, object]:
    """Return the public state of one receiver of a job."""
    return dict((await world.job(job_id))["callbacks"][index])


async def run_until_settled(world: World, job_id: str) -> None:
    """Run a window whenever the job is due, until nothing is left to do."""
    for _ in range(100):
        if (due_at := (await world.record(job_id)).due_at) is None:
            return
        await world.clock.sleep((due_at - world.clock.now()).total_seconds())
        await world.run_window()
    pytest.fail("the job is still due")


# --- one receiver --------------------------------------------------------------------------------------------------


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


# --- replays -------------------------------------------------------------------------------------------------------


async def test_a_repeated_request_adds_its_receiver_once_and_a_final_job_tells_it_at_once(
    open_world: OpenWorld,
) -> None:
    async with open_world(wake_ups=True) as world:
        first, second = Receiver(world, "first.test"), Receiver(world, "second.test")
        job_id = await world.accepted(key="k", callbackUrl=first.url)
        await world.end_of(job_id)
        for _ in range(2):
            response = await world.post(key="k", callbackUrl=second.url)
            assert (response.headers["idempotent-replayed"], response.json()["id"]) == ("true", job_id)
            await world.clock.sleep(12.0)
        assert [len(receiver.deliveries) for receiver in (first, second)] == [1, 1]
        assert first.deliveries[0].id == second.deliveries[0].id
        assert world.paid == 1


async def test_a_ninth_receiver_is_refused_and_a_known_one_is_not(world: World) -> None:
    urls = [f"https://receiver.test/{number}" for number in range(9)]
    job_id = await world.accepted(key="k", callbackUrl=urls[:3])
    assert (await world.post(key="k", callbackUrl=urls[3:6])).status_code == 202
    assert (await world.post(key="k", callbackUrl=urls[6:8])).status_code == 202
    refused = await world.post(key="k", callbackUrl=urls[7:])
    assert (refused.status_code, refused.json()["field"]) == (422, "callbackUrl")
    assert (await world.post(key="k", callbackUrl=urls[5:8])).status_code == 202
    assert [item["url"] for item in (await world.job(job_id))["callbacks"]] == urls[:8]


async def test_receivers_that_are_added_while_workers_write_are_all_told_and_nothing_is_lost(
    open_world: OpenWorld,
) -> None:
    """A request adds a receiver in every phase of a job, at the same moment as its worker writes."""
    async with open_world(wrap=SlowWrites, run_seconds=(3.0, 6.0)) as world:
        receiver = Receiver(world, "receiver.test")
        scheduler = asyncio.create_task(world.run_for(3 * MINUTE))
        jobs = [asyncio.create_task(job_with_eight_receivers(world, number)) for number in range(6)]
        job_ids = await asyncio.gather(*jobs)
        await scheduler
        assert world.paid == len(job_ids)
        for job_id in job_ids:
            job = await world.job(job_id)
            assert (job["status"], job["possibleDuplicate"]) == ("succeeded", False)
            assert {one["status"] for one in job["callbacks"]} == {"delivered"}
            paths = [delivery.url.path for delivery in receiver.deliveries if delivery.id.startswith(job_id)]
            assert sorted(set(paths)) == sorted(f"/{number}" for number in range(8))


async def job_with_eight_receivers(world: World, number: int) -> str:
    """Submit a job, and repeat the request seven times within ten seconds, each time with another receiver."""
    job_id = ""
    for receiver in range(8):
        response = await world.post(
            f"a cat {number}", key=f"k{number}", callbackUrl=f"https://receiver.test/{receiver}"
        )
        assert response.status_code in (200, 202), response.text
        job_id = response.json()["id"]
        await world.clock.sleep(0.3 * (number + receiver))
    return job_id


class SlowWrites:
    """A job store whose writes take half a second, so that they meet."""

    def __init__(self, inner: JobStore) -> None:
        self._inner = inner

    async def save(self, job: Job) -> Job:
        await asyncio.sleep(0.25)
        saved = await self._inner.save(job)
        await asyncio.sleep(0.25)
        return saved

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)


# --- several receivers ---------------------------------------------------------------------------------------------


async def test_each_receiver_of_a_job_has_its_own_state(world: World) -> None:
    good, bad = Receiver(world, "good.test"), Receiver(world, "bad.test", failing(2))
    job_id = await world.accepted(callbackUrl=[bad.url, good.url])
    await world.end_of(job_id)
    job = await world.job(job_id)
    assert [one["status"] for one in job["callbacks"]] == ["pending", "delivered"]
    await run_until_settled(world, job_id)
    assert (len(good.deliveries), len(bad.deliveries)) == (1, 3)


async def test_dead_receivers_delay_neither_images_nor_other_receivers(tmp_path: Path) -> None:
    alone = await with_90_more_jobs(tmp_path / "alone", dead=False)
    beside = await with_90_more_jobs(tmp_path / "beside", dead=True)
    assert beside[0] <= 1.1 * alone[0], "images"
    assert beside[1] <= alone[1] + 3.0, "notifications: the next scan finds them, if all workers were busy"


async def with_90_more_jobs(folder: Path, *, dead: bool) -> tuple[float, float]:
    """Submit 90 jobs, whose receivers may be dead, and 30 with a good one.

    Return the seconds until all images are stored, and of the latest notification of the good one after its job's end.
    """
    async with harness.world(folder, run_seconds=(3.0, 6.0), wake_ups=True) as world:
        good = Receiver(world, "good.test")
        hanging = [Receiver(world, f"dead{number}.test", seconds=3_600.0) for number in range(3)]
        began = world.clock.now()
        urls = [hanging[number % 3].url if dead else "" for number in range(90)]
        asked = [
            await world.accepted(f"{number} {dead}", callbackUrl=url)
            for number, url in enumerate(urls + [good.url] * 30)
        ]
        await world.run_for(4 * MINUTE)
        jobs = [await world.record(job_id) for job_id in asked]
        assert {job.status for job in jobs} == {"succeeded"}, [job.error for job in jobs if job.error]
        stored = max(job.completed_at for job in jobs if job.completed_at) - began
        ends = {f"{job.id}-1-succeeded": job.completed_at for job in jobs if job.completed_at}
        late = [delivery.at - ends[delivery.id] for delivery in good.deliveries]
        assert len(good.deliveries) == 30
        assert all(receiver.most_under_way <= PER_ENDPOINT for receiver in hanging)
        return stored.total_seconds(), max(late).total_seconds()


async def test_at_most_64_final_jobs_are_held_half_of_them_of_one_caller_and_images_do_not_wait(world: World) -> None:
    receivers = [Receiver(world, f"slow{number}.test", seconds=10.0) for number in range(150)]
    for number, receiver in enumerate(receivers):
        await world.post(f"[fault:bad_request] {number}", callbackUrl=receiver.url)
    job_id = await world.accepted()
    window = asyncio.create_task(world.run_window())
    most = 0
    while not window.done():
        await world.clock.sleep(0.5)
        most = max(most, sum(receiver.under_way for receiver in receivers))
    job = await world.job(job_id)
    assert job["status"] == "succeeded"
    assert moment(job["completedAt"]) - moment(job["createdAt"]) < 20 * SECOND
    assert most == MAX_FINAL // 2
    await world.run_for(3 * MINUTE)
    assert all(receiver.deliveries for receiver in receivers), "the end of a window may cut one off, which is repeated"


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


async def test_an_endpoint_that_fails_repeatedly_is_tried_by_one_delivery_at_a_time(world: World) -> None:
    receiver = Receiver(world, "receiver.test", 500, seconds=2.0)
    asked = [await world.accepted(str(number), callbackUrl=receiver.url) for number in range(30)]
    await world.end_of(*asked)
    await world.run_for(2 * MINUTE)
    before = len(receiver.deliveries)
    assert before > FAILURES
    receiver.most_under_way = 0
    await world.run_for(8 * MINUTE)
    assert len(receiver.deliveries) > before
    assert receiver.most_under_way == 1
    receiver.answer, receiver.seconds = 204, 0.0
    await world.run_for(60 * MINUTE)
    jobs = [await world.job(job_id) for job_id in asked]
    assert {job["callbacks"][0]["status"] for job in jobs} == {"delivered"}


# --- windows and cost ----------------------------------------------------------------------------------------------


async def test_a_retry_in_5_s_gets_a_wake_up_and_one_in_5_minutes_does_not_keep_the_window_open(
    open_world: OpenWorld,
) -> None:
    async with open_world(wake_ups=True) as world:
        receiver = Receiver(world, "receiver.test", 500)
        await world.post("[fault:bad_request]", callbackUrl=receiver.url)
        await world.clock.sleep(40.0)
        assert len(receiver.deliveries) == 2
        assert 5 * SECOND <= receiver.pauses[0] <= 15 * SECOND
        began = world.clock.now()
        await world.call_poller()
        assert world.clock.now() - began <= 7 * SECOND, "POLL_IDLE_EXIT_SECONDS, and the interval of wake-ups"


@pytest.mark.parametrize("failures", [0, 1, 2])
async def test_each_round_of_attempts_costs_one_write_more(tmp_path: Path, failures: int) -> None:
    plain = await writes_of_a_job(tmp_path / "plain")
    told = await writes_of_a_job(tmp_path / "told", failures, callbackUrl="https://receiver.test/")
    assert told == plain + failures + 1


async def writes_of_a_job(folder: Path, failures: int = 0, **fields: object) -> int:
    """Return how many writes a job costs whose receiver fails so often."""
    async with harness.world(folder, wrap=WatchedJobs, run_seconds=(15.0, 15.0)) as world:
        receiver = Receiver(world, "receiver.test", failing(failures))
        await world.accepted("the first job creates the document of the gate")
        await world.run_for(2 * MINUTE)
        world.store.reset()
        job_id = await world.accepted(**fields)
        await world.run_for(15 * MINUTE)
        assert (await world.record(job_id)).due_at is None
        assert len(receiver.deliveries) == (failures + 1 if fields else 0)
        return int(world.store.writes)


async def test_three_receivers_at_once_cost_one_write_more_than_none(open_world: OpenWorld) -> None:
    async with open_world(wrap=WatchedJobs, run_seconds=(15.0, 15.0)) as world:
        receivers = [Receiver(world, f"receiver{number}.test") for number in range(3)]
        await world.accepted("the first job creates the document of the gate")
        await world.run_for(2 * MINUTE)
        world.store.reset()
        await world.accepted(callbackUrl=[receiver.url for receiver in receivers])
        await world.run_for(3 * MINUTE)
        assert [len(receiver.deliveries) for receiver in receivers] == [1, 1, 1]
        assert world.store.writes <= 7
        assert world.store.reads <= 7


async def test_a_delivery_that_is_postponed_costs_one_write(open_world: OpenWorld) -> None:
    async with open_world(wrap=WatchedJobs) as world:
        receiver = Receiver(world, "receiver.test", failing(2, 503, retry_after="600"))
        first = await world.accepted(callbackUrl=receiver.url)
        await world.end_of(first)
        second = (await world.post("[fault:bad_request]", callbackUrl=receiver.url)).json()["id"]
        world.store.reset()
        await world.run_window()
        assert (await callback(world, second))["attempts"] == 0
        assert world.store.writes == 1


# --- what the end of a window, and of a worker, cut off ------------------------------------------------------------


async def test_an_attempt_that_the_windows_end_cuts_off_does_not_count_and_is_made_at_once_in_the_next(
    open_world: OpenWorld,
) -> None:
    async with open_world(wake_ups=True, run_seconds=(44.0, 44.0)) as world:
        receiver = Receiver(world, "receiver.test", 500, seconds=12.0)
        job_id = await world.accepted(callbackUrl=receiver.url)
        await world.call_poller()
        ended_at = world.clock.now()
        assert len(receiver.deliveries) == 1
        shown = await callback(world, job_id)
        assert (shown["status"], shown["attempts"], shown["lastAttemptAt"]) == ("pending", 0, None)
        await world.clock.sleep(20.0)
        assert receiver.deliveries[1].at - ended_at <= 6 * SECOND, "the interval of wake-ups"
        shown = await callback(world, job_id)
        assert (shown["attempts"], shown["lastStatus"]) == (1, 500)


async def test_a_job_that_ends_with_the_window_is_told_at_the_beginning_of_the_next_at_no_further_cost(
    open_world: OpenWorld,
) -> None:
    async with open_world(wrap=WatchedJobs, wake_ups=True) as world:
        receiver = Receiver(world, "receiver.test", seconds=2.0)
        job_id = await world.accepted(callbackUrl=receiver.url)
        world.vendor.answer("cdn", lambda _call: world.deps.window.set(4.0))
        await world.call_poller()
        job = await world.record(job_id)
        assert (job.status, job.due_at, receiver.deliveries) == ("succeeded", job.completed_at, [])
        world.store.reset()
        await world.clock.sleep(20.0)
        (delivery,) = receiver.deliveries
        assert job.completed_at
        assert delivery.at - job.completed_at <= 11 * SECOND
        assert world.store.writes == 1


async def test_a_receiver_that_is_slower_than_every_window_runs_out_of_attempts(open_world: OpenWorld) -> None:
    async with open_world(POLL_WINDOW_SECONDS="8") as world:
        receiver = Receiver(world, "receiver.test", seconds=12.0)
        job_id = (await world.post("[fault:bad_request]", callbackUrl=receiver.url)).json()["id"]
        await run_until_settled(world, job_id)
        assert (await callback(world, job_id))["status"] == "undelivered"
        assert len(receiver.deliveries) <= 3 * len(DELAYS)


async def test_a_message_that_kills_every_worker_is_counted_and_given_up(world: World) -> None:
    killed = asyncio.Event()

    async def die(_request: httpx.Request) -> httpx.Response:
        killed.set()
        await asyncio.Event().wait()
        raise AssertionError

    world.vendor.sites["deadly.test"] = die
    job_id = (await world.post("[fault:bad_request]", callbackUrl="https://deadly.test/")).json()["id"]
    kills = 0
    while (await world.record(job_id)).due_at and kills < 20:
        window = asyncio.create_task(world.run_window())
        await asyncio.wait({window, asyncio.create_task(killed.wait())}, return_when=asyncio.FIRST_COMPLETED)
        kills += killed.is_set()
        killed.clear()
        window.cancel()
        await asyncio.gather(window, return_exceptions=True)
        await world.clock.sleep(60.0)
    assert LOST_AFTER <= kills <= LOST_AFTER + 2, "the first ones, which are on time, are not claimed"
    assert (await callback(world, job_id))["status"] == "undelivered"
    (line,) = world.log("callback_undelivered")
    assert (line["jobId"], line["host"]) == (job_id, "deadly.test")

"""Deliveries and windows: wake-ups, writes, and attempts that the end of a window or of a worker cuts off."""

import asyncio
from pathlib import Path

import httpx
import pytest

from shared.notifications.delivery import DELAYS
from shared.steps.set_aside import LOST_AFTER
from tests.harness import world as harness
from tests.harness.counting import WatchedJobs
from tests.harness.receivers import Receiver, failing
from tests.harness.world import World
from tests.steps.conftest import OpenWorld
from tests.steps.deliveries import MINUTE, SECOND, callback, run_until_settled

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
    short = {"POLL_WINDOW_SECONDS": "9", "run_seconds": (5.0, 5.0)}  # too little is left for a delivery
    async with open_world(wrap=WatchedJobs, wake_ups=True, **short) as world:
        receiver = Receiver(world, "receiver.test", seconds=2.0)
        job_id = await world.accepted(callbackUrl=receiver.url)
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

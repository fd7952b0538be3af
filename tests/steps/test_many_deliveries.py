"""Receivers that do not respond, and many deliveries that are due, delay neither images nor other receivers."""

import asyncio
import dataclasses
import json
from datetime import datetime, timedelta
from typing import Any

import httpx

from shared.callbacks import CallbackStatus
from tests.harness.counting import WatchedJobs
from tests.harness.receivers import Receiver, failing
from tests.harness.world import SMALL, World
from tests.steps.conftest import OpenWorld
from tests.steps.test_callers import AUTH, bearer

PENDING = 4_000
DEAD = 70  # more hosts and jobs than there are deliveries at a time


async def dead(_request: httpx.Request) -> httpx.Response:
    """A receiver that never responds."""
    await asyncio.Event().wait()
    raise AssertionError


def live(world: World) -> dict[str, datetime]:
    """Let a receiver respond; return when it was first told of each job."""
    told: dict[str, datetime] = {}

    async def receive(request: httpx.Request) -> httpx.Response:
        told.setdefault(json.loads(await request.aread())["data"]["id"], world.clock.now())
        return httpx.Response(204)

    world.vendor.sites["live.test"] = receive
    return told


async def submit(world: World, caller: str, **fields: Any) -> str:
    response = await world.http.post("/", json={"prompt": "a cat", **SMALL, **fields}, headers=bearer(caller))
    assert response.status_code == 202, response.text
    return str(response.json()["id"])


async def final(world: World, job_id: str) -> bool:
    return (await world.record(job_id)).finished


async def seconds_of_image(world: World) -> tuple[float, float]:
    """Return how long an image takes, and how much later its receiver is told."""
    told = live(world)
    job_id = await submit(world, "zap", callbackUrl="https://live.test/")
    await world.run_until(lambda: asyncio.sleep(0, job_id in told))
    job = await world.record(job_id)
    assert job.completed_at
    return (job.completed_at - job.created_at).total_seconds(), (told[job_id] - job.completed_at).total_seconds()


async def test_thousands_of_deliveries_that_are_due_delay_no_image_and_no_other_receiver(
    open_world: OpenWorld,
) -> None:
    async with open_world(**AUTH, wrap=WatchedJobs) as world:
        world.vendor.sites["dead.test"] = dead
        normal, _ = await seconds_of_image(world)
        job_id = await submit(world, "ci", callbackUrl="https://dead.test/")
        await world.run_until(lambda: final(world, job_id))
        await store_due_deliveries(world, job_id, PENDING, ["https://dead.test/"])
        world.store.reset()
        seconds, later = await seconds_of_image(world)
        assert seconds <= 1.1 * normal
        assert later < 5
        assert world.store.reads < 2 * PENDING, "the scans read few of them"


async def test_a_retry_is_not_delayed_by_thousands_of_due_deliveries_to_dead_receivers_of_another_caller(
    open_world: OpenWorld,
) -> None:
    async with open_world(**AUTH, wake_ups=True) as world:
        for number in range(40):
            world.vendor.sites[f"dead{number}.test"] = dead
        receiver = Receiver(world, "flaky.test", failing(1))
        job_id = await submit(world, "ci", callbackUrl="https://dead0.test/")
        await world.run_until(lambda: final(world, job_id))
        await world.clock.sleep(1.0)
        await store_due_deliveries(world, job_id, PENDING, [f"https://dead{number}.test/" for number in range(40)])
        flaky = await submit(world, "zap", callbackUrl=receiver.url)
        await world.run_until(lambda: asyncio.sleep(0, receiver.pauses), timedelta(minutes=10))
        completed_at = (await world.record(flaky)).completed_at
        assert completed_at
        assert receiver.deliveries[1].at - completed_at < timedelta(minutes=1)


async def store_due_deliveries(world: World, job_id: str, count: int, urls: list[str]) -> None:
    """Store copies of a final job that are due to notify these URLs in turn."""
    job, now = await world.record(job_id), world.clock.now()
    for start in range(0, count, 100):
        jobs = []
        for number in range(start, start + 100):
            at, url = now - timedelta(milliseconds=count - number), urls[number % len(urls)]
            callback = dataclasses.replace(job.callbacks[0], url=url, status=CallbackStatus.PENDING, next_attempt_at=at)
            jobs.append(job.evolve(id=f"{number:032x}", callbacks=(callback,), due_at=at, revision=None))
        await world.store.create_all(jobs)


async def test_a_caller_whose_receivers_are_all_dead_does_not_delay_those_of_others(open_world: OpenWorld) -> None:
    async with open_world(**AUTH) as world:
        normal, _ = await seconds_of_image(world)
        for number in range(DEAD):
            world.vendor.sites[f"dead{number}.test"] = dead
            hook = {"hookUrl": f"https://dead{number}.test/"}
            assert (await world.http.post("/hooks", json=hook, headers=bearer("ci"))).status_code == 201
        for _ in range(DEAD):
            await submit(world, "ci")
        seconds, later = await seconds_of_image(world)
        assert seconds <= 1.1 * normal
        assert later < 5

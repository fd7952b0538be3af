"""One execution id for two jobs: the first one follows it, the later one has an unknown outcome, and it is logged."""

import asyncio
from datetime import timedelta
from typing import Any, cast

import httpx
import pytest

from shared.job import Job
from shared.job_states import Status
from shared.ports import JobStore
from tests.harness.vendor import Call
from tests.harness.world import World
from tests.steps.conftest import OpenWorld


def always_the_same_run(world: World) -> None:
    """Wireflow answers every paid call with the run of the first one, as a cache in front of it would."""
    first: list[httpx.Response] = []
    passed_on: list[httpx.Request] = []
    one_at_a_time = asyncio.Lock()

    async def script(call: Call) -> httpx.Response | None:
        if call.endpoint != "trigger" or call.request in passed_on:
            return None
        async with one_at_a_time:
            if not first:
                passed_on.append(call.request)
                first.append(await world.vendor.handle_async_request(call.request))
                await first[0].aread()
        return httpx.Response(200, json=first[0].json())

    world.vendor.script = script


@pytest.mark.parametrize("jobs", [2, 3])
async def test_the_later_job_does_not_report_the_image_of_the_first(world: World, jobs: int) -> None:
    always_the_same_run(world)
    first, *others = [await world.accepted(f"cat {n}") for n in range(jobs)]
    ended = await world.end_of(first, *others)
    assert [job["status"] for job in ended] == ["succeeded"] + ["failed"] * len(others)
    assert {job["errorCode"] for job in ended[1:]} == {"outcome_unknown"}
    assert all(job["possibleDuplicate"] for job in ended[1:])
    lines = [line for line in world.log("outcome_unknown") if line["severity"] == "ERROR"]
    assert {line["jobId"] for line in lines} == set(others)
    assert {line["otherJobId"] for line in lines} == {first}


async def test_of_many_at_the_same_time_one_is_followed(world: World) -> None:
    always_the_same_run(world)
    ids = await asyncio.gather(*(world.accepted(f"cat {n}") for n in range(4)))
    jobs = await world.end_of(*ids)
    assert sorted(job["status"] for job in jobs) == ["failed", "failed", "failed", "succeeded"]
    assert world.paid == 1


async def test_a_job_of_another_instance_is_found_in_the_store(open_world: OpenWorld) -> None:
    async with open_world() as world, open_world(simulator=world.simulator) as other:
        always_the_same_run(world)
        first = await world.accepted("first")
        other.vendor.script = world.vendor.script
        await world.clock.sleep(0.001)
        later = await other.accepted("later")
        jobs = await world.end_of(first, later)
        assert [job["status"] for job in jobs] == ["succeeded", "failed"]
        (line, *_) = [line for line in world.log("outcome_unknown") if line["severity"] == "ERROR"]
        assert (line["jobId"], line["otherJobId"]) == (later, first)


class _Late:
    """Some writes that record a run arrive `seconds` late, as those of an instance that is cut off for a while."""

    def __init__(self, inner: JobStore, world: list[World], seconds: float) -> None:
        self._inner, self._world, self._seconds = inner, world, seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def save(self, job: Job) -> Job:
        if job.status is Status.RUNNING and job.prompt == "late":
            await self._world[0].clock.sleep(self._seconds)
        return await self._inner.save(job)


@pytest.mark.parametrize("seconds", [0.0, 0.5, 2.0, 10.0, 25.0])
async def test_of_two_instances_that_record_it_one_job_follows_it(open_world: OpenWorld, seconds: float) -> None:
    worlds: list[World] = []

    def wrap(store: JobStore) -> JobStore:
        return cast(JobStore, _Late(store, worlds, seconds))

    async with open_world(wrap=wrap) as world, open_world(simulator=world.simulator, wrap=wrap) as other:
        worlds.append(world)
        always_the_same_run(world)
        other.vendor.script = world.vendor.script
        late = asyncio.create_task(other.post("late"))
        await world.clock.sleep(0.1)
        one = await world.accepted("one")
        await world.run_for(timedelta(minutes=1))
        ended = await world.end_of(one, (await late).json()["id"])
        assert sorted(job["status"] for job in ended) == ["failed", "succeeded"]
        assert world.paid == 1


async def test_a_job_from_the_queue_is_compared_too(open_world: OpenWorld) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="1") as world:
        always_the_same_run(world)
        first, second = await world.accepted("first"), await world.accepted("second")
        jobs = await world.end_of(first, second)
        assert [job["status"] for job in jobs] == ["succeeded", "failed"]


async def test_a_retry_that_continues_the_job_s_own_run_is_no_conflict(world: World) -> None:
    job_id = await world.accepted("a cat [fault:hang_after_start]")
    (job,) = await world.end_of(job_id)
    assert job["status"] == "succeeded"

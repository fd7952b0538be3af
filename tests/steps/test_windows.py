"""A window of the poller: its response, its length, and faulty jobs and documents."""

import asyncio
import json
import sqlite3
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from shared.job import Job
from shared.job_states import Status
from tests.harness.slow import SlowJobs
from tests.harness.vendor import Call
from tests.harness.virtual_time import VirtualClock
from tests.harness.world import VENDOR, World
from tests.simulator.in_process import InProcess
from tests.steps.conftest import OpenWorld

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
COUNTS = {"claimed", "dispatched", "polled", "completed", "stored", "failed", "bytes", "seconds"}


async def call_poller(world: World, method: str = "POST", path: str = "/") -> tuple[int, dict[str, Any]]:
    """Call the poller as the scheduler does; return the status and the JSON of the response."""
    request = Request({"type": "http", "method": method, "path": path, "headers": [], "query_string": b""})
    response = await world.poller.handle(request)
    return response.status_code, json.loads(bytes(response.body))


# --- the response ------------------------------------------------------------------------------------------------


async def test_a_window_returns_its_counts(world: World) -> None:
    ids = [await world.accepted(prompt) for prompt in ("a cat", "a dog", "[fault:moderation]")]
    status, counts = await call_poller(world)
    assert (status, counts.keys()) == (200, COUNTS)
    stored = [image["bytes"] for job_id in ids for image in (await world.job(job_id))["images"]]
    expected = {"claimed": 3, "dispatched": 0, "completed": 2, "stored": 2, "failed": 1, "bytes": sum(stored)}
    assert {name: counts[name] for name in expected} == expected
    assert counts["polled"] == len(world.vendor.to("poll"))


async def test_jobs_that_start_from_the_queue_are_counted(open_world: OpenWorld) -> None:
    async with open_world() as world:
        await world.accepted("a cat [fault:rate_limited_seconds]")
        _, counts = await call_poller(world)
        assert (counts["dispatched"], counts["stored"]) == (1, 1)


async def test_the_log_line_of_a_window_also_describes_the_queue_and_the_gate(open_world: OpenWorld) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="1") as world:
        for _ in range(3):
            await world.accepted()
        await world.clock.sleep(30)
        await world.run_window()
        (line,) = world.log("window")
        assert line.keys() >= COUNTS
        assert line["oldestDueSeconds"] == pytest.approx(29, abs=2)
        assert (line["queueLength"], line["running"], line["executionsToday"]) == (1, 0, 2)


async def test_a_second_call_during_a_window_returns_busy_at_once(world: World) -> None:
    await world.accepted()
    first = asyncio.create_task(call_poller(world))
    await world.clock.sleep(3)
    at = world.clock.now()
    assert await call_poller(world) == (200, {"busy": True})
    assert world.clock.now() == at
    assert (await first)[1]["stored"] == 1
    assert (await call_poller(world))[1].keys() == COUNTS


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/", 405), ("PUT", "/", 405), ("POST", "/x", 404)])
async def test_an_unknown_route_or_method_is_a_problem(world: World, method: str, path: str, status: int) -> None:
    returned, document = await call_poller(world, method, path)
    assert (returned, document["status"]) == (status, status)


async def test_health_responds_during_a_window(world: World) -> None:
    window = asyncio.create_task(call_poller(world))
    await world.clock.sleep(1)
    assert await call_poller(world, "GET", "/health") == (200, {"status": "ok"})
    await window


async def test_the_poller_recovers_from_an_unavailable_store(open_world: OpenWorld, tmp_path: Path) -> None:
    async with open_world() as world:
        (tmp_path / "jobs.db").mkdir()
        status, _ = await call_poller(world)
        assert status in {200, 503}
        (tmp_path / "jobs.db").rmdir()
        assert (await call_poller(world))[0] == 200


# --- the length --------------------------------------------------------------------------------------------------


async def test_an_idle_window_ends_after_5_s(world: World) -> None:
    began = world.clock.now()
    await world.run_window()
    assert 5 <= (world.clock.now() - began) / SECOND <= 7


async def test_a_window_ends_5_s_after_the_last_job(world: World) -> None:
    job_id = await world.accepted()
    await world.run_window()
    done = (await world.record(job_id)).completed_at
    assert done is not None
    assert 5 <= (world.clock.now() - done) / SECOND <= 9


async def test_a_window_also_works_on_jobs_that_arrive_during_it(world: World) -> None:
    first = await world.accepted()
    window = asyncio.create_task(world.run_window())
    await world.clock.sleep(10)
    second = await world.accepted()
    counts = await window
    assert counts["stored"] == 2
    assert {(await world.job(job_id))["status"] for job_id in (first, second)} == {"succeeded"}


async def test_a_window_ends_after_55_s_and_releases_unfinished_jobs(open_world: OpenWorld) -> None:
    async with open_world(run_seconds=(300.0, 300.0)) as world:
        ids = [await world.accepted() for _ in range(3)]
        began = world.clock.now()
        await world.run_window()
        assert 50 <= (world.clock.now() - began) / SECOND <= 57
        for job_id in ids:
            record = await world.record(job_id)
            assert record.due_at is not None
            assert (record.due_at - world.clock.now()) / SECOND <= 11, (
                "the next window need not wait for the end of the lease"
            )


@pytest.mark.parametrize(
    ("name", "value", "max_seconds"), [("POLL_WINDOW_SECONDS", "20", 22), ("POLL_IDLE_EXIT_SECONDS", "1", 4)]
)
async def test_the_window_length_and_the_idle_time_are_settings(
    open_world: OpenWorld, name: str, value: str, max_seconds: float
) -> None:
    async with open_world(run_seconds=(300.0, 300.0), **{name: value}) as world:
        if name == "POLL_WINDOW_SECONDS":
            await world.accepted()
        began = world.clock.now()
        await world.run_window()
        assert (world.clock.now() - began) / SECOND <= max_seconds


async def test_a_copy_in_progress_is_finished_after_the_end_of_the_window(open_world: OpenWorld) -> None:
    async with open_world(POLL_WINDOW_SECONDS="20", slow_seconds=30.0, LEASE_SECONDS="20") as world:
        job_id = await world.accepted("a cat [fault:trickle]")
        began = world.clock.now()
        await world.run_window()
        assert 45 <= (world.clock.now() - began) / SECOND <= 55
        assert (await world.job(job_id))["status"] == "succeeded"
        assert len(world.vendor.to("cdn")) == 1


# --- faulty jobs and documents -----------------------------------------------------------------------------------


async def test_a_job_that_raises_never_stops_the_window(world: World) -> None:
    bad, good = await world.accepted("bad"), await world.accepted("good")
    execution = (await world.record(bad)).execution_id

    def fail(call: Call) -> httpx.Response | None:
        if execution in str(call.request.url):
            raise RuntimeError("a bug")
        return None

    world.vendor.answer("poll", fail)
    counts = await world.run_window()
    assert counts["stored"] == 1
    assert (await world.job(good))["status"] == "succeeded"
    assert (await world.job(bad))["status"] == "running"
    (line,) = [line for line in world.log("internal_error") if line["severity"] == "ERROR"]
    assert (line["jobId"], "RuntimeError" in line["message"]) == (bad, True)
    world.vendor.reset()
    (job,) = await world.end_of(bad)
    assert job["status"] == "succeeded"


async def test_a_job_that_keeps_raising_is_retried_every_five_minutes(world: World) -> None:
    def fail(_call: Call) -> httpx.Response:
        raise RuntimeError("a bug")

    await world.accepted()
    world.vendor.answer("poll", fail)
    world.vendor.answer("details", fail)
    await world.run_for(timedelta(minutes=21))
    assert 4 <= len(world.vendor.to("poll")) + len(world.vendor.to("details")) <= 6


INVALID = {
    "an unknown status": {"status": "thinking"},
    "no status": {"status": None},
    "a time that is not a time": {"dueAt": {"$date": "2026-03-02T12:00:00.000000+00:00"}, "startedAt": "yesterday"},
    "images that are not images": {"images": [1]},
    "an unknown error code": {
        "error": {"code": "nonsense", "charged": "no", "message": "", "retryable": True, "hint": ""}
    },
    "input that is not JSON": {
        "status": "queued",
        "input": "{",
        "queueAt": {"$date": "2026-03-02T12:00:00.000000+00:00"},
    },
    "running without an execution id": {"executionId": None},
}


@pytest.mark.parametrize("case", INVALID)
async def test_an_invalid_document_never_stops_the_window(open_world: OpenWorld, tmp_path: Path, case: str) -> None:
    async with open_world() as world:
        bad, good = await world.accepted("bad"), await world.accepted("good")
        with sqlite3.connect(tmp_path / "jobs.db") as sql:
            sql.execute(
                "UPDATE jobs SET document = json_patch(document, ?) WHERE id = ?", (json.dumps(INVALID[case]), bad)
            )
        await world.run_window()
        assert (await world.job(good))["status"] == "succeeded"
        (later,) = await world.end_of(await world.accepted("later"))
        assert later["status"] == "succeeded"


async def test_an_unreadable_document_does_not_block_the_queue(open_world: OpenWorld, tmp_path: Path) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="1") as world:
        ids = []
        for number in range(3):
            ids.append(await world.accepted(f"cat {number}"))
            await world.clock.sleep(1)
        with sqlite3.connect(tmp_path / "jobs.db") as sql:
            edit = json.dumps({"status": "thinking"})
            sql.execute("UPDATE jobs SET document = json_patch(document, ?) WHERE id = ?", (edit, ids[1]))
        (job,) = await world.end_of(ids[2], patience=timedelta(minutes=10))
        assert job["status"] == "succeeded"


async def test_fields_of_a_newer_version_are_kept(open_world: OpenWorld, tmp_path: Path) -> None:
    async with open_world() as world:
        job_id = await world.accepted()
        with sqlite3.connect(tmp_path / "jobs.db") as sql:
            sql.execute("UPDATE jobs SET document = json_patch(document, ?)", ('{"tomorrow": {"a": [1, 2]}}',))
        await world.end_of(job_id)
        with sqlite3.connect(tmp_path / "jobs.db") as sql:
            ((value,),) = sql.execute("SELECT json_extract(document, '$.tomorrow') FROM jobs")
        assert json.loads(value) == {"a": [1, 2]}


class SlowFailures(SlowJobs):
    """A job store that takes five seconds to store a failed job, and no time for anything else."""

    async def save(self, job: Job) -> Job:
        if job.status is Status.FAILED:
            await self._clock.sleep(5)
        return await self._inner.save(job)


async def test_a_job_whose_deadline_passes_while_it_is_dispatched_never_stops_the_window(open_world: OpenWorld) -> None:
    """It is due and at the head of the queue at the same time: one of two workers gets it, the other stops."""
    async with open_world(wrap=lambda store: SlowFailures(store, VirtualClock(), 0), DAILY_EXECUTIONS="20") as world:
        world.vendor.always("trigger", 429, {}, retry_after="30")
        ids = [await world.accepted(f"cat {n}", deadlineSeconds=40) for n in range(3)]
        world.vendor.reset()
        await world.clock.sleep(60)  # no window runs meanwhile
        await world.run_window()
        jobs = [await world.job(job_id) for job_id in ids]
        assert {job["status"] for job in jobs} <= {"succeeded", "failed"}
        paid = Counter(run.prompt for run in world.simulator.state.runs.all())
        assert all(paid[job["prompt"]] == (job["status"] == "succeeded") for job in jobs)


# --- the limit of requests -----------------------------------------------------------------------------------------


async def rate_limited(world: World) -> int:
    return int((await world.simulated("_stats"))["rateLimited"])


async def test_a_plan_that_is_smaller_than_configured_is_learned_from_the_first_response(open_world: OpenWorld) -> None:
    configured = {"WIREFLOW_PLAN": "pro", "EXECUTIONS_PER_MINUTE": "10"}
    async with open_world(plan="free", run_seconds=(20.0, 60.0), wake_ups=True, **configured) as world:
        await world.end_of(await world.accepted())
        job_ids = [await world.accepted(f"prompt {number}") for number in range(6)]
        jobs = await world.end_of(*job_ids)
        assert {job["status"] for job in jobs} == {"succeeded"}
        assert await rate_limited(world) == 0


async def test_what_another_user_of_the_key_sends_causes_no_429_of_our_own(open_world: OpenWorld) -> None:
    limits = {"WIREFLOW_PLAN": "free", "EXECUTIONS_PER_MINUTE": "10"}
    async with open_world(plan="free", run_seconds=(40.0, 90.0), wake_ups=True, **limits) as world:
        transport, theirs = InProcess(world.simulator), list[int]()

        async def other_user() -> None:
            async with httpx.AsyncClient(transport=transport, base_url=VENDOR) as http:
                headers = {"Authorization": "Bearer sk-simulator"}
                while True:
                    url = "/api/v1/workflows/executions/theirs/poll"
                    theirs.append((await http.get(url, headers=headers)).status_code)
                    await world.clock.sleep(10)

        other = asyncio.create_task(other_user())
        jobs = await world.end_of(*[await world.accepted(f"prompt {number}") for number in range(6)])
        other.cancel()
        assert {job["status"] for job in jobs} == {"succeeded"}
        assert theirs.count(429) > 0, "there was too little for all"
        assert await rate_limited(world) == theirs.count(429)

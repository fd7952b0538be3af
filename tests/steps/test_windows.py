"""One window of the poller: what it works on, when it ends, and two of them at the same time."""

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

from shared.job import Job, Status
from tests.harness.slow import SlowJobs
from tests.harness.vendor import Call
from tests.harness.virtual_time import VirtualClock
from tests.harness.world import World
from tests.steps.conftest import Open

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
COUNTS = {"claimed", "dispatched", "polled", "completed", "stored", "failed", "bytes", "seconds"}


async def call(here: World, method: str = "POST", path: str = "/") -> tuple[int, dict[str, Any]]:
    """What the scheduler does."""
    request = Request({"type": "http", "method": method, "path": path, "headers": [], "query_string": b""})
    response = await here.poller.handle(request)
    return response.status_code, json.loads(bytes(response.body))


# --- the answer ----------------------------------------------------------------------------------------------------


async def test_a_window_answers_with_its_counts(here: World) -> None:
    ids = [await here.accepted(prompt) for prompt in ("a cat", "a dog", "[fault:moderation]")]
    status, counts = await call(here)
    assert (status, counts.keys()) == (200, COUNTS)
    stored = [image["bytes"] for job_id in ids for image in (await here.job(job_id))["images"]]
    wanted = {"claimed": 3, "dispatched": 0, "completed": 2, "stored": 2, "failed": 1, "bytes": sum(stored)}
    assert {name: counts[name] for name in wanted} == wanted
    assert counts["polled"] == len(here.vendor.to("poll"))


async def test_what_leaves_the_line_is_counted(open_world: Open) -> None:
    async with open_world() as here:
        await here.accepted("a cat [fault:rate_limited_seconds]")
        _, counts = await call(here)
        assert (counts["dispatched"], counts["stored"]) == (1, 1)


async def test_the_log_line_of_a_window_says_more(open_world: Open) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="1") as here:
        for _ in range(3):
            await here.accepted()
        await here.clock.sleep(30)
        await here.run_window()
        (line,) = here.log("window")
        assert line.keys() >= COUNTS
        assert line["oldestDueSeconds"] == pytest.approx(29, abs=2)
        assert (line["queueLength"], line["running"], line["executionsToday"]) == (1, 0, 2)


async def test_a_call_while_the_instance_works_is_answered_at_once(here: World) -> None:
    await here.accepted()
    first = asyncio.create_task(call(here))
    await here.clock.sleep(3)
    at = here.clock.now()
    assert await call(here) == (200, {"busy": True})
    assert here.clock.now() == at
    assert (await first)[1]["stored"] == 1
    assert (await call(here))[1].keys() == COUNTS


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/", 405), ("PUT", "/", 405), ("POST", "/x", 404)])
async def test_other_calls_are_problems(here: World, method: str, path: str, status: int) -> None:
    found, document = await call(here, method, path)
    assert (found, document["status"]) == (status, status)


async def test_health_is_answered_while_the_instance_works(here: World) -> None:
    window = asyncio.create_task(call(here))
    await here.clock.sleep(1)
    assert await call(here, "GET", "/health") == (200, {"status": "ok"})
    await window


async def test_a_store_that_is_away_is_503_once_and_harmless(open_world: Open, tmp_path: Path) -> None:
    async with open_world() as here:
        (tmp_path / "jobs.db").mkdir()
        status, _ = await call(here)
        assert status in {200, 503}
        (tmp_path / "jobs.db").rmdir()
        assert (await call(here))[0] == 200


# --- its length ----------------------------------------------------------------------------------------------------


async def test_a_window_with_nothing_in_flight_leaves_after_5_s(here: World) -> None:
    began = here.clock.now()
    await here.run_window()
    assert 5 <= (here.clock.now() - began) / SECOND <= 7


async def test_a_window_leaves_5_s_after_the_last_job(here: World) -> None:
    job_id = await here.accepted()
    await here.run_window()
    done = (await here.record(job_id)).completed_at
    assert done is not None
    assert 5 <= (here.clock.now() - done) / SECOND <= 9


async def test_a_window_takes_what_arrives_meanwhile(here: World) -> None:
    first = await here.accepted()
    window = asyncio.create_task(here.run_window())
    await here.clock.sleep(10)
    second = await here.accepted()
    counts = await window
    assert counts["stored"] == 2
    assert {(await here.job(job_id))["status"] for job_id in (first, second)} == {"succeeded"}


async def test_a_window_is_over_after_55_s_and_hands_back_what_is_not_done(open_world: Open) -> None:
    async with open_world(run_seconds=(300.0, 300.0)) as here:
        ids = [await here.accepted() for _ in range(3)]
        began = here.clock.now()
        await here.run_window()
        assert 50 <= (here.clock.now() - began) / SECOND <= 57
        for job_id in ids:
            record = await here.record(job_id)
            assert record.due_at is not None
            assert (record.due_at - here.clock.now()) / SECOND <= 11, "nobody waits for a lease to run out"


@pytest.mark.parametrize(
    ("name", "value", "most"), [("POLL_WINDOW_SECONDS", "20", 22), ("POLL_IDLE_EXIT_SECONDS", "1", 4)]
)
async def test_both_lengths_are_settings(open_world: Open, name: str, value: str, most: float) -> None:
    async with open_world(run_seconds=(300.0, 300.0), **{name: value}) as here:
        if name == "POLL_WINDOW_SECONDS":
            await here.accepted()
        began = here.clock.now()
        await here.run_window()
        assert (here.clock.now() - began) / SECOND <= most


async def test_copies_in_progress_are_finished_after_the_window(open_world: Open) -> None:
    async with open_world(POLL_WINDOW_SECONDS="20", slow_seconds=30.0, LEASE_SECONDS="20") as here:
        job_id = await here.accepted("a cat [fault:trickle]")
        began = here.clock.now()
        await here.run_window()
        assert 45 <= (here.clock.now() - began) / SECOND <= 55
        assert (await here.job(job_id))["status"] == "succeeded"
        assert len(here.vendor.to("cdn")) == 1


# --- one bad job ---------------------------------------------------------------------------------------------------


async def test_a_job_that_raises_never_stops_the_window(here: World) -> None:
    bad, good = await here.accepted("bad"), await here.accepted("good")
    execution = (await here.record(bad)).execution_id

    def explode(call: Call) -> httpx.Response | None:
        if execution in str(call.request.url):
            raise RuntimeError("a fault of ours")
        return None

    here.vendor.answer("poll", explode)
    counts = await here.run_window()
    assert counts["stored"] == 1
    assert (await here.job(good))["status"] == "succeeded"
    assert (await here.job(bad))["status"] == "running"
    (line,) = [line for line in here.log("window") if line["severity"] == "ERROR"]
    assert (line["jobId"], "RuntimeError" in line["message"]) == (bad, True)
    here.vendor.reset()
    (job,) = await here.end_of(bad)
    assert job["status"] == "succeeded"


async def test_a_job_that_always_raises_is_left_alone_for_five_minutes(here: World) -> None:
    def explode(_call: Call) -> httpx.Response:
        raise RuntimeError("a fault of ours")

    await here.accepted()
    here.vendor.answer("poll", explode)
    here.vendor.answer("details", explode)
    await here.run_for(timedelta(minutes=21))
    assert 4 <= len(here.vendor.to("poll")) + len(here.vendor.to("details")) <= 6


EDITED = {
    "a status that there is not": {"status": "thinking"},
    "no status": {"status": None},
    "a time that is a text": {"dueAt": {"$date": "2026-03-02T12:00:00.000000+00:00"}, "startedAt": "yesterday"},
    "images that are none": {"images": [1]},
    "an unknown code": {"error": {"code": "nonsense", "charged": "no", "message": "", "retryable": True, "hint": ""}},
    "input that is no JSON": {
        "status": "queued",
        "input": "{",
        "queueAt": {"$date": "2026-03-02T12:00:00.000000+00:00"},
    },
    "running without an execution": {"executionId": None},
}


@pytest.mark.parametrize("case", EDITED)
async def test_a_document_that_was_edited_by_hand_never_stops_the_window(
    open_world: Open, tmp_path: Path, case: str
) -> None:
    async with open_world() as here:
        bad, good = await here.accepted("bad"), await here.accepted("good")
        with sqlite3.connect(tmp_path / "jobs.db") as sql:
            sql.execute(
                "UPDATE jobs SET document = json_patch(document, ?) WHERE id = ?", (json.dumps(EDITED[case]), bad)
            )
        await here.run_window()
        assert (await here.job(good))["status"] == "succeeded"
        (later,) = await here.end_of(await here.accepted("later"))
        assert later["status"] == "succeeded"


async def test_a_document_that_nobody_can_read_does_not_hold_up_the_line(open_world: Open, tmp_path: Path) -> None:
    async with open_world(EXECUTIONS_PER_MINUTE="1") as here:
        ids = []
        for number in range(3):
            ids.append(await here.accepted(f"cat {number}"))
            await here.clock.sleep(1)
        with sqlite3.connect(tmp_path / "jobs.db") as sql:
            edit = json.dumps({"status": "thinking"})
            sql.execute("UPDATE jobs SET document = json_patch(document, ?) WHERE id = ?", (edit, ids[1]))
        (job,) = await here.end_of(ids[2], patience=timedelta(minutes=10))
        assert job["status"] == "succeeded"


async def test_fields_of_a_newer_version_survive(open_world: Open, tmp_path: Path) -> None:
    async with open_world() as here:
        job_id = await here.accepted()
        with sqlite3.connect(tmp_path / "jobs.db") as sql:
            sql.execute("UPDATE jobs SET document = json_patch(document, ?)", ('{"tomorrow": {"a": [1, 2]}}',))
        await here.end_of(job_id)
        with sqlite3.connect(tmp_path / "jobs.db") as sql:
            ((kept,),) = sql.execute("SELECT json_extract(document, '$.tomorrow') FROM jobs")
        assert json.loads(kept) == {"a": [1, 2]}


class SlowToGiveUp(SlowJobs):
    """The write that fails a job takes five seconds; all others none."""

    async def save(self, job: Job) -> Job:
        if job.status is Status.FAILED:
            await self._clock.sleep(5)
        return await self._inner.save(job)


async def test_a_job_whose_patience_ends_as_its_turn_comes_never_stops_the_window(open_world: Open) -> None:
    """It is due and in line at the same time: one of two workers gets it, the other lets go."""
    async with open_world(wrap=lambda store: SlowToGiveUp(store, VirtualClock(), 0), DAILY_EXECUTIONS="20") as here:
        here.vendor.always("trigger", 429, {}, retry_after="30")
        ids = [await here.accepted(f"cat {n}", deadlineSeconds=40) for n in range(3)]
        here.vendor.reset()
        await here.clock.sleep(60)  # nobody polled meanwhile
        await here.run_window()
        jobs = [await here.job(job_id) for job_id in ids]
        assert {job["status"] for job in jobs} <= {"succeeded", "failed"}
        paid = Counter(run.prompt for run in here.simulator.state.runs.all())
        assert all(paid[job["prompt"]] == (job["status"] == "succeeded") for job in jobs)

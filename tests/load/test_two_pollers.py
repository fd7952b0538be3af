"""Two pollers on one store: each job is polled by one of them at a time, and each image is fetched once."""

import asyncio
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from shared.spending.pacing import MIN_PAUSE
from tests.harness.measurements import note
from tests.processes.product import UNLIMITED, Caller, Places, Product

JOBS = 40
SECONDS = 180.0


@pytest.mark.slow
async def test_no_job_is_polled_by_both_and_no_image_is_copied_twice(tmp_path: Path, request: pytest.FixtureRequest):
    simulator = {"SIMULATOR_RUN_SECONDS": "6-12"}
    settings = {**UNLIMITED, "POLL_WINDOW_SECONDS": "5"}  # short, so that most jobs pass from one poller to the other
    product = Product(tmp_path, Places.local(tmp_path), settings=settings, simulator=simulator, pollers=2)
    async with product.running() as caller:
        accepted = [await post(caller, number) for number in range(JOBS)]
        jobs = [await caller.finished(job["id"], SECONDS) for job in accepted]
        runs, stats = await caller.runs(), await caller.stats()

    assert {job["status"] for job in jobs} == {"succeeded"}
    assert stats["paidRuns"] == stats["endpoints"]["cdn"] == JOBS
    ends = {run["executionId"]: datetime.fromisoformat(run["endsAt"]) for run in runs}
    for job in jobs:
        polls = [datetime.fromisoformat(poll) for poll in stats["polls"][job["executionId"]]]
        check_rhythm(job, polls, ends[job["executionId"]])
    shares = [poller.out.read_text().count("job_stored") for poller in product.pollers]
    assert min(shares) > 0, "one poller had nothing to do, so the test proves nothing"
    note(
        request.config,
        f"two pollers: stored {shares[0]} and {shares[1]} of {JOBS} jobs, {stats['endpoints']['poll']} polls",
    )


async def post(caller: Caller, number: int) -> dict[str, Any]:
    """Submit jobs at intervals: one poller would take all of a burst."""
    answer = await caller.http.post("/", json={"prompt": f"prompt {number}", "aspect_ratio": "4:1"})
    await asyncio.sleep(0.25)
    return answer.raise_for_status().json()


def check_rhythm(job: dict[str, Any], polls: list[datetime], end: datetime) -> None:
    """Polls may be late, and fewer then. Two pollers on one job would make more polls, closer together."""
    started = datetime.fromisoformat(job["startedAt"])
    assert len(polls) <= (end - started).total_seconds() / MIN_PAUSE + 1, polls
    for earlier, later in pairwise(polls):
        assert (later - earlier).total_seconds() > 0.9 * MIN_PAUSE, polls

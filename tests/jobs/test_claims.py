"""Four processes on one store: each job is claimed by exactly one of them."""

import asyncio
import itertools
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from tests.jobs.places import NOW, Place, a_job

ROOT = Path(__file__).parents[2]
JOBS = 200
BOTH = pytest.mark.parametrize("place", ["sqlite", pytest.param("firestore", marks=pytest.mark.slow)], indirect=True)


@contextmanager
def worker(command: str, place: Place) -> Iterator[subprocess.Popen[str]]:
    arguments = [sys.executable, "-m", "tests.jobs.worker", command, place.name, place.address]
    pipe = subprocess.PIPE
    with subprocess.Popen(arguments, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def claims_of_four(command: str, place: Place) -> Counter[str]:
    """How often each job was claimed by four workers that begin together."""
    with ExitStack() as stack:
        workers = [stack.enter_context(worker(command, place)) for _ in range(4)]
        assert [process.stdout.readline() for process in workers] == ["ready\n"] * 4
        for process in workers:
            process.stdin.write("go\n")
            process.stdin.flush()
        claimed = [process.communicate(timeout=120)[0].split() for process in workers]
        assert [process.returncode for process in workers] == [0] * 4
    return Counter(itertools.chain(*claimed))


async def record_due_jobs(place: Place) -> set[str]:
    store = place.open()
    jobs = [a_job(f"job{number}", due_at=NOW - timedelta(seconds=number)) for number in range(JOBS)]
    await asyncio.gather(*(store.create(job) for job in jobs))
    await store.close()
    return {job.id for job in jobs}


@BOTH
async def test_four_processes_claim_each_job_once(place: Place):
    recorded = await record_due_jobs(place)
    claimed = await asyncio.to_thread(claims_of_four, "claim", place)
    assert claimed.keys() == recorded
    assert set(claimed.values()) == {1}
    assert claimed.total() == JOBS


@BOTH
async def test_updates_without_a_precondition_would_be_found_out(place: Place):
    recorded = await record_due_jobs(place)
    claimed = await asyncio.to_thread(claims_of_four, "claim-blindly", place)
    assert claimed.keys() == recorded
    assert claimed.total() > JOBS


async def test_what_a_killed_process_was_told_is_recorded_is_there(sqlite_place: Place):
    recorded = await asyncio.to_thread(ids_until_killed, sqlite_place)
    store = sqlite_place.open()
    assert len(recorded) >= 100
    assert all([await store.get(job_id) for job_id in recorded])
    await store.close()


def ids_until_killed(place: Place) -> list[str]:
    with worker("create", place) as process:
        first = [process.stdout.readline() for _ in range(100)]
        process.kill()
        return [line.strip() for line in first + process.stdout.readlines() if line.endswith("\n")]

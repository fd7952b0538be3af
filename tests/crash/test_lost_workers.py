"""A job that kills each worker process that works on it: it runs alone, then it fails, and the others succeed."""

from pathlib import Path

import pytest

from tests.crash.kills import end_leases_of_killed_workers, lines_of, places_of
from tests.crash.senders import SMALL
from tests.harness.background import meanwhile
from tests.processes.product import UNLIMITED, Product

HEALTHY = 8
SECONDS = 90.0
SETTINGS = {**UNLIMITED, "LEASE_SECONDS": "20", "POLL_WINDOW_SECONDS": "10"}


@pytest.mark.slow
@pytest.mark.parametrize("store", ["sqlite", "firestore"])
async def test_a_job_that_kills_its_workers_fails_and_takes_no_other_along(
    store: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = places_of(store, tmp_path, request)
    for name, value in places.environ.items():
        monkeypatch.setenv(name, value)  # the test opens the store, too
    kills = tmp_path / "kills"
    product = Product(
        tmp_path,
        places,
        settings={**SETTINGS, "KILLS": str(kills)},
        simulator={"SIMULATOR_RUN_SECONDS": "5-8"},
        poller_source="tests/crash/deadly_poller.py",
    )
    jobs = places.jobs()
    async with product.running() as caller, meanwhile(end_leases_of_killed_workers(kills, jobs)):
        prompts = ["a [deadly] cat", *(f"cat {number}" for number in range(HEALTHY))]
        ids = [await caller.submit(prompt=prompt, **SMALL) for prompt in prompts]
        deadly, *healthy = [await caller.finished(job_id, SECONDS) for job_id in ids]
    await jobs.close()

    assert (deadly["status"], deadly["errorCode"], deadly["errorCharged"]) == ("failed", "worker_lost", "unknown")
    assert [(job["status"], job["possibleDuplicate"]) for job in healthy] == [("succeeded", False)] * HEALTHY
    first, second, third, *alone = lines_of(kills)
    assert [line.split()[0] for line in (first, second, third)] == ["False"] * 3
    assert first != "False 0", "the worker held other jobs, too"
    assert alone == ["True 0"] * 2

"""A poller that is killed between two steps starts no following job twice, and leaves no image of an erased job."""

import asyncio
from collections import Counter
from pathlib import Path

import httpx
import pytest

from tests.crash.input_images import images_of
from tests.crash.kills import places_of
from tests.crash.senders import SMALL
from tests.processes.product import UNLIMITED, Places, Product

PLACES = ["before the next job", "after the next job", "before the images", "after the images"]  # of the kills
JOBS = 4
SECONDS = 120.0
SIMULATOR = {"SIMULATOR_RUN_SECONDS": "0.3-0.8"}


@pytest.mark.parametrize("store", ["sqlite", pytest.param("firestore", marks=pytest.mark.slow)])
async def test_one_job_follows_each_and_an_erasure_is_completed_whenever_the_poller_is_killed(
    store: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    kills = tmp_path / "kills"
    settings = {**UNLIMITED, "LEASE_SECONDS": "20", "KILLS": str(kills)}
    source = "tests/crash/deadly_wrap_up.py"
    places = places_of(store, tmp_path, request)
    product = Product(tmp_path, places, settings=settings, simulator=SIMULATOR, poller_source=source)
    async with product.running() as caller:
        ids = [await caller.submit(prompt=f"cat {number}", **SMALL, then="default") for number in range(JOBS)]
        followers = [await _follower(caller.http, job_id) for job_id in ids]
        ended = [await caller.finished(job_id, SECONDS) for job_id in (*ids, *followers)]
        listed = (await caller.http.get("/jobs?limit=100")).json()["jobs"]
        runs = Counter(run["prompt"] for run in await caller.runs())
        assert all(images_of(places, job_id) for job_id in ids)
        erased = [await caller.http.delete(f"/jobs/{job_id}?erase=true") for job_id in ids]
        await _until_gone(places, ids)

    assert {job["status"] for job in ended} == {"succeeded"}
    assert sorted(job["id"] for job in listed) == sorted([*ids, *followers])
    assert runs == {f"cat {number}": 2 for number in range(JOBS)}
    assert {response.status_code for response in erased} == {204}
    assert kills.read_text().splitlines() == PLACES
    assert not any(images_of(places, job_id) for job_id in ids)
    assert all(images_of(places, job_id) for job_id in followers)


async def _follower(http: httpx.AsyncClient, job_id: str) -> str:
    for _ in range(round(SECONDS)):
        if following := (await http.get(f"/jobs/{job_id}")).json()["nextJobs"]:
            (follower,) = following
            return str(follower)
        await asyncio.sleep(1)
    raise AssertionError(f"nothing follows {job_id}")


async def _until_gone(places: Places, ids: list[str]) -> None:
    for _ in range(round(SECONDS)):
        if not any([await asyncio.to_thread(images_of, places, job_id) for job_id in ids]):
            return
        await asyncio.sleep(1)

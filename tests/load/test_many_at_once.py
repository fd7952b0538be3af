"""Many requests at once: each is accepted, paid once, and its image stored."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.harness.measurements import note
from tests.load.sending import send
from tests.processes.product import PATIENCE, UNLIMITED, Caller, Places, Product
from tests.servers.process import IDLE_LIMITS

CLIENTS = 8  # a single connection pool would be the bottleneck
SECONDS = 300.0


@pytest.mark.parametrize(("count", "run_seconds"), [(10, "1-2"), pytest.param(200, "10-20", marks=pytest.mark.slow)])
async def test_all_succeed_and_each_is_paid_and_stored_once(
    firestore_emulator: str,
    storage_server: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    count: int,
    run_seconds: str,
):
    places = Places.cloud(firestore_emulator, storage_server)
    product = Product(tmp_path, places, settings=UNLIMITED, simulator={"SIMULATOR_RUN_SECONDS": run_seconds})
    async with product.running() as caller:
        first, _ = await post(caller.http, "the first, which warms up functions and emulators")
        await caller.finished(first["id"], SECONDS)
        began = time.monotonic()
        answers = await post_all(product.trigger.url, count)
        posted = time.monotonic() - began
        jobs = [await caller.finished(job["id"], SECONDS) for job in (first, *(job for job, _ in answers))]
        ended = time.monotonic() - began
        runs, stats, objects = await caller.runs(), await caller.stats(), await stored(caller, product, storage_server)
    again = sum(times for _, times in answers)
    note(
        request.config,
        f"load: {count} jobs posted in {posted:.1f} s ({again} retries after 503), "
        f"all stored after {ended:.1f} s, including runs of {run_seconds} s",
    )

    assert not [line for function in product.functions for line in function.lost_workers()]
    assert {job["status"] for job in jobs} == {"succeeded"}
    assert len({job["id"] for job in jobs}) == len(runs) == stats["paidRuns"] == 1 + count
    assert not any(job["possibleDuplicate"] for job in jobs)
    paid = {run["executionId"]: run for run in runs}
    assert {job["prompt"] for job in jobs} == {run["prompt"] for run in runs}
    expected = {}
    for job in jobs:
        (image,), (drawn,) = job["images"], paid[job["executionId"]]["pictures"]
        assert image["sha256"] == drawn["sha256"]
        expected[f"images/jobs/{job['id']}/1/0.png"] = image["sha256"]
    assert objects == expected


async def post_all(url: str, count: int) -> list[tuple[dict[str, Any], int]]:
    """Submit all prompts at once; return the jobs, each with its number of retries."""
    async with clients(url) as pools:
        return await asyncio.gather(*(post(pools[number % CLIENTS], f"prompt {number}") for number in range(count)))


async def post(http: httpx.AsyncClient, prompt: str) -> tuple[dict[str, Any], int]:
    """Submit a prompt; retry after a 503, which a busy machine may cause."""
    headers, again = {"Idempotency-Key": prompt.replace(" ", "-")}, 0
    while True:
        answer = await send(http, json={"prompt": prompt, "aspect_ratio": "4:1"}, headers=headers)
        if answer.status_code == 202:
            return answer.json(), again
        assert answer.status_code == 503, answer.text
        again += 1
        await asyncio.sleep(int(answer.headers["retry-after"]))


@asynccontextmanager
async def clients(url: str) -> AsyncIterator[list[httpx.AsyncClient]]:
    pools = [
        httpx.AsyncClient(base_url=url, timeout=PATIENCE, limits=IDLE_LIMITS, trust_env=False) for _ in range(CLIENTS)
    ]
    try:
        yield pools
    finally:
        for pool in pools:
            await pool.aclose()


async def stored(caller: Caller, product: Product, storage_server: str) -> dict[str, str]:
    """Return the sha256 of every object in the bucket, by name."""
    bucket = f"{storage_server}/storage/v1/b/{product.places.bucket}/o"
    listed = (await caller.http.get(bucket)).raise_for_status().json()
    assert "nextPageToken" not in listed
    found = {}
    for item in listed["items"]:
        body = await caller.http.get(f"{bucket}/{quote(item['name'], safe='')}?alt=media")
        found[item["name"]] = hashlib.sha256(body.raise_for_status().content).hexdigest()
    return found

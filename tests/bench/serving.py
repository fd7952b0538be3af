"""How many requests a second the trigger answers, and how long it takes until an image is stored."""

import asyncio
import json
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from tests.bench.cold_start import BARE
from tests.bench.row import Row
from tests.processes.function import Function
from tests.processes.product import UNLIMITED, Caller, Places, Product

POSTS, AT_ONCE = 400, 8
WARMING, JOBS, SECONDS = 40, 5, 60.0
LAG_JOBS, LAG_PAUSE, MEDIAN_LAG = 100, 1.0, 2.5
WOKEN = "tests/bench/woken.py"
# A run of no time at all is found by its first poll, a second after its start.
FIRST_POLL = 1.0


async def posts(folder: Path) -> list[Row]:
    """Requests a second, on a few connections at once, on SQLite: a bare function, a read, a post."""
    bare = await asyncio.to_thread(_bare, folder)
    try:
        plain = await _rate(bare.port, lambda _: _request("GET", "/"))
    finally:
        await asyncio.to_thread(bare.kill)
    product = Product(folder, Places.local(folder), settings=UNLIMITED, simulator={"SIMULATOR_RUN_SECONDS": "60"})
    async with product.running() as caller:
        job = (await _post(caller, POSTS)).json()
        reads = await _rate(product.trigger.port, lambda _: _request("GET", f"/jobs/{job['id']}"))
        posted = await _rate(product.trigger.port, lambda number: _request("POST", "/", {"prompt": f"prompt {number}"}))
    return [
        Row("a bare function: GET", plain, "/s"),
        Row("trigger: GET /jobs/{id}", reads, "/s", plain),
        Row("trigger: POST /", posted, "/s", plain),
    ]


async def stored(folder: Path) -> list[Row]:
    """Seconds from a POST to the stored image of a run that takes no time, one job after the other."""
    product = Product(folder, Places.local(folder), settings=UNLIMITED, simulator={"SIMULATOR_RUN_SECONDS": "0"})
    async with product.running() as caller:
        taken = [await _until_stored(caller, number) for number in range(JOBS)]
    return [Row("POST to stored image, run of 0 s (plain: the first poll)", statistics.median(taken), "s", FIRST_POLL)]


async def lag(folder: Path) -> list[Row]:
    """Seconds from prompt to stored image of runs of 10 to 20 s, without the run and the wait for its start.

    The poller is called once a minute and by wake-ups, as deployed.
    """
    place = folder / "poller.url"
    product = Product(
        folder,
        Places.local(folder),
        settings=UNLIMITED | {"POLLER_URL_FILE": str(place)},
        simulator={"SIMULATOR_RUN_SECONDS": "10-20"},
        trigger_source=WOKEN,
        poller_source=WOKEN,
        scheduled=True,
    )
    place.write_text(product.pollers[0].url)
    async with product.running() as caller:
        posted = []
        for number in range(LAG_JOBS):
            posted.append((await _post(caller, number)).json())
            await asyncio.sleep(LAG_PAUSE)
        jobs = [await caller.finished(job["id"], SECONDS) for job in posted]
        runs = {run["executionId"]: run for run in await caller.runs()}
    lags = sorted(_lag(job, runs[job["executionId"]]) for job in jobs)
    what = f"prompt to stored image without the run, {LAG_JOBS} jobs"
    return [
        Row(f"{what}: median", statistics.median(lags), "s", at_most=MEDIAN_LAG),
        Row(f"{what}: 95th percentile", lags[len(lags) * 95 // 100], "s"),
    ]


def _lag(job: dict[str, Any], run: dict[str, Any]) -> float:
    created, completed = (datetime.fromisoformat(job[name]) for name in ("createdAt", "completedAt"))
    started, ended = (datetime.fromisoformat(run[name]) for name in ("startedAt", "endsAt"))
    return (completed - ended + started - created).total_seconds()


async def _until_stored(caller: Caller, number: int) -> float:
    began = time.perf_counter()
    job = (await _post(caller, number)).json()
    job = await caller.finished(job["id"], SECONDS, pause=0.05)
    assert job["status"] == "succeeded", job
    return time.perf_counter() - began


async def _post(caller: Caller, number: int) -> httpx.Response:
    answer = await caller.http.post("/", json={"prompt": f"prompt {number}", "aspect_ratio": "16:1"})
    return answer.raise_for_status()


async def _rate(port: int, request: Callable[[int], bytes]) -> float:
    """Over plain sockets: a client library would take longer than what is measured."""

    async def work(numbers: Iterator[int]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in numbers:
            writer.write(request(number))
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert head.split(b" ", 2)[1] in (b"200", b"202"), head
            await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n")[0]))
        writer.close()
        await writer.wait_closed()

    await work(iter(range(-WARMING, 0)))
    waiting = iter(range(POSTS))
    began = time.perf_counter()
    await asyncio.gather(*(work(waiting) for _ in range(AT_ONCE)))
    return POSTS / (time.perf_counter() - began)


def _request(method: str, path: str, body: dict[str, str] | None = None) -> bytes:
    content = json.dumps(body).encode() if body else b""
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


def _bare(folder: Path) -> Function:
    place = folder / "bare"
    place.mkdir()
    (place / "main.py").write_text(BARE)
    return Function("bare", folder, {}, folder=place, ready="/").start()

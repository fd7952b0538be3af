"""Whether a claim costs the same however many jobs wait: the read of a job and the conditional write.

On both stores; the sizes are measured in turn, and the best of all is compared: the others show what else the machine
did. SQLite is measured on one core: each file has a thread of its own, and waking a thread that the system has placed
on another core takes a quarter of a claim, however many jobs wait. A scan finds the jobs of several claims, as in a
window. It is measured too, with a target on SQLite only: the Firestore emulator has no indexes and walks the collection
for every query, and then collects the garbage of that.
"""

import asyncio
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path

from shared.job_states import Status
from shared.jobs.firestore import FirestoreJobs
from shared.jobs.sqlite import SqliteJobs
from shared.ports import JobStore
from shared.runtime.lease import Lease
from shared.wiring import SystemClock
from tests.bench.accept import waiting_jobs
from tests.bench.row import Row
from tests.servers.firestore import running_emulator

WAITING = (100, 10_000, 100_000)
SHORT = (100, 1_000)
ROUNDS, CLAIMS = 5, 16
MOST = 1.2  # times as long as with the fewest
LEASE_SECONDS = 60.0


def measure(folder: Path, sizes: Sequence[int], *, targets: bool) -> list[Row]:
    """Milliseconds of a claim, the best of some rounds."""
    with running_emulator(folder / "emulator.log") as emulator:
        os.environ["FIRESTORE_EMULATOR_HOST"] = emulator
        return asyncio.run(_measure(folder, sizes, targets=targets))


async def _measure(folder: Path, sizes: Sequence[int], *, targets: bool) -> list[Row]:
    rows = []
    for kind in ("SQLite", "Firestore"):
        stores = {size: _sqlite(folder, size) if kind == "SQLite" else _firestore() for size in sizes}
        async with AsyncExitStack() as stack:
            stack.enter_context(_one_core() if kind == "SQLite" else nullcontext())
            for size, store in stores.items():
                stack.push_async_callback(store.close)
                for jobs in waiting_jobs(size, held=False):
                    await store.create_all(jobs)
            scans: dict[int, list[float]] = {size: [] for size in sizes}
            claims: dict[int, list[float]] = {size: [] for size in sizes}
            for _ in range(ROUNDS):
                for size, store in stores.items():
                    await _claim_some(store, scans[size], claims[size])
        for what, taken in (("scan for the head of the queue", scans), ("claim", claims)):
            best = {size: min(taken[size]) for size in sizes}
            has_target = targets and not (kind == "Firestore" and taken is scans)
            rows += [
                Row(
                    f"{kind}: {what}, {size:,} waiting",
                    best[size],
                    "ms",
                    best[sizes[0]],
                    at_most=MOST * best[sizes[0]] if has_target else None,
                )
                for size in sizes
            ]
    return rows


@contextmanager
def _one_core() -> Iterator[None]:
    """Keep this thread, and those it starts, on one core, where the system can."""
    if not hasattr(os, "sched_setaffinity"):  # only Linux has it
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def _sqlite(folder: Path, size: int) -> JobStore:
    return SqliteJobs(folder / f"{size}.db")


def _firestore() -> JobStore:
    return FirestoreJobs(f"claims-{uuid.uuid4().hex[:8]}", seconds=60.0)


async def _claim_some(store: JobStore, scans: list[float], claims: list[float]) -> None:
    """Claim the jobs at the head of the queue, as a worker does; add the milliseconds of the scan and of each claim."""
    clock = SystemClock()
    began = time.perf_counter()
    rows = await store.queue_head(clock.now(), CLAIMS)
    scans.append(1000 * (time.perf_counter() - began))
    for row in rows:
        began = time.perf_counter()
        job = await store.get(row.id)
        assert job
        assert job.status is Status.QUEUED
        triggered = job.triggered(clock.now(), clock.now() + timedelta(seconds=LEASE_SECONDS))
        assert await Lease.claim(triggered, store, clock, LEASE_SECONDS)
        claims.append(1000 * (time.perf_counter() - began))

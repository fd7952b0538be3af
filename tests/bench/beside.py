"""How long images take beside hostile traffic, and beside receivers that do not respond: the same run with and without.

It runs alone: what else keeps the processors busy would count as a delay. `tests/storm` checks what becomes of the jobs
and messages, and tests on virtual time (`tests/steps`) that nothing waits for a receiver or for another caller's jobs.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.row import Row
from tests.processes.product import Places
from tests.servers.firestore import running_emulator
from tests.servers.storage import running_storage
from tests.storm import receivers_run, storm_run
from tests.storm.receivers_run import FAILS, ReceiversRun
from tests.storm.storm_run import StormRun

MAX_STORM, MAX_RECEIVERS = 1.5, 1.1  # times as long as without


def storm(folder: Path) -> list[Row]:
    """Seconds of the slowest of 200 jobs on the emulators, with and without hostile traffic."""
    with _emulators(folder) as places:
        slowest = {name: asyncio.run(_storm(places(), folder / name, name == "storm")) for name in ("calm", "storm")}
    return [_row("slowest image of 200 beside hostile traffic", slowest["storm"], slowest["calm"], MAX_STORM)]


async def _storm(places: Places, folder: Path, hostile: bool) -> float:
    report = await StormRun(storm_run.LONG, places, folder, hostile=hostile).run()
    assert {job["status"] for job in report.honest} == {"succeeded"}
    return max(report.seconds)


def receivers(folder: Path) -> list[Row]:
    """Seconds of 200 images on either store, with and without receivers, most of which are broken."""
    rows = []
    with _emulators(folder) as cloud:
        for store in ("SQLite", "Firestore"):
            speeds = []
            for has_receivers in (False, True):
                (place := folder / f"{store}-{has_receivers}").mkdir()
                places = Places.local(place) if store == "SQLite" else cloud()
                speeds.append(asyncio.run(_receivers(places, place / "run", has_receivers)))
            for what, calm, beside in zip(("mean", "nine of ten"), *speeds, strict=True):
                rows.append(_row(f"{store}: image beside broken receivers, {what}", beside, calm, MAX_RECEIVERS))
    return rows


async def _receivers(places: Places, folder: Path, has_receivers: bool) -> tuple[float, float]:
    report = await ReceiversRun(receivers_run.LONG, places, folder, receivers=has_receivers).run()
    assert all(job["status"] == "succeeded" for job in report.jobs if FAILS not in job["prompt"])
    return report.speed


def _row(what: str, beside: float, calm: float, most: float) -> Row:
    return Row(what, beside, "s", calm, at_most=most * calm)


@contextmanager
def _emulators(folder: Path) -> Iterator[Callable[[], Places]]:
    """Provide new places on the emulators of Firestore and Cloud Storage."""
    with (
        running_emulator(folder / "emulator.log") as firestore,
        running_storage(folder / "storage.log") as storage,
    ):
        os.environ["FIRESTORE_EMULATOR_HOST"] = firestore
        yield lambda: Places.cloud(firestore, storage)

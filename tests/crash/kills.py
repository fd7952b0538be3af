"""What tests that kill workers share: the kills so far, and leases that end at once."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.job_states import Status
from shared.ports import JobStore
from shared.store_errors import StoreError
from tests.processes.product import Places


async def end_leases_of_killed_workers(kills: Path, store: JobStore) -> None:
    """After each kill make the jobs due that the worker held, as if their leases had ended.

    Those whose paid call is being made are the trigger's, which was not killed.
    """
    seen = 0
    while True:
        if (count := len(lines_of(kills))) > seen:
            seen = count
            now = datetime.now(UTC)
            for row in await store.due(now + timedelta(minutes=1), 100):
                with suppress(StoreError):
                    if (job := await store.get(row.id)) and job.due_at and job.status is not Status.TRIGGERING:
                        await store.save(job.evolve(due_at=min(job.due_at, now)))
        await asyncio.sleep(0.1)


def lines_of(file: Path) -> list[str]:
    """Return the lines of a file, none if there is no such file."""
    return file.read_text().splitlines() if file.exists() else []


def places_of(store: str, folder: Path, request: pytest.FixtureRequest) -> Places:
    """Return the places of a product on this store; skip if its server is not available."""
    if store == "sqlite":
        return Places.local(folder)
    firestore, storage = (request.getfixturevalue(name) for name in ("firestore_emulator", "storage_server"))
    return Places.cloud(firestore, storage)

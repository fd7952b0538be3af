"""A place and a store of it for each test, of both kinds."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.ports import JobStore
from tests.jobs.places import FirestorePlace, Place, SqlitePlace


@pytest.fixture
def sqlite_place(tmp_path: Path) -> SqlitePlace:
    return SqlitePlace(str(tmp_path / "state" / "jobs.db"))


@pytest.fixture
def firestore_place(firestore_emulator: str, monkeypatch: pytest.MonkeyPatch) -> FirestorePlace:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_emulator)
    return FirestorePlace(f"test-{uuid.uuid4().hex[:20]}")


@pytest.fixture(params=["sqlite", "firestore"])
def place(request: pytest.FixtureRequest) -> Place:
    return request.getfixturevalue(f"{request.param}_place")


@pytest.fixture
async def store(place: Place) -> AsyncIterator[JobStore]:
    store = place.open()
    yield store
    await store.close()

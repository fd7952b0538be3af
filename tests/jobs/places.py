"""Job stores for tests: how to open them, and how to read and write their documents directly."""

import asyncio
import json
import sqlite3
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from shared.job import Job
from shared.job_states import Status
from shared.jobs.sqlite import SqliteJobs
from shared.ports import JobStore

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
PATIENCE = 60.0  # seconds: a busy machine is no fault of the store


def a_job(job_id: str = "job1", **changes: Any) -> Job:
    """A job that waits for nothing, unless `changes` say otherwise."""
    known: dict[str, Any] = {
        "status": Status.QUEUED,
        "prompt": "a red fox",
        "created_at": NOW,
        "expire_at": NOW + timedelta(days=90),
        "give_up_at": NOW + timedelta(hours=72),
    }
    return Job(id=job_id, **(known | changes))


async def outcomes(*calls: Awaitable[object]) -> list[object]:
    """What became of calls made at once: results and exceptions."""
    return await asyncio.gather(*calls, return_exceptions=True)


class Place(Protocol):
    """One kind of store, with data of its own for each test."""

    name: str
    address: str  # what another process needs to open it

    def open(self) -> JobStore:
        """A new client of the same data."""

    async def create(self, path: str, document: dict[str, Any]) -> None:
        """Create a document as another version of the code would; times are `{"$date": "..."}`."""

    async def put(self, path: str, **fields: Any) -> None:
        """Set fields of a document as another version of the code, or a person, would."""

    async def look(self, path: str) -> dict[str, Any]:
        """The document as it is stored; a path is `jobs/ID` or `control/ID`."""


@dataclass
class SqlitePlace:
    """A file of its own."""

    address: str
    name = "sqlite"

    def open(self) -> JobStore:
        return SqliteJobs(self.address, PATIENCE)

    async def create(self, path: str, document: dict[str, Any]) -> None:
        table, row = path.split("/")
        insert = f"INSERT INTO {table} (id, version, document) VALUES (?, 1, ?)"
        await asyncio.to_thread(self._run, insert, row, json.dumps(document))

    async def put(self, path: str, **fields: Any) -> None:
        table, row = path.split("/")
        update = f"UPDATE {table} SET version = version + 1, document = json_patch(document, ?) WHERE id = ?"
        await asyncio.to_thread(self._run, update, json.dumps(fields), row)

    async def look(self, path: str) -> dict[str, Any]:
        table, row = path.split("/")
        ((document,),) = await asyncio.to_thread(self._run, f"SELECT document FROM {table} WHERE id = ?", row)
        return json.loads(document)

    def _run(self, statement: str, *values: Any) -> list[Any]:
        with sqlite3.connect(Path(self.address)) as sql:
            rows = sql.execute(statement, values).fetchall()
        sql.close()
        return rows


@dataclass
class FirestorePlace:
    """A project of its own on the emulator of FIRESTORE_EMULATOR_HOST."""

    address: str
    name = "firestore"

    def open(self) -> JobStore:
        from shared.jobs.firestore import FirestoreJobs  # here: a worker on a file need not load gRPC

        return FirestoreJobs(self.address, seconds=PATIENCE)

    async def create(self, path: str, document: dict[str, Any]) -> None:
        fields = json.loads(json.dumps(document), object_hook=_time)
        await asyncio.to_thread(self._with_client, lambda client: client.document(path).create(fields))

    async def put(self, path: str, **fields: Any) -> None:
        await asyncio.to_thread(self._with_client, lambda client: client.document(path).update(fields))

    async def look(self, path: str) -> dict[str, Any]:
        return await asyncio.to_thread(self._with_client, lambda client: client.document(path).get().to_dict())

    def _with_client(self, work: Any) -> Any:
        from google.cloud.firestore import Client

        client = Client(project=self.address)
        try:
            return work(client)
        finally:
            client.close()


def _time(value: dict[str, Any]) -> Any:
    return datetime.fromisoformat(value["$date"]) if value.keys() == {"$date"} else value


PLACES = {place.name: place for place in (SqlitePlace, FirestorePlace)}

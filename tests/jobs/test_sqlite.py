"""SQLite only: new files, locked files, files that are not a database, and directories that are not writable."""

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from shared.jobs.sqlite import BATCH_ROWS, COUNT_AHEAD, DUE, LIST_JOBS, QUEUE, SqliteJobs
from shared.ports import JobQuery
from shared.store_errors import StoreUnavailable
from tests.jobs.places import NOW, PATIENCE, SqlitePlace, a_job


async def test_a_new_file_can_be_opened_concurrently(tmp_path: Path):
    for attempt in range(20):
        stores = [SqliteJobs(tmp_path / f"{attempt}.db") for _ in range(6)]
        assert len(set(await asyncio.gather(*(store.id_secret() for store in stores)))) == 1
        await asyncio.gather(*(store.close() for store in stores))


async def test_a_locked_file_is_unavailable_in_time_and_works_again_later(sqlite_place: SqlitePlace):
    store = SqliteJobs(sqlite_place.address, seconds=0.1)
    job = await store.create(a_job())
    other = sqlite3.connect(sqlite_place.address, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked") as raised:
        await store.save(job)
    assert isinstance(raised.value.__cause__, sqlite3.OperationalError)
    assert await store.get("job1") == job
    other.execute("ROLLBACK")
    other.close()
    await store.save(job)
    await store.close()


@pytest.fixture
def held(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A new file, not yet in WAL mode, locked by another connection."""
    other = sqlite3.connect(tmp_path / "jobs.db", isolation_level=None)
    other.execute("CREATE TABLE theirs (id)")
    other.execute("BEGIN IMMEDIATE")
    yield other
    other.close()


async def test_a_locked_new_file_is_opened_when_it_is_released(tmp_path: Path, held: sqlite3.Connection):
    store = SqliteJobs(tmp_path / "jobs.db", seconds=PATIENCE)
    asyncio.get_running_loop().call_later(0.1, held.execute, "ROLLBACK")
    assert await store.get("job1") is None
    await store.close()


async def test_a_new_file_that_stays_locked_is_unavailable_and_works_later(tmp_path: Path, held: sqlite3.Connection):
    store = SqliteJobs(tmp_path / "jobs.db", seconds=0.1)
    with pytest.raises(StoreUnavailable, match="locked"):
        await store.get("job1")
    held.execute("ROLLBACK")
    assert await store.get("job1") is None
    await store.close()


async def test_a_file_that_is_not_a_database_is_unavailable(tmp_path: Path):
    (tmp_path / "jobs.db").write_text("no database " * 100)
    store = SqliteJobs(tmp_path / "jobs.db", seconds=0.1)
    with pytest.raises(StoreUnavailable, match="not a database"):
        await store.get("job1")
    await store.close()


async def test_a_directory_that_cannot_be_created_is_unavailable(tmp_path: Path):
    (tmp_path / "file").write_text("")
    store = SqliteJobs(tmp_path / "file" / "jobs.db")
    with pytest.raises(StoreUnavailable) as raised:
        await store.get("job1")
    assert isinstance(raised.value.__cause__, OSError)
    await store.close()


async def test_the_file_is_used_by_a_single_thread_of_the_store(sqlite_place: SqlitePlace):
    before = threads_of_stores()
    store = SqliteJobs(sqlite_place.address)
    assert threads_of_stores() == before
    await asyncio.gather(*(store.get("job1") for _ in range(50)))
    assert len(threads_of_stores() - before) == 1
    await store.close()
    assert threads_of_stores() <= before


def threads_of_stores() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("sqlite")}


async def test_scans_use_their_index(sqlite_place: SqlitePlace):
    store = SqliteJobs(sqlite_place.address)
    await store.create(a_job(due_at=NOW, queue_at=NOW + timedelta(seconds=1)))
    await store.close()
    sql = sqlite3.connect(sqlite_place.address)
    plans = [
        sql.execute(f"EXPLAIN QUERY PLAN {query}", values).fetchall()
        for query, values in (
            (DUE, ("", "2027", 1)),
            (QUEUE, ("", "2027", 1)),
            (COUNT_AHEAD, ("2027",)),
            (LIST_JOBS, ("", "~", "", "zap", None, None, None, 1)),
            (BATCH_ROWS, ("b", 1_000)),
        )
    ]
    sql.close()
    assert [[step[3] for step in plan] for plan in plans] == [
        ["SEARCH jobs USING INDEX jobs_due (due_at>? AND due_at<?)"],
        ["SEARCH jobs USING INDEX jobs_line (queue_at>? AND queue_at<?)"],
        ["SEARCH jobs USING INDEX jobs_line (queue_at<?)"],
        ["SEARCH jobs USING INDEX jobs_created (<expr>>? AND <expr><?)"],
        ["SEARCH jobs USING INDEX jobs_batch (<expr>=?)"],
    ]


FIRST_SCHEMA = """
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    document TEXT NOT NULL,
    due_at TEXT AS (json_extract(document, '$.dueAt."$date"')),
    queue_at TEXT AS (json_extract(document, '$.queueAt."$date"'))
);
CREATE INDEX jobs_due ON jobs (due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX jobs_line ON jobs (queue_at, id) WHERE queue_at IS NOT NULL;
CREATE TABLE control (id TEXT PRIMARY KEY, version INTEGER NOT NULL, document TEXT NOT NULL);
INSERT INTO jobs (id, version, document) VALUES ('old', 3, '{"status": "queued", "prompt": "a fox",
    "createdAt": {"$date": "2026-01-31T12:00:00.000000+00:00"},
    "expireAt": {"$date": "2026-05-01T12:00:00.000000+00:00"},
    "giveUpAt": {"$date": "2026-02-03T12:00:00.000000+00:00"},
    "queueAt": {"$date": "2026-01-31T12:00:00.000000+00:00"}}');
"""


async def test_a_file_of_the_first_version_is_opened_and_its_jobs_are_listed(tmp_path: Path):
    with sqlite3.connect(tmp_path / "jobs.db") as sql:
        sql.executescript(FIRST_SCHEMA)
    sql.close()
    store = SqliteJobs(tmp_path / "jobs.db")
    await store.create(a_job("new"))
    assert [job.id for job in await store.list_jobs(JobQuery(limit=9))] == ["new", "old"]
    (row,) = await store.queue_head(NOW, 9)
    old = await store.get(row.id)
    assert (await store.save(old.evolve(attempt=2))).revision == 4
    await store.close()

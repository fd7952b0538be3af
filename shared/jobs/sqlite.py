"""Jobs in one SQLite file, for local runs. Several processes may share it, and a killed process loses no commit.

The documents are those of Firestore as JSON. A time is `{"$date": "2026-01-31T12:00:00.000000+00:00"}`, as in MongoDB's
extended JSON, so that it is read back as a time. The fields that scans search are generated columns; the list searches
an expression, because an index can be added to a file of an earlier version, a column cannot.
"""

import dataclasses
import json
import secrets
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from shared.batches import MAX_ROWS, Batch, BatchRow
from shared.bulk_action import BulkAction
from shared.hooks import Hook, HookStatus
from shared.job import Job
from shared.job_states import IN_FLIGHT
from shared.jobs.action_documents import action_from_document, action_to_document
from shared.jobs.batch_documents import (
    BATCH_ROW_FIELDS,
    batch_from_document,
    batch_row_from_document,
    batch_to_document,
)
from shared.jobs.documents import (
    Row,
    check_batch,
    first_readable,
    gate_from_document,
    gate_to_document,
    hooks_in,
    job_of,
    rate_window_from_document,
    rate_window_to_document,
    utc,
)
from shared.jobs.hook_documents import MAX_READ, hook_to_document
from shared.jobs.job_documents import LISTED_FIELDS, ROW_FIELDS, listed_from_document, row_from_document, to_document
from shared.jobs.sqlite_file import SqliteFile
from shared.jobs.usage_documents import (
    usage_from_document,
    usage_row,
    usage_to_document,
    versions_from_document,
    versions_to_document,
)
from shared.listed_job import ListedJob
from shared.ports import JobQuery, JobRow
from shared.spending.gate_state import Gate
from shared.spending.rate_window import RateWindow
from shared.spending.usage import UsageDay, UsageRow, UsageVersions
from shared.store_errors import AlreadyExists, Conflict, StoreUnavailable

SECONDS = 5.0  # to wait for the write of another process
GATE, RATE_WINDOW, IDS, USAGE, ACTION = "wireflow", "form_limits", "ids", "usage_", "action_"
VERSIONS, BATCH = "usage_versions", "batch_"
CREATED = """json_extract(document, '$.createdAt."$date"')"""
EXECUTION = "json_extract(document, '$.executionId')"
BATCH_ID = "json_extract(document, '$.batchId')"
BEFORE_ALL, AFTER_ALL = "", "~"  # sort before and after every time as text

# WAL: readers and one writer do not block each other, and commits survive the process, though with NORMAL perhaps not
# a power failure: https://www.sqlite.org/pragma.html#pragma_synchronous
SCHEMA = (
    """
PRAGMA synchronous = NORMAL;
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    document TEXT NOT NULL,
    due_at TEXT AS (json_extract(document, '$.dueAt."$date"')),
    queue_at TEXT AS (json_extract(document, '$.queueAt."$date"'))
);
CREATE INDEX IF NOT EXISTS jobs_due ON jobs (due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS jobs_line ON jobs (queue_at, id) WHERE queue_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS jobs_created ON jobs (CREATED, id);
CREATE INDEX IF NOT EXISTS jobs_execution ON jobs (EXECUTION) WHERE EXECUTION IS NOT NULL;
CREATE INDEX IF NOT EXISTS jobs_batch ON jobs (BATCH_ID) WHERE BATCH_ID IS NOT NULL;
CREATE TABLE IF NOT EXISTS hooks (id TEXT PRIMARY KEY, version INTEGER NOT NULL, document TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS control (id TEXT PRIMARY KEY, version INTEGER NOT NULL, document TEXT NOT NULL);
COMMIT;
""".replace("CREATED", CREATED)
    .replace("EXECUTION", EXECUTION)
    .replace("BATCH_ID", BATCH_ID)
)

# A merge patch replaces the fields it names, removes those that are null, and keeps the others:
# https://www.sqlite.org/json1.html#jpatch
CREATE_JOBS = """
INSERT INTO jobs (document, id, version) SELECT json_patch('{}', value), key, 1 FROM json_each(?1)
WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE id IN (SELECT key FROM json_each(?1)))
"""
GET_ONE_OF = "SELECT id, document, version FROM jobs WHERE id IN (SELECT key FROM json_each(?)) LIMIT 1"
SAVE_JOB = "UPDATE jobs SET document = json_patch(document, ?), version = version + 1 WHERE id = ? AND version = ?"
GET_JOB = "SELECT id, document, version FROM jobs WHERE id = ?"
MASKED = "'{0}', json_extract(document, '$.{0}')"  # a field of the document
ROW = f"json_object({', '.join(map(MASKED.format, ROW_FIELDS))})"
LISTED = f"json_object({', '.join(map(MASKED.format, LISTED_FIELDS))})"
DUE = "SELECT id, ROW, version FROM jobs WHERE due_at >= ? AND due_at <= ? ORDER BY due_at, id LIMIT ?"
DUE = DUE.replace("ROW", ROW)
DUE_IN_FLIGHT = DUE.replace("ORDER", f"AND json_extract(document, '$.status') IN {tuple(map(str, IN_FLIGHT))} ORDER")
QUEUE = DUE.replace("due_at", "queue_at")
WITH_EXECUTION = f"SELECT id, {ROW}, version FROM jobs WHERE {EXECUTION} = ? ORDER BY id LIMIT ?"  # noqa: S608, a constant
BATCH_ROW = f"json_object({', '.join(map(MASKED.format, BATCH_ROW_FIELDS))})"
BATCH_ROWS = f"SELECT id, {BATCH_ROW}, version FROM jobs WHERE {BATCH_ID} = ? LIMIT ?"  # noqa: S608, constants
COUNT_AHEAD = "SELECT count(*) FROM jobs WHERE queue_at < ?"
COUNT_QUEUED = """
SELECT count(*) FROM (SELECT 1 FROM jobs WHERE due_at IS NOT NULL AND json_extract(document, '$.status') = 'queued'
AND json_extract(document, '$.caller') = ? LIMIT ?)
"""
# Not `(createdAt, id) < (?2, ?3)`: SQLite would start such a search at the newest job, not at the bound.
LIST_JOBS = """
SELECT id, LISTED, version FROM jobs
WHERE CREATED >= ?1 AND CREATED <= ?2 AND (CREATED < ?2 OR id < ?3)
AND (?4 IS NULL OR json_extract(document, '$.caller') = ?4)
AND (?5 IS NULL OR json_extract(document, '$.status') = ?5)
AND (?6 IS NULL OR json_extract(document, '$.workflow') = ?6)
AND (?7 IS NULL OR json_extract(document, '$.batchId') = ?7)
ORDER BY CREATED DESC, id DESC LIMIT ?8
""".replace("CREATED", CREATED).replace("LISTED", LISTED)
CREATE_CONTROL = "INSERT INTO control (document, id, version) VALUES (json_patch('{}', ?), ?, 1) ON CONFLICT DO NOTHING"
SAVE_CONTROL = SAVE_JOB.replace("jobs", "control")
GET_CONTROL = GET_JOB.replace("jobs", "control")
CREATE_HOOK = CREATE_CONTROL.replace("control", "hooks")
SAVE_HOOK = SAVE_JOB.replace("jobs", "hooks")
GET_HOOK = GET_JOB.replace("jobs", "hooks")
DELETE_HOOK = "DELETE FROM hooks WHERE id = ?"
ALL_HOOKS = "SELECT id, document, version FROM hooks LIMIT ?"
HOOKS_OF = "SELECT id, document, version FROM hooks WHERE json_extract(document, '$.caller') = ? LIMIT ?"
ACTIVE_HOOKS = HOOKS_OF.replace("caller", "status")


class SqliteJobs:
    """A `JobStore` in the file `path`, which is created with its directory if it does not exist."""

    def __init__(self, path: str | Path, seconds: float = SECONDS) -> None:
        self._file = SqliteFile(Path(path), seconds, SCHEMA)
        self._secret: bytes | None = None

    async def create(self, job: Job) -> Job:
        """See the port."""
        (created,) = await self.create_all([job])
        return created

    async def create_all(self, jobs: Sequence[Job]) -> list[Job]:
        """See the port. A single statement writes all of them or none."""
        check_batch(jobs)
        documents = _json({job.id: to_document(job) for job in jobs})
        if await self._write(CREATE_JOBS, documents) < len(jobs):
            (row,) = await self._rows(GET_ONE_OF, documents)
            raise AlreadyExists(job_of(row))
        return [job.evolve(revision=1) for job in jobs]

    async def get(self, job_id: str) -> Job | None:
        """See the port."""
        rows = await self._rows(GET_JOB, job_id)
        return job_of(rows[0]) if rows else None

    async def save(self, job: Job) -> Job:
        """See the port."""
        if not await self._write(SAVE_JOB, _json(to_document(job)), job.id, job.revision):
            raise Conflict(f"job {job.id} was changed by another writer")
        return job.evolve(revision=job.revision + 1)

    async def due(
        self, now: datetime, limit: int, since: datetime | None = None, *, in_flight: bool = False
    ) -> list[JobRow]:
        """See the port."""
        bounds, query = (_text(since) if since else "", _text(now)), DUE_IN_FLIGHT if in_flight else DUE
        return await first_readable(partial(self._rows, query, *bounds), limit, row_from_document)

    async def queue_head(self, now: datetime, limit: int, since: datetime | None = None) -> list[JobRow]:
        """See the port."""
        bounds = (_text(since) if since else "", _text(now))
        return await first_readable(partial(self._rows, QUEUE, *bounds), limit, row_from_document)

    async def with_execution(self, execution_id: str, limit: int) -> list[JobRow]:
        """See the port."""
        return await first_readable(partial(self._rows, WITH_EXECUTION, execution_id), limit, row_from_document)

    async def count_ahead(self, queue_at: datetime) -> int:
        """See the port."""
        return await self._file.run(lambda sql: int(sql.execute(COUNT_AHEAD, [_text(queue_at)]).fetchone()[0]))

    async def count_queued(self, caller: str, limit: int) -> int:
        """See the port."""
        return await self._file.run(lambda sql: int(sql.execute(COUNT_QUEUED, [caller, limit]).fetchone()[0]))

    async def list_jobs(self, query: JobQuery) -> list[ListedJob]:
        """See the port."""
        return await first_readable(self._listed(query), query.limit, listed_from_document)

    async def create_batch(self, batch: Batch) -> Batch:
        """See the port."""
        await self._write(CREATE_CONTROL, _json(batch_to_document(batch)), BATCH + batch.id)
        found = await self.get_batch(batch.id)
        if found is None:
            raise StoreUnavailable("a batch was deleted while it was created")
        return found

    async def get_batch(self, batch_id: str) -> Batch | None:
        """See the port."""
        rows = await self._rows(GET_CONTROL, BATCH + batch_id)
        return batch_from_document(batch_id, *rows[0][1:]) if rows else None

    async def save_batch(self, batch: Batch) -> Batch:
        """See the port."""
        revision = await self._save_control(BATCH + batch.id, batch_to_document(batch), batch.revision)
        return dataclasses.replace(batch, revision=revision)

    async def batch_rows(self, batch_id: str) -> list[BatchRow]:
        """See the port."""
        return await first_readable(partial(self._rows, BATCH_ROWS, batch_id), MAX_ROWS, batch_row_from_document)

    async def usage_rows(self, query: JobQuery) -> list[UsageRow]:
        """See the port."""
        return await first_readable(self._listed(query), query.limit, usage_row)

    def _listed(self, query: JobQuery) -> Callable[[int], Coroutine[Any, Any, list[Row]]]:
        since = _text(query.since) if query.since else BEFORE_ALL
        before = (_text(query.before[0]), query.before[1]) if query.before else (AFTER_ALL, "")
        values = (since, *before, query.caller, query.status, query.workflow, query.batch_id)
        return partial(self._rows, LIST_JOBS, *values)

    async def read_usage(self, day: str) -> UsageDay | None:
        """See the port."""
        rows = await self._rows(GET_CONTROL, USAGE + day)
        return usage_from_document(rows[0][1]) if rows else None

    async def save_usage(self, usage: UsageDay) -> None:
        """See the port."""
        await self._write(CREATE_CONTROL, _json(usage_to_document(usage)), USAGE + usage.day)

    async def read_usage_versions(self) -> UsageVersions:
        """See the port."""
        rows = await self._rows(GET_CONTROL, VERSIONS)
        return versions_from_document(*rows[0][1:]) if rows else UsageVersions()

    async def save_usage_versions(self, versions: UsageVersions) -> None:
        """See the port."""
        await self._save_control(VERSIONS, versions_to_document(versions), versions.revision)

    async def read_action(self, action_id: str) -> BulkAction | None:
        """See the port."""
        rows = await self._rows(GET_CONTROL, ACTION + action_id)
        return action_from_document(action_id, *rows[0][1:]) if rows else None

    async def save_action(self, action: BulkAction) -> BulkAction:
        """See the port."""
        revision = await self._save_control(ACTION + action.id, action_to_document(action), action.revision)
        return dataclasses.replace(action, revision=revision)

    async def read_gate(self) -> Gate:
        """See the port."""
        rows = await self._rows(GET_CONTROL, GATE)
        return gate_from_document(*rows[0][1:]) if rows else Gate()

    async def save_gate(self, gate: Gate) -> Gate:
        """See the port."""
        return dataclasses.replace(gate, revision=await self._save_control(GATE, gate_to_document(gate), gate.revision))

    async def read_rate_window(self) -> RateWindow:
        """See the port."""
        found = await self._rows(GET_CONTROL, RATE_WINDOW)
        return rate_window_from_document(*found[0][1:]) if found else RateWindow()

    async def save_rate_window(self, window: RateWindow) -> RateWindow:
        """See the port."""
        revision = await self._save_control(RATE_WINDOW, rate_window_to_document(window), window.revision)
        return dataclasses.replace(window, revision=revision)

    async def create_hook(self, hook: Hook) -> Hook:
        """See the port."""
        if not await self._write(CREATE_HOOK, _json(hook_to_document(hook)), hook.id):
            raise Conflict(f"hook {hook.id} exists")
        return dataclasses.replace(hook, revision=1)

    async def get_hook(self, hook_id: str) -> Hook | None:
        """See the port."""
        return next(iter(hooks_in(await self._rows(GET_HOOK, hook_id))), None)

    async def save_hook(self, hook: Hook) -> Hook:
        """See the port."""
        if not await self._write(SAVE_HOOK, _json(hook_to_document(hook)), hook.id, hook.revision):
            raise Conflict(f"hook {hook.id} was changed by another writer")
        return dataclasses.replace(hook, revision=hook.revision + 1)

    async def delete_hook(self, hook_id: str) -> None:
        """See the port."""
        await self._write(DELETE_HOOK, hook_id)

    async def hooks_of(self, caller: str | None) -> list[Hook]:
        """See the port."""
        rows = self._rows(ALL_HOOKS, MAX_READ) if caller is None else self._rows(HOOKS_OF, caller, MAX_READ)
        return hooks_in(await rows)

    async def active_hooks(self) -> list[Hook]:
        """See the port."""
        return hooks_in(await self._rows(ACTIVE_HOOKS, HookStatus.ACTIVE, MAX_READ))

    async def id_secret(self) -> bytes:
        """See the port. The secret never changes, so it is read once."""
        if self._secret is None:
            await self._write(CREATE_CONTROL, _json({"secret": secrets.token_hex(32)}), IDS)
            ((_, document, _),) = await self._rows(GET_CONTROL, IDS)
            self._secret = bytes.fromhex(document["secret"])
        return self._secret

    async def close(self) -> None:
        """See the port."""
        await self._file.close()

    async def _rows(self, query: str, *values: Any) -> list[Row]:
        rows = await self._file.run(lambda sql: sql.execute(query, values).fetchall())
        return [(row_id, json.loads(document, object_hook=_decode_time), version) for row_id, document, version in rows]

    async def _save_control(self, name: str, fields: Mapping[str, Any], revision: int | None) -> int:
        """Create the document (no revision) or update it; return its new revision."""
        if revision is None:
            written = await self._write(CREATE_CONTROL, _json(fields), name)
        else:
            written = await self._write(SAVE_CONTROL, _json(fields), name, revision)
        if not written:
            raise Conflict(f"control/{name} was changed by another writer")
        return (revision or 0) + 1

    async def _write(self, statement: str, *values: Any) -> int:
        """Execute the statement in a transaction of its own; return the number of rows written."""
        return await self._file.run(lambda sql: sql.execute(statement, values).rowcount)


def _json(fields: Mapping[str, Any]) -> str:
    return json.dumps(fields, default=lambda moment: {"$date": _text(moment)})


def _decode_time(value: dict[str, Any]) -> Any:
    return datetime.fromisoformat(value["$date"]) if value.keys() == {"$date"} else value


def _text(moment: datetime) -> str:
    """Return the time as text that sorts like the times themselves."""
    return utc(moment).isoformat(timespec="microseconds")

"""Jobs in Firestore. Every write is conditional on the newest revision of the document and takes effect once.

`jobs/{id}` holds the jobs, `batches/{id}` the batches, `hooks/{id}` the hooks, `control/wireflow` the gate,
`control/form_limits` the rate window of browsers, `control/ids` the secret behind job ids, `control/usage_{day}` the
usage of a day that is over, `control/usage_versions` which of those are out of date, `control/action_{id}` a paid bulk
action. Every query of the product is in this file. Single-field indexes on createdAt, dueAt, executionId, and queueAt
serve those of jobs that name one field. Composite indexes serve the due jobs in flight, and the list by caller, status,
workflow, or batch (see `_list_query`); no query needs an index on one of these fields alone.
"""

import dataclasses
import secrets
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial

from google.cloud.firestore import AsyncClient, AsyncQuery, FieldFilter, Query

from shared.batches import MAX_ROWS, Batch, BatchRow
from shared.bulk_action import BulkAction
from shared.hooks import Hook, HookStatus
from shared.job import Job
from shared.job_states import IN_FLIGHT, Status
from shared.jobs.action_documents import action_from_document, action_to_document
from shared.jobs.batch_documents import (
    BATCH_ROW_FIELDS,
    batch_from_document,
    batch_row_from_document,
    batch_to_document,
)
from shared.jobs.documents import (
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
from shared.jobs.firestore_database import BuildQuery, Database, WriteConflict
from shared.jobs.hook_documents import MAX_READ, hook_to_document
from shared.jobs.job_documents import (
    LISTED_FIELDS,
    ROW_FIELDS,
    listed_from_document,
    row_from_document,
    to_document,
)
from shared.jobs.usage_documents import (
    USAGE_FIELDS,
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

SECONDS = 5.0  # for one call of the port, including all retries
GATE, RATE_WINDOW, IDS = "control/wireflow", "control/form_limits", "control/ids"
USAGE, VERSIONS, ACTION = "control/usage_", "control/usage_versions", "control/action_"
BATCHES = "batches/"


class FirestoreJobs:
    """A `JobStore` in one Firestore database; FIRESTORE_EMULATOR_HOST works as in Google's libraries."""

    def __init__(self, project: str, database: str = "(default)", seconds: float = SECONDS) -> None:
        self._database = Database(project, database, seconds)
        self._secret: bytes | None = None

    async def create(self, job: Job) -> Job:
        """See the port."""
        (created,) = await self.create_all([job])
        return created

    async def create_all(self, jobs: Sequence[Job]) -> list[Job]:
        """See the port. One commit, which Firestore applies as a whole; its limit is 10 MiB."""
        check_batch(jobs)
        try:
            documents = {f"jobs/{job.id}": to_document(job, stored=()) for job in jobs}
            revisions = await self._database.write(documents, revision=None)
        except WriteConflict as conflict:
            if not conflict.rows:
                raise StoreUnavailable("a job expired while it was created") from conflict
            raise AlreadyExists(job_of(conflict.rows[0])) from conflict
        return [job.evolve(revision=revision) for job, revision in zip(jobs, revisions, strict=True)]

    async def get(self, job_id: str) -> Job | None:
        """See the port."""
        row = await self._database.read(f"jobs/{job_id}")
        return job_of(row) if row else None

    async def save(self, job: Job) -> Job:
        """See the port."""
        if job.revision is None:
            raise Conflict(f"job {job.id} was never read from the store")
        document = to_document(job, job.revision.fields)
        (revision,) = await self._database.write({f"jobs/{job.id}": document}, job.revision)
        return job.evolve(revision=revision)

    async def due(
        self, now: datetime, limit: int, since: datetime | None = None, *, in_flight: bool = False
    ) -> list[JobRow]:
        """See the port."""
        more = [FieldFilter("status", "in", [str(status) for status in IN_FLIGHT])] if in_flight else []
        query = _at_or_before("dueAt", now, since, *more)
        return await first_readable(partial(self._database.rows, query), limit, row_from_document)

    async def queue_head(self, now: datetime, limit: int, since: datetime | None = None) -> list[JobRow]:
        """See the port."""
        query = _at_or_before("queueAt", now, since)
        return await first_readable(partial(self._database.rows, query), limit, row_from_document)

    async def with_execution(self, execution_id: str, limit: int) -> list[JobRow]:
        """See the port."""
        same = FieldFilter("executionId", "==", execution_id)

        def query(client: AsyncClient) -> AsyncQuery:
            return client.collection("jobs").where(filter=same).select(ROW_FIELDS)

        return await first_readable(partial(self._database.rows, query), limit, row_from_document)

    async def count_ahead(self, queue_at: datetime) -> int:
        """See the port."""
        ahead = FieldFilter("queueAt", "<", utc(queue_at))
        return await self._database.count(lambda client: client.collection("jobs").where(filter=ahead))

    async def count_queued(self, caller: str, limit: int) -> int:
        """See the port."""
        query = JobQuery(limit=limit, caller=caller, status=Status.QUEUED)
        return await self._database.count(_list_query(query), limit)

    async def list_jobs(self, query: JobQuery) -> list[ListedJob]:
        """See the port."""
        return await first_readable(partial(self._database.rows, _list_query(query)), query.limit, listed_from_document)

    async def create_batch(self, batch: Batch) -> Batch:
        """See the port."""
        try:
            (revision,) = await self._database.write({BATCHES + batch.id: batch_to_document(batch)}, revision=None)
        except WriteConflict as conflict:
            if not conflict.rows:
                raise StoreUnavailable("a batch expired while it was created") from conflict
            return batch_from_document(*conflict.rows[0])
        return dataclasses.replace(batch, revision=revision)

    async def get_batch(self, batch_id: str) -> Batch | None:
        """See the port."""
        row = await self._database.read(BATCHES + batch_id)
        return batch_from_document(*row) if row else None

    async def save_batch(self, batch: Batch) -> Batch:
        """See the port."""
        (revision,) = await self._database.write({BATCHES + batch.id: batch_to_document(batch)}, batch.revision)
        return dataclasses.replace(batch, revision=revision)

    async def batch_rows(self, batch_id: str) -> list[BatchRow]:
        """See the port."""
        listed = _list_query(JobQuery(limit=MAX_ROWS, batch_id=batch_id))
        rows = partial(self._database.rows, lambda client: listed(client).select(BATCH_ROW_FIELDS))
        return await first_readable(rows, MAX_ROWS, batch_row_from_document)

    async def usage_rows(self, query: JobQuery) -> list[UsageRow]:
        """See the port."""
        listed = _list_query(query)
        rows = partial(self._database.rows, lambda client: listed(client).select(USAGE_FIELDS))
        return await first_readable(rows, query.limit, usage_row)

    async def read_usage(self, day: str) -> UsageDay | None:
        """See the port."""
        row = await self._database.read(USAGE + day)
        return usage_from_document(row[1]) if row else None

    async def save_usage(self, usage: UsageDay) -> None:
        """See the port."""
        with suppress(WriteConflict):  # it is stored already
            await self._database.write({USAGE + usage.day: usage_to_document(usage)}, revision=None)

    async def read_usage_versions(self) -> UsageVersions:
        """See the port."""
        row = await self._database.read(VERSIONS)
        return versions_from_document(*row[1:]) if row else UsageVersions()

    async def save_usage_versions(self, versions: UsageVersions) -> None:
        """See the port."""
        await self._database.write({VERSIONS: versions_to_document(versions)}, versions.revision)

    async def read_action(self, action_id: str) -> BulkAction | None:
        """See the port."""
        row = await self._database.read(ACTION + action_id)
        return action_from_document(action_id, *row[1:]) if row else None

    async def save_action(self, action: BulkAction) -> BulkAction:
        """See the port."""
        (revision,) = await self._database.write({ACTION + action.id: action_to_document(action)}, action.revision)
        return dataclasses.replace(action, revision=revision)

    async def read_gate(self) -> Gate:
        """See the port."""
        row = await self._database.read(GATE)
        return gate_from_document(*row[1:]) if row else Gate()

    async def save_gate(self, gate: Gate) -> Gate:
        """See the port."""
        (revision,) = await self._database.write({GATE: gate_to_document(gate)}, gate.revision)
        return dataclasses.replace(gate, revision=revision)

    async def read_rate_window(self) -> RateWindow:
        """See the port."""
        found = await self._database.read(RATE_WINDOW)
        return rate_window_from_document(*found[1:]) if found else RateWindow()

    async def save_rate_window(self, window: RateWindow) -> RateWindow:
        """See the port."""
        (revision,) = await self._database.write({RATE_WINDOW: rate_window_to_document(window)}, window.revision)
        return dataclasses.replace(window, revision=revision)

    async def create_hook(self, hook: Hook) -> Hook:
        """See the port."""
        return await self._write_hook(hook)

    async def get_hook(self, hook_id: str) -> Hook | None:
        """See the port."""
        row = await self._database.read(f"hooks/{hook_id}")
        return next(iter(hooks_in([row])), None) if row else None

    async def save_hook(self, hook: Hook) -> Hook:
        """See the port."""
        if hook.revision is None:
            raise Conflict(f"hook {hook.id} was never read from the store")
        return await self._write_hook(hook)

    async def delete_hook(self, hook_id: str) -> None:
        """See the port."""
        await self._database.delete(f"hooks/{hook_id}")

    async def hooks_of(self, caller: str | None) -> list[Hook]:
        """See the port."""
        query = _all_hooks if caller is None else _hooks_with("caller", caller)
        return hooks_in(await self._database.rows(query, MAX_READ))

    async def active_hooks(self) -> list[Hook]:
        """See the port."""
        return hooks_in(await self._database.rows(_hooks_with("status", HookStatus.ACTIVE), MAX_READ))

    async def _write_hook(self, hook: Hook) -> Hook:
        (revision,) = await self._database.write({f"hooks/{hook.id}": hook_to_document(hook)}, hook.revision)
        return dataclasses.replace(hook, revision=revision)

    async def id_secret(self) -> bytes:
        """See the port. The secret never changes, so it is read once."""
        if self._secret is None:
            self._secret = await self._read_or_create_secret()
        return self._secret

    async def close(self) -> None:
        """See the port."""
        await self._database.close()

    async def _read_or_create_secret(self) -> bytes:
        if row := await self._database.read(IDS):
            return bytes(row[1]["secret"])
        secret = secrets.token_bytes(32)
        try:
            await self._database.write({IDS: {"secret": secret}}, revision=None)
        except WriteConflict as conflict:
            ((_, document, _),) = conflict.rows
            return bytes(document["secret"])
        return secret


def _at_or_before(field: str, now: datetime, since: datetime | None, *more: FieldFilter) -> BuildQuery:
    """Select the rows of jobs with `since <= field <= now` that match `more`, oldest first."""
    bounds = [FieldFilter(field, "<=", utc(now)), *more]
    if since:
        bounds.append(FieldFilter(field, ">=", utc(since)))

    def build(client: AsyncClient) -> AsyncQuery:
        query = client.collection("jobs").order_by(field)
        for bound in bounds:
            query = query.where(filter=bound)
        return query.select(ROW_FIELDS)

    return build


def _all_hooks(client: AsyncClient) -> AsyncQuery:
    """Select the hooks of all callers."""
    return client.collection("hooks").order_by("__name__")


def _hooks_with(field: str, text: str) -> BuildQuery:
    """Select the hooks whose `field` is `text`."""
    same = FieldFilter(field, "==", str(text))
    return lambda client: client.collection("hooks").where(filter=same)


def _list_query(query: JobQuery) -> BuildQuery:
    """Select the jobs of a list, newest first.

    `since` and `before` are cursors, so that every filter is an equality: then Firestore merges the composite indexes
    (caller, createdAt ↓), (status, createdAt ↓), (workflow, createdAt ↓), and (batchId, createdAt ↓) for any
    combination of filters.
    https://firebase.google.com/docs/firestore/query-data/index-overview#taking_advantage_of_index_merging
    """

    def build(client: AsyncClient) -> AsyncQuery:
        jobs = client.collection("jobs")
        built = jobs.order_by("createdAt", direction=Query.DESCENDING).order_by("__name__", direction=Query.DESCENDING)
        wanted = {
            "caller": query.caller,
            "status": query.status,
            "workflow": query.workflow,
            "batchId": query.batch_id,
        }
        for field, value in wanted.items():
            if value is not None:
                built = built.where(filter=FieldFilter(field, "==", str(value)))
        if query.since is not None:
            built = built.end_at([utc(query.since)])
        if query.before is not None:
            created_at, job_id = query.before
            built = built.start_after([utc(created_at), jobs.document(job_id)])
        return built.select(LISTED_FIELDS)

    return build

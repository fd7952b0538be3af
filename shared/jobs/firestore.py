"""Jobs in Firestore: no write but one that is computed from the newest document, and none that counts twice.

`jobs/{id}` holds the jobs, `control/wireflow` the gate, `control/form_limits` the rate window of browsers,
`control/ids` the secret behind job ids. Every query of the product is in this file. Single-field indexes, which
Firestore makes by itself, serve them all but the listing by caller, status or workflow: see `_listing`.
"""

import dataclasses
import secrets
from collections.abc import Sequence
from datetime import datetime
from functools import partial

from google.cloud.firestore import AsyncClient, AsyncQuery, FieldFilter, Query

from shared.job import Job
from shared.jobs.documents import (
    check_batch,
    first_readable,
    gate_from_document,
    gate_to_document,
    rate_window_from_document,
    rate_window_to_document,
    utc,
)
from shared.jobs.firestore_database import BuildQuery, Database, WriteConflict
from shared.jobs.job_documents import from_document, to_document
from shared.ports import AlreadyExists, Conflict, JobQuery, StoreUnavailable
from shared.spending.gate import Gate
from shared.spending.rate_window import RateWindow

SECONDS = 5.0  # for one call of the port, with everything that is tried again
GATE, RATE_WINDOW, IDS = "control/wireflow", "control/form_limits", "control/ids"


class FirestoreJobs:
    """The port `JobStore` over one Firestore database; FIRESTORE_EMULATOR_HOST works as in Google's libraries."""

    def __init__(self, project: str, database: str = "(default)", seconds: float = SECONDS) -> None:
        self._database = Database(project, database, seconds)
        self._secret: bytes | None = None

    async def create(self, job: Job) -> Job:
        """See the port."""
        (created,) = await self.create_all([job])
        return created

    async def create_all(self, jobs: Sequence[Job]) -> list[Job]:
        """See the port. One commit, which Firestore performs as a whole; it may have 10 MiB."""
        check_batch(jobs)
        try:
            revisions = await self._database.write({f"jobs/{job.id}": to_document(job) for job in jobs}, revision=None)
        except WriteConflict as overtaken:
            if not overtaken.there:
                raise StoreUnavailable("a job expired while it was created") from overtaken
            raise AlreadyExists(from_document(*overtaken.there[0])) from overtaken
        return [dataclasses.replace(job, revision=revision) for job, revision in zip(jobs, revisions, strict=True)]

    async def get(self, job_id: str) -> Job | None:
        """See the port."""
        found = await self._database.read(f"jobs/{job_id}")
        return from_document(*found) if found else None

    async def save(self, job: Job) -> Job:
        """See the port."""
        if job.revision is None:
            raise Conflict(f"job {job.id} was never read from the store")
        (revision,) = await self._database.write({f"jobs/{job.id}": to_document(job)}, job.revision)
        return dataclasses.replace(job, revision=revision)

    async def due(self, now: datetime, limit: int) -> list[Job]:
        """See the port."""
        return await first_readable(partial(self._database.rows, _until("dueAt", now)), limit)

    async def queue_head(self, now: datetime, limit: int) -> list[Job]:
        """See the port."""
        return await first_readable(partial(self._database.rows, _until("queueAt", now)), limit)

    async def count_ahead(self, queue_at: datetime) -> int:
        """See the port."""
        before = FieldFilter("queueAt", "<", utc(queue_at))
        return await self._database.count(lambda client: client.collection("jobs").where(filter=before))

    async def list_jobs(self, listing: JobQuery) -> list[Job]:
        """See the port."""
        return await first_readable(partial(self._database.rows, _listing(listing)), listing.limit)

    async def read_gate(self) -> Gate:
        """See the port."""
        found = await self._database.read(GATE)
        return gate_from_document(*found[1:]) if found else Gate()

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

    async def id_secret(self) -> bytes:
        """See the port. It never changes: one read in the life of this object."""
        if self._secret is None:
            self._secret = await self._shared_secret()
        return self._secret

    async def close(self) -> None:
        """See the port."""
        await self._database.close()

    async def _shared_secret(self) -> bytes:
        if found := await self._database.read(IDS):
            return bytes(found[1]["secret"])
        secret = secrets.token_bytes(32)
        try:
            await self._database.write({IDS: {"secret": secret}}, revision=None)
        except WriteConflict as overtaken:
            ((_, there, _),) = overtaken.there
            return bytes(there["secret"])
        return secret


def _until(field: str, now: datetime) -> BuildQuery:
    """The jobs of which `field` is past, the earliest first."""
    until_now = FieldFilter(field, "<=", utc(now))
    return lambda client: client.collection("jobs").where(filter=until_now).order_by(field)


def _listing(listing: JobQuery) -> BuildQuery:
    """The jobs of a listing, the newest first.

    `since` and `before` are cursors, so that every filter asks for equality: then Firestore merges the composite
    indexes (caller, createdAt ↓), (status, createdAt ↓) and (workflow, createdAt ↓) for any combination.
    https://firebase.google.com/docs/firestore/query-data/index-overview#taking_advantage_of_index_merging
    """

    def asking(client: AsyncClient) -> AsyncQuery:
        jobs = client.collection("jobs")
        found = jobs.order_by("createdAt", direction=Query.DESCENDING).order_by("__name__", direction=Query.DESCENDING)
        for field in ("caller", "status", "workflow"):
            value = getattr(listing, field)
            found = found if value is None else found.where(filter=FieldFilter(field, "==", str(value)))
        if listing.since is not None:
            found = found.end_at([utc(listing.since)])
        if listing.before is not None:
            created_at, job_id = listing.before
            found = found.start_after([utc(created_at), jobs.document(job_id)])
        return found

    return asking

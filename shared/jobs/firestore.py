"""Jobs in Firestore: no write but one that is computed from the newest document, and none that counts twice.

`jobs/{id}` holds the jobs, `control/wireflow` the gate, `control/arrivals` the posts of browsers, `control/ids` the
secret behind job ids. Every query of the product is in this file. Single-field indexes, which Firestore makes by
itself, serve them all but the listing by caller, status or workflow: see `_listing`.
"""

import asyncio
import dataclasses
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Any

from google.api_core import exceptions as google
from google.api_core.retry import AsyncRetry, if_exception_type
from google.auth.exceptions import GoogleAuthError
from google.cloud.firestore import (
    DELETE_FIELD,
    AsyncClient,
    AsyncDocumentReference,
    AsyncQuery,
    AsyncWriteBatch,
    DocumentSnapshot,
    FieldFilter,
    Query,
)

from shared.job import Job, from_document, to_document
from shared.jobs.documents import (
    Row,
    arrivals_from_document,
    arrivals_to_document,
    check_batch,
    first_readable,
    gate_from_document,
    gate_to_document,
    utc,
)
from shared.ports import AlreadyExists, Conflict, Listing, StoreUnavailable
from shared.spending.arrivals import Arrivals
from shared.spending.gate import Gate

SECONDS = 5.0  # for one call of the port, with everything that is tried again
AT_ONCE = 32  # calls; more of them only make each other late
GATE, ARRIVALS, IDS = "control/wireflow", "control/arrivals", "control/ids"

# Every write is conditional and carries a token, so that any of these may be tried again.
# https://cloud.google.com/firestore/docs/understand-error-codes
_TRANSIENT = if_exception_type(
    google.Aborted,
    google.DeadlineExceeded,
    google.InternalServerError,
    google.ResourceExhausted,
    google.ServiceUnavailable,
)
Snapshot = DocumentSnapshot[AsyncDocumentReference]


class _Overtaken(Conflict):
    """Nothing of ours is there; `there` are the snapshots of the documents that are."""

    def __init__(self, paths: Sequence[str], there: Sequence[Snapshot]) -> None:
        super().__init__(f"{', '.join(paths)}: written by somebody else")
        self.there = there


class FirestoreJobs:
    """The port `JobStore` over one Firestore database; FIRESTORE_EMULATOR_HOST works as in Google's libraries."""

    def __init__(self, project: str, database: str = "(default)", seconds: float = SECONDS) -> None:
        self._project = project
        self._database = database
        self._seconds = seconds
        retry = AsyncRetry(_TRANSIENT, initial=0.1, maximum=1.0, timeout=seconds)
        self._call: dict[str, Any] = {"timeout": seconds, "retry": retry}
        self._making = asyncio.Lock()
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._client: AsyncClient | None = None
        self._secret: bytes | None = None

    async def create(self, job: Job) -> Job:
        """See the port."""
        (created,) = await self.create_all([job])
        return created

    async def create_all(self, jobs: Sequence[Job]) -> list[Job]:
        """See the port. One commit, which Firestore performs as a whole; it may have 10 MiB."""
        check_batch(jobs)
        try:
            revisions = await self._write({f"jobs/{job.id}": to_document(job) for job in jobs}, revision=None)
        except _Overtaken as overtaken:
            if not overtaken.there:
                raise StoreUnavailable("a job expired while it was created") from overtaken
            raise AlreadyExists(_job(overtaken.there[0])) from overtaken
        return [dataclasses.replace(job, revision=revision) for job, revision in zip(jobs, revisions, strict=True)]

    async def get(self, job_id: str) -> Job | None:
        """See the port."""
        found = await self._read(f"jobs/{job_id}")
        return _job(found) if found.exists else None

    async def save(self, job: Job) -> Job:
        """See the port."""
        if job.revision is None:
            raise Conflict(f"job {job.id} was never read from the store")
        (revision,) = await self._write({f"jobs/{job.id}": to_document(job)}, job.revision)
        return dataclasses.replace(job, revision=revision)

    async def due(self, now: datetime, limit: int) -> list[Job]:
        """See the port."""
        return await first_readable(partial(self._rows, _until("dueAt", now)), limit)

    async def line(self, now: datetime, limit: int) -> list[Job]:
        """See the port."""
        return await first_readable(partial(self._rows, _until("queueAt", now)), limit)

    async def ahead(self, queue_at: datetime) -> int:
        """See the port."""
        before = FieldFilter("queueAt", "<", utc(queue_at))
        async with self._reached() as client:
            counted = await client.collection("jobs").where(filter=before).count().get(**self._call)
        return int(counted[0][0].value)

    async def listed(self, listing: Listing) -> list[Job]:
        """See the port."""
        return await first_readable(partial(self._rows, _listing(listing)), listing.limit)

    async def read_gate(self) -> Gate:
        """See the port."""
        found = await self._read(GATE)
        return gate_from_document(_plain(found.to_dict()), found.update_time) if found.exists else Gate()

    async def save_gate(self, gate: Gate) -> Gate:
        """See the port."""
        (revision,) = await self._write({GATE: gate_to_document(gate)}, gate.revision)
        return dataclasses.replace(gate, revision=revision)

    async def read_arrivals(self) -> Arrivals:
        """See the port."""
        found = await self._read(ARRIVALS)
        return arrivals_from_document(_plain(found.to_dict()), found.update_time) if found.exists else Arrivals()

    async def save_arrivals(self, arrivals: Arrivals) -> Arrivals:
        """See the port."""
        (revision,) = await self._write({ARRIVALS: arrivals_to_document(arrivals)}, arrivals.revision)
        return dataclasses.replace(arrivals, revision=revision)

    async def id_secret(self) -> bytes:
        """See the port. It never changes: one read in the life of this object."""
        if self._secret is None:
            self._secret = await self._shared_secret()
        return self._secret

    async def close(self) -> None:
        """See the port."""
        client, self._client = self._client, None
        if client is not None:
            # The client has no close of its own, its transport has.
            await client._firestore_api.transport.close()

    async def _shared_secret(self) -> bytes:
        found = await self._read(IDS)
        if found.exists:
            return bytes(found.get("secret"))
        secret = secrets.token_bytes(32)
        try:
            await self._write({IDS: {"secret": secret}}, revision=None)
        except _Overtaken as overtaken:
            (there,) = overtaken.there
            return bytes(there.get("secret"))
        return secret

    async def _rows(self, asking: Callable[[AsyncClient], AsyncQuery], limit: int) -> list[Row]:
        async with self._reached() as client:
            found = await asking(client).limit(limit).get(**self._call)
        return [(one.id, _plain(one.to_dict()), one.update_time) for one in found]

    async def _read(self, path: str) -> Snapshot:
        async with self._reached() as client:
            return await client.document(path).get(**self._call)

    async def _write(self, documents: Mapping[str, Mapping[str, Any]], revision: Any) -> list[Any]:
        """Create all of the documents (no revision) or update the one; their new revisions; _Overtaken if none is ours.

        The client library sends a commit again whose answer was lost, and the second sending is refused because of
        the first: the token shows whose write is there. A commit is performed as a whole: one of ours stands for all.
        """
        token = secrets.token_hex(16)
        async with self._reached() as client:
            batch = client.batch()
            for path, fields in documents.items():
                _add(batch, client.document(path), fields, token, revision)
            try:
                return [written.update_time for written in await batch.commit(**self._call)]
            except (google.AlreadyExists, google.FailedPrecondition, google.NotFound):
                there = await self._there(client, documents)
        if not any((one.to_dict() or {}).get("writeToken") == token for one in there.values()):
            raise _Overtaken([*documents], [*there.values()])
        return [there[path].update_time if path in there else None for path in documents]

    async def _there(self, client: AsyncClient, paths: Iterable[str]) -> dict[str, Snapshot]:
        references = [client.document(path) for path in paths]
        found = [one async for one in client.get_all(references, **self._call)]
        return {one.reference.path: one for one in found if one.exists}

    @asynccontextmanager
    async def _reached(self) -> AsyncIterator[AsyncClient]:
        """The client, a bound on all that is done with it, and the port's error for what Google's libraries raise.

        The bound is needed: an attempt that begins in the last second is given the whole timeout once more.
        https://github.com/googleapis/python-api-core/issues/654
        """
        try:
            async with self._at_once, asyncio.timeout(self._seconds):
                yield await self._made()
        except TimeoutError as error:
            raise StoreUnavailable(f"Firestore did not answer within {self._seconds:g} s") from error
        except (google.GoogleAPIError, GoogleAuthError) as error:
            raise StoreUnavailable(f"Firestore: {type(error).__name__}: {error}") from error

    async def _made(self) -> AsyncClient:
        """The client, made by the first call: the framework forks after the import, which gRPC does not survive.

        In a thread, because finding the credentials asks the metadata server and blocks meanwhile.
        https://github.com/grpc/grpc/blob/master/doc/fork_support.md
        """
        async with self._making:
            if self._client is None:
                self._client = await asyncio.to_thread(AsyncClient, project=self._project, database=self._database)
            return self._client


def _job(found: Snapshot) -> Job:
    return from_document(found.id, _plain(found.to_dict()), found.update_time)


def _until(field: str, now: datetime) -> Callable[[AsyncClient], AsyncQuery]:
    """The jobs of which `field` is past, the earliest first."""
    until_now = FieldFilter(field, "<=", utc(now))
    return lambda client: client.collection("jobs").where(filter=until_now).order_by(field)


def _listing(listing: Listing) -> Callable[[AsyncClient], AsyncQuery]:
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


def _add(
    batch: AsyncWriteBatch, document: AsyncDocumentReference, fields: Mapping[str, Any], token: str, revision: Any
) -> None:
    if revision is None:
        batch.create(document, {**_present(fields), "writeToken": token})
    else:
        newest = batch._client.write_option(last_update_time=revision)
        batch.update(document, {**_replacing(fields), "writeToken": token}, option=newest)


def _present(fields: Mapping[str, Any]) -> dict[str, Any]:
    """For a new document: queries must not find a field that says nothing."""
    return {name: _plain(value) for name, value in fields.items() if value is not None}


def _replacing(fields: Mapping[str, Any]) -> dict[str, Any]:
    """For an update, which touches only the fields that it names."""
    return {name: DELETE_FIELD if value is None else _plain(value) for name, value in fields.items()}


def _plain(value: Any) -> Any:
    """The value with plain UTC datetimes in the place of Google's own kind, which counts nanoseconds."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return utc(value) if isinstance(value, datetime) else value

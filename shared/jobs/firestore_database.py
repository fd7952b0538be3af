"""A Firestore database with a time limit on every call. Every write is conditional and takes effect once.

Each write stores a token in the document, which identifies it if its response is lost.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from google.api_core import exceptions as google
from google.api_core.gapic_v1.routing_header import to_grpc_metadata
from google.api_core.retry import (
    AsyncRetry,
    exponential_sleep_generator,
    if_exception_type,
    retry_target_async,
)
from google.auth.exceptions import GoogleAuthError
from google.cloud.firestore import AsyncClient, AsyncDocumentReference, AsyncQuery, DocumentSnapshot
from grpc import RpcError  # type: ignore[import-untyped]

from shared.jobs import firestore_rpc
from shared.jobs.documents import Row, utc
from shared.jobs.firestore_rpc import Revision
from shared.store_errors import Conflict, RecordTooLarge, StoreUnavailable

MAX_CONCURRENT_CALLS = 32  # more of them only delay each other
FIRST_PAUSE, MAX_PAUSE = 0.1, 1.0  # seconds between two tries, at most

# Errors that may be retried.
# https://cloud.google.com/firestore/docs/understand-error-codes
_TRANSIENT = if_exception_type(
    google.Aborted,
    google.DeadlineExceeded,
    google.InternalServerError,
    google.ResourceExhausted,
    google.ServiceUnavailable,
)
Snapshot = DocumentSnapshot[AsyncDocumentReference]
BuildQuery = Callable[[AsyncClient], AsyncQuery]


class WriteConflict(Conflict):
    """None of the documents was written; `rows` are those that exist."""

    def __init__(self, paths: Sequence[str], rows: Sequence[Row]) -> None:
        super().__init__(f"{', '.join(paths)}: changed by another writer")
        self.rows = rows


class Database:
    """The database `database` of `project`. Every method raises StoreUnavailable after `seconds`."""

    def __init__(self, project: str, database: str, seconds: float) -> None:
        self._project = project
        self._database = database
        self._seconds = seconds
        retry = AsyncRetry(_TRANSIENT, initial=FIRST_PAUSE, maximum=MAX_PAUSE, timeout=seconds)
        self._call: dict[str, Any] = {"timeout": seconds, "retry": retry}
        self._connecting = asyncio.Lock()
        self._concurrency = asyncio.Semaphore(MAX_CONCURRENT_CALLS)
        self._client: AsyncClient | None = None
        self._calls: Any = None  # firestore_rpc.Calls, made with the client

    async def read(self, path: str) -> Row | None:
        """Return the document at `path`, or None."""
        async with self._session() as client:
            snapshot = await client.document(path).get(**self._call)
        return _row(snapshot) if snapshot.exists else None

    async def rows(self, query: BuildQuery, limit: int) -> list[Row]:
        """Return the first documents of a query."""
        async with self._session() as client:
            snapshots = await query(client).limit(limit).get(**self._call)
        return [_row(snapshot) for snapshot in snapshots]

    async def count(self, query: BuildQuery, limit: int | None = None) -> int:
        """Return the number of documents of a query, at most `limit`."""
        async with self._session() as client:
            found = query(client) if limit is None else query(client).limit(limit)
            results = await found.count().get(**self._call)
        return int(results[0][0].value)

    async def write(
        self, documents: Mapping[str, Mapping[str, Any]], revision: Revision | None
    ) -> list[Revision | None]:
        """Create the documents (no revision), or update one; return the new revisions. Raise WriteConflict.

        A commit is retried if its response was lost, and Firestore rejects the retry because of the first try: the
        token tells whether the stored write is ours. A commit is atomic: one of ours proves all of them.
        """
        token = secrets.token_hex(16)
        tokened = {path: {**fields, "writeToken": token} for path, fields in documents.items()}
        async with self._session() as client:
            try:
                times = await self._commit(client, tokened, revision)
            except google.InvalidArgument as error:  # larger than 1 MiB, or not storable at all
                raise RecordTooLarge(f"Firestore: {error.message}") from error
            except (google.AlreadyExists, google.FailedPrecondition, google.NotFound):
                stored = await self._get_all(client, documents)
            else:
                return [Revision(time, fields) for time, fields in zip(times, tokened.values(), strict=True)]
        if not any(document.get("writeToken") == token for _, document, _ in stored.values()):
            raise WriteConflict([*documents], [*stored.values()])
        return [stored[path][2] if path in stored else None for path in documents]

    async def delete(self, path: str) -> None:
        """Delete the document at `path`, if it exists."""
        async with self._session() as client:
            await client.document(path).delete(**self._call)

    async def close(self) -> None:
        """Close all connections."""
        client, self._client = self._client, None
        if client is not None:
            # The client itself cannot be closed, its transport can.
            await client._firestore_api.transport.close()

    async def _commit(
        self, client: AsyncClient, documents: Mapping[str, Mapping[str, Any]], revision: Revision | None
    ) -> list[Any]:
        """Create the documents, or change one, in one commit; return their update times."""
        database = client._database_string
        named = {f"{database}/documents/{path}": fields for path, fields in documents.items()}
        writes = [
            firestore_rpc.update(name, fields, revision) if revision else firestore_rpc.create(name, fields)
            for name, fields in named.items()
        ]
        request = firestore_rpc.CommitRequest(database=database, writes=writes)

        async def send() -> list[Any]:
            try:
                response = await self._calls.commit(request, timeout=self._seconds, metadata=self._calls.metadata)
            except RpcError as error:
                raise google.from_grpc_error(error) from error  # type: ignore[no-untyped-call]
            return [result.update_time for result in response.write_results]

        pauses = exponential_sleep_generator(FIRST_PAUSE, MAX_PAUSE)
        times: list[Any] = await retry_target_async(send, _TRANSIENT, pauses, self._seconds)
        return times

    async def _get_all(self, client: AsyncClient, paths: Iterable[str]) -> dict[str, Row]:
        """Return the documents that exist, by path."""
        references = [client.document(path) for path in paths]
        snapshots = [snapshot async for snapshot in client.get_all(references, **self._call)]
        return {snapshot.reference.path: _row(snapshot) for snapshot in snapshots if snapshot.exists}

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[AsyncClient]:
        """Provide the client within the time limit, and translate the errors of the client library.

        The limit is necessary: a retry that begins in the last second would get the whole timeout again.
        https://github.com/googleapis/python-api-core/issues/654
        """
        try:
            async with self._concurrency, asyncio.timeout(self._seconds):
                yield self._client or await self._get_client()
        except TimeoutError as error:
            raise StoreUnavailable(f"Firestore did not respond within {self._seconds:g} s") from error
        except (google.GoogleAPIError, GoogleAuthError, RpcError, OSError) as error:
            raise StoreUnavailable(f"Firestore: {type(error).__name__}: {error}") from error

    async def _get_client(self) -> AsyncClient:
        """Return the client, created on first use: the framework forks after import, and gRPC does not survive a fork.

        It is created in a thread, because looking up the credentials calls the metadata server and blocks.
        https://github.com/grpc/grpc/blob/master/doc/fork_support.md
        """
        async with self._connecting:
            if self._client is None:
                client = await asyncio.to_thread(AsyncClient, project=self._project, database=self._database)
                channel, metadata = client._firestore_api.transport.grpc_channel, _metadata(client)
                self._calls = firestore_rpc.Calls(channel, metadata)
                self._client = client
            return self._client


def _metadata(client: AsyncClient) -> list[tuple[str, str]]:
    """Return the headers of each call that concerns the database."""
    routing = to_grpc_metadata({"database": client._database_string})  # type: ignore[no-untyped-call]
    return [*client._rpc_metadata, routing]


def _row(snapshot: Snapshot) -> Row:
    document = _plain(snapshot.to_dict() or {})
    return snapshot.id, document, Revision(snapshot.update_time.timestamp_pb(), document)


def _plain(value: Any) -> Any:
    """Return the value with plain UTC datetimes instead of Google's own class, which has nanoseconds."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return utc(value) if isinstance(value, datetime) else value

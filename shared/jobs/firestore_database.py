"""One Firestore database: reads, and writes of which none counts twice; each ends in time or says that it did not.

Every write is conditional and carries a token, by which it is known again when its answer was lost.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
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
)

from shared.jobs.documents import Row, utc
from shared.ports import Conflict, StoreUnavailable

AT_ONCE = 32  # calls; more of them only make each other late

# Any of these may be tried again.
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
    """Nothing of ours is there; `there`: the documents that are."""

    def __init__(self, paths: Sequence[str], there: Sequence[Row]) -> None:
        super().__init__(f"{', '.join(paths)}: written by somebody else")
        self.there = there


class Database:
    """The database `database` of `project`. StoreUnavailable from every method that did not end in `seconds`."""

    def __init__(self, project: str, database: str, seconds: float) -> None:
        self._project = project
        self._database = database
        self._seconds = seconds
        retry = AsyncRetry(_TRANSIENT, initial=0.1, maximum=1.0, timeout=seconds)
        self._call: dict[str, Any] = {"timeout": seconds, "retry": retry}
        self._making = asyncio.Lock()
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._client: AsyncClient | None = None

    async def read(self, path: str) -> Row | None:
        """The document at `path`, if there is one."""
        async with self._session() as client:
            found = await client.document(path).get(**self._call)
        return row_of(found) if found.exists else None

    async def rows(self, asking: BuildQuery, limit: int) -> list[Row]:
        """The first documents of a query."""
        async with self._session() as client:
            found = await asking(client).limit(limit).get(**self._call)
        return [row_of(one) for one in found]

    async def count(self, asking: BuildQuery) -> int:
        """How many documents a query finds."""
        async with self._session() as client:
            counted = await asking(client).count().get(**self._call)
        return int(counted[0][0].value)

    async def write(self, documents: Mapping[str, Mapping[str, Any]], revision: Any) -> list[Any]:
        """Create the documents (no revision) or update the one; return the new revisions. WriteConflict: none is ours.

        The client library sends a commit again whose answer was lost, and the second sending is refused because of
        the first: the token shows whose write is there. A commit is performed as a whole: one of ours stands for all.
        """
        token = secrets.token_hex(16)
        async with self._session() as client:
            batch = client.batch()
            for path, fields in documents.items():
                _add(batch, client.document(path), fields, token, revision)
            try:
                return [written.update_time for written in await batch.commit(**self._call)]
            except (google.AlreadyExists, google.FailedPrecondition, google.NotFound):
                there = await self._there(client, documents)
        if not any((one.to_dict() or {}).get("writeToken") == token for one in there.values()):
            raise WriteConflict([*documents], [row_of(one) for one in there.values()])
        return [there[path].update_time if path in there else None for path in documents]

    async def close(self) -> None:
        """Let go of the connections."""
        client, self._client = self._client, None
        if client is not None:
            # The client has no close of its own, its transport has.
            await client._firestore_api.transport.close()

    async def _there(self, client: AsyncClient, paths: Iterable[str]) -> dict[str, Snapshot]:
        references = [client.document(path) for path in paths]
        found = [one async for one in client.get_all(references, **self._call)]
        return {one.reference.path: one for one in found if one.exists}

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[AsyncClient]:
        """The client, a bound on all that is done with it, and the port's error for what Google's libraries raise.

        The bound is needed: an attempt that begins in the last second is given the whole timeout once more.
        https://github.com/googleapis/python-api-core/issues/654
        """
        try:
            async with self._at_once, asyncio.timeout(self._seconds):
                yield await self._get_client()
        except TimeoutError as error:
            raise StoreUnavailable(f"Firestore did not answer within {self._seconds:g} s") from error
        except (google.GoogleAPIError, GoogleAuthError) as error:
            raise StoreUnavailable(f"Firestore: {type(error).__name__}: {error}") from error

    async def _get_client(self) -> AsyncClient:
        """The client, made by the first call: the framework forks after the import, which gRPC does not survive.

        In a thread, because finding the credentials asks the metadata server and blocks meanwhile.
        https://github.com/grpc/grpc/blob/master/doc/fork_support.md
        """
        async with self._making:
            if self._client is None:
                self._client = await asyncio.to_thread(AsyncClient, project=self._project, database=self._database)
            return self._client


def row_of(found: Snapshot) -> Row:
    """The id, fields and revision of a document."""
    return found.id, _plain(found.to_dict() or {}), found.update_time


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

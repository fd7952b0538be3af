"""A SQLite file that several processes use."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from shared.store_errors import StoreUnavailable

WAL_TRIES = 20  # several processes may open a new file at the same time

Result = TypeVar("Result")


class SqliteFile:
    """The file at `path`, opened at the first use. `seconds`: to wait for the write of another process."""

    def __init__(self, path: Path, seconds: float, schema: str) -> None:
        self._path, self._seconds, self._schema = path, seconds, schema
        # A thread of its own: a connection must stay in its thread, and copies, which fill the default executor, must
        # not delay the store.
        self._thread = ThreadPoolExecutor(1, "sqlite")
        self._connection: sqlite3.Connection | None = None

    async def run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run `work` in the file's thread. Raise StoreUnavailable if the file fails."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, partial(self._with_connection, work))
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailable(f"SQLite: {type(error).__name__}: {error}") from error

    async def close(self) -> None:
        """Close the connection and end the thread."""
        if self._connection is not None:
            await self.run(sqlite3.Connection.close)
            self._connection = None
        self._thread.shutdown()

    def _with_connection(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        if self._connection is None:
            self._connection = _open(self._path, self._seconds, self._schema)
        return work(self._connection)


def _open(path: Path, seconds: float, schema: str) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=seconds, isolation_level=None)
    try:
        _use_wal(connection)
        connection.executescript(schema)
    except BaseException:
        connection.close()
        raise
    return connection


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to WAL. SQLite rejects this while another process writes, without waiting; a transaction does wait."""
    for _ in range(WAL_TRIES):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    raise sqlite3.OperationalError("the file cannot be switched to WAL")

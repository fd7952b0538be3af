"""Opening a SQLite file that several processes use."""

import sqlite3
from pathlib import Path

WAL_TRIES = 20  # several processes may open a new file at the same time


def open_file(path: Path, seconds: float, schema: str) -> sqlite3.Connection:
    """Open the file, created with its directory if it does not exist. `seconds`: to wait for other processes."""
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

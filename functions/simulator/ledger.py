"""The paid runs, one JSON line each, on the disk before anybody hears of them: SIGKILL loses none."""

import asyncio
import json
import os
import threading
from pathlib import Path
from typing import Any


class Ledger:
    """A file that only grows. Without a path nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()

    def read(self) -> list[dict[str, Any]]:
        """Every run that was written whole.

        A line torn by a kill was never answered, so it is no paid run: it is cut off, lest the next line
        be glued to it.
        """
        if self._path is None or not self._path.exists():
            return []
        whole, newline, torn = self._path.read_bytes().rpartition(b"\n")
        if torn:
            os.truncate(self._path, len(whole) + len(newline))
        return [json.loads(line) for line in whole.splitlines()]

    async def append(self, line: dict[str, Any]) -> None:
        """Write one run; returns when it is on the disk."""
        if self._path is not None:
            await asyncio.to_thread(self._write, self._path, json.dumps(line).encode() + b"\n")

    def clear(self) -> None:
        """Forget every run."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _write(self, path: Path, line: bytes) -> None:
        with self._lock, path.open("ab") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

"""What outlives the process: the ledger of the paid runs, and the uploaded images beside it."""

import asyncio
import hashlib
import json
import os
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Ledger:
    """A file that only grows, a JSON object each line; without a path nothing is stored."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()

    def read(self) -> list[dict[str, Any]]:
        """Return every line that was written completely.

        A line that a kill interrupted belongs to no run that was ever confirmed. It is cut off, so that the next
        line does not continue it.
        """
        if self._path is None or not self._path.exists():
            return []
        complete, newline, torn = self._path.read_bytes().rpartition(b"\n")
        if torn:
            os.truncate(self._path, len(complete) + len(newline))
        return [json.loads(line) for line in complete.splitlines()]

    async def append(self, line: Mapping[str, Any]) -> None:
        """Write a line; return when it is on the disk. OSError if it cannot be written."""
        if self._path is not None:
            await asyncio.to_thread(self._write, self._path, json.dumps(line).encode() + b"\n")

    def clear(self) -> None:
        """Delete the file."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _write(self, path: Path, line: bytes) -> None:
        with self._lock, path.open("ab") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())


class Uploads:
    """The uploaded images, named by their content.

    They are in the folder `{ledger without its suffix}.uploads`, or in memory if there is no ledger.
    """

    def __init__(self, ledger: Path | None) -> None:
        self._folder = ledger.with_suffix(".uploads") if ledger else None
        self._memory: dict[str, bytes] = {}
        self._lock = threading.Lock()

    async def add(self, content: bytes, image_format: str) -> str:
        """Store a png, jpeg, webp, gif or avif; return its path on the CDN."""
        name = f"{hashlib.sha256(content).hexdigest()[:32]}.{image_format}"
        if self._folder is None:
            self._memory[name] = content
        else:
            await asyncio.to_thread(self._write, self._folder, name, content)
        return f"/cdn/uploads/{name}"

    async def read(self, path: str) -> tuple[bytes, str] | None:
        """Return the bytes at a path on the CDN and their media type."""
        name = path.rpartition("/")[2]
        content = await asyncio.to_thread(self._read, self._folder, name) if self._folder else self._memory.get(name)
        return None if content is None else (content, f"image/{name.rpartition('.')[2]}")

    def clear(self) -> None:
        """Delete all images."""
        self._memory.clear()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _write(self, folder: Path, name: str, content: bytes) -> None:
        with self._lock:
            folder.mkdir(exist_ok=True)
            part = folder / f"{name}.part"
            part.write_bytes(content)
            part.replace(folder / name)

    def _read(self, folder: Path, name: str) -> bytes | None:
        file = folder / name
        return file.read_bytes() if file.is_file() else None

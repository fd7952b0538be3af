"""Uploaded images under names that their bytes give them; they outlive the process where the paid runs do."""

import asyncio
import hashlib
import io
import shutil
import threading
from pathlib import Path

from PIL import Image, UnidentifiedImageError

LIMIT = 25 * 1024 * 1024  # bytes
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "AVIF")


class Media:
    """The folder `{ledger without its suffix}.uploads` beside the ledger; memory where nothing is kept."""

    def __init__(self, ledger: Path | None) -> None:
        self._folder = ledger.with_suffix(".uploads") if ledger else None
        self._memory: dict[str, bytes] = {}
        self._lock = threading.Lock()

    async def keep(self, content: bytes, kind: str) -> str:
        """Keep an image (png, jpeg, webp, gif or avif); returns its path on the CDN."""
        name = f"{hashlib.sha256(content).hexdigest()[:32]}.{kind}"
        if self._folder is None:
            self._memory[name] = content
        else:
            await asyncio.to_thread(self._write, self._folder, name, content)
        return f"/cdn/uploads/{name}"

    async def read(self, path: str) -> tuple[bytes, str] | None:
        """The bytes at a path of the CDN and their media type."""
        name = path.rpartition("/")[2]
        content = await asyncio.to_thread(self._read, self._folder, name) if self._folder else self._memory.get(name)
        return None if content is None else (content, f"image/{name.rpartition('.')[2]}")

    def clear(self) -> None:
        """Forget every image."""
        self._memory.clear()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _write(self, folder: Path, name: str, content: bytes) -> None:
        with self._lock:
            folder.mkdir(exist_ok=True)
            half = folder / f"{name}.part"
            half.write_bytes(content)
            half.replace(folder / name)

    def _read(self, folder: Path, name: str) -> bytes | None:
        file = folder / name
        return file.read_bytes() if file.is_file() else None


def kind_of(content: bytes) -> str | None:
    """png, jpeg, webp, gif or avif; None for what is no picture. It computes: call it in a thread."""
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            image.verify()
            return str(image.format).lower()
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError):
        return None

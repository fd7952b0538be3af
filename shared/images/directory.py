"""Images in a folder: a name holds a whole image or nothing, and what it holds never changes."""

import asyncio
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import google_crc32c

from shared.images.formats import HEAD_BYTES, sniff
from shared.images.streaming import CHUNK, base64_of, chunks_of
from shared.ports import CopyError, ImageStream, Measured, NameTaken, StoredImage

NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)*", re.ASCII)  # leads nowhere but down, and to nothing hidden
NOTHING = (FileNotFoundError, IsADirectoryError, NotADirectoryError)  # what a name without a image meets


class DirectoryImages:
    """The image store of local runs (`shared.ports.ImageStore`): files under `path`, which processes may share.

    The file system must know hard links. A crash may leave a file `.….part` behind; no name leads to it.
    """

    def __init__(self, path: Path) -> None:
        self._root = path.absolute()

    def write(self, name: str, image: ImageStream) -> None:
        """Store all of the image or nothing; a name that already holds the same bytes counts as done.

        ValueError if `name` would lead out of the folder.
        """
        path = self._path(name)
        if path is None:
            raise ValueError(f"{name!r} cannot be the name of an image")
        with _as_copy_errors(name):
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".part") as part:
                for chunk in image.chunks():
                    part.write(chunk)
                part.flush()
                os.fsync(part.fileno())
                _give_name(Path(part.name), path, image.measured())

    async def read(self, name: str) -> StoredImage | None:
        """The bytes as chunks, or None if nothing has that name."""
        path = self._path(name)
        return await asyncio.to_thread(_describe, path) if path else None

    async def content(self, name: str) -> bytes | None:
        """All bytes of a stored image, or None if nothing has that name."""
        path = self._path(name)
        return await asyncio.to_thread(_content, path) if path else None

    async def delete(self, name: str) -> None:
        """Remove a image; nothing if there is none."""
        path = self._path(name)
        if path:
            await asyncio.to_thread(_delete, path)

    async def names(self, job_id: str) -> list[str]:
        """The names of all images of a job, sorted as text."""
        folder = self._path(f"jobs/{job_id}")
        return await asyncio.to_thread(self._names_in, folder) if folder else []

    def _names_in(self, folder: Path) -> list[str]:
        return sorted(path.relative_to(self._root).as_posix() for path in folder.glob("[!.]*/[!.]*"))

    def _path(self, name: str) -> Path | None:
        return self._root / name if NAME.fullmatch(name) else None


def _give_name(part: Path, path: Path, measured: Measured) -> None:
    """Link the whole file to its name: unlike a rename, a link never takes the name from another file."""
    try:
        os.link(part, path)
    except FileExistsError:
        if (path.stat().st_size, _crc32c(path)) != (measured.size, measured.crc32c):
            raise NameTaken(f"{path.name} already holds another image") from None
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # a name is kept by its folder
    finally:
        os.close(folder)


def _content(path: Path) -> bytes | None:
    with _as_copy_errors(path.name):
        try:
            return path.read_bytes()
        except NOTHING:
            return None


def _delete(path: Path) -> None:
    with _as_copy_errors(path.name), suppress(*NOTHING):
        path.unlink()


def _describe(path: Path) -> StoredImage | None:
    with _as_copy_errors(path.name):
        if not path.is_file():
            return None
        return StoredImage(
            content_type=_content_type(path),
            size=path.stat().st_size,
            crc32c=_crc32c(path),
            chunks=chunks_of(lambda: path.open("rb")),
        )


def _content_type(path: Path) -> str:
    """As the image's own bytes tell: not every name has an extension."""
    with path.open("rb") as file:
        kind = sniff(file.read(HEAD_BYTES))
    return kind.content_type if kind else "application/octet-stream"


def _crc32c(path: Path) -> str:
    crc32c = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            crc32c = google_crc32c.extend(crc32c, chunk)
    return base64_of(crc32c)


@contextmanager
def _as_copy_errors(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CopyError(f"{name}: {error}") from error

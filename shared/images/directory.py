"""Images as files in a directory. A name holds a whole image or nothing, and what it holds never changes."""

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import google_crc32c

from shared.copy_errors import CopyError, ImageStoreFailed, NameTaken
from shared.images.chunks import CHUNK, encode_crc32c, iter_chunks, read_chunks
from shared.images.formats import HEAD_BYTES, sniff
from shared.images.names import is_input_of
from shared.images.stream import image_from_store
from shared.ports import FileDetails, ImageMeasurements, ImageStream, StoredImage

NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)*", re.ASCII)  # no path leads out of the directory or to a hidden file
NOT_FOUND = (FileNotFoundError, IsADirectoryError, NotADirectoryError)


class DirectoryImages:
    """The image store of local runs (`shared.ports.ImageStore`): files below `path`. Processes may share it.

    The file system must support hard links. A crash may leave a temporary file `.….part`, which no name refers to.
    """

    def __init__(self, path: Path) -> None:
        self._root = path.absolute()

    def write(self, name: str, image: ImageStream, _details: FileDetails | None = None) -> None:
        """Store the whole image or nothing; do nothing if the name already holds the same bytes.

        A file holds no details. Raise ValueError if `name` is not a path below the directory.
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
                _link(Path(part.name), path, image.measured())

    @contextmanager
    def open(self, name: str) -> Iterator[ImageStream]:
        """Start to read a stored image, in order to measure it; raise CopyError if it does not exist."""
        path = self._path(name)
        if path is None:
            raise ImageStoreFailed(f"{name!r} cannot be the name of an image")
        with _as_copy_errors(name), path.open("rb") as file:
            yield image_from_store(iter_chunks(file))

    async def read(self, name: str, _disposition: str | None = None) -> StoredImage | None:
        """Return the bytes as chunks, or None if the image does not exist."""
        path = self._path(name)
        return await asyncio.to_thread(_open_image, path) if path else None

    async def content(self, name: str) -> bytes | None:
        """Return all bytes of an image, or None if it does not exist."""
        path = self._path(name)
        return await asyncio.to_thread(_read_bytes, path) if path else None

    async def delete(self, name: str) -> None:
        """Delete an image, if it exists."""
        path = self._path(name)
        if path:
            await asyncio.to_thread(_delete, path)

    async def names(self, job_id: str) -> list[str]:
        """Return the names of all images of a job, sorted as text."""
        directory = self._path(f"jobs/{job_id}")
        return await asyncio.to_thread(self._list, directory) if directory else []

    async def delete_job(self, job_id: str) -> None:
        """Delete all images of a job and its input images. Raise CopyError if some may be left."""
        if "/" not in job_id and NAME.fullmatch(job_id):
            await asyncio.to_thread(_delete_job, self._root, job_id)

    def _list(self, directory: Path) -> list[str]:
        return sorted(path.relative_to(self._root).as_posix() for path in directory.glob("[!.]*/[!.]*"))

    def _path(self, name: str) -> Path | None:
        return self._root / name if NAME.fullmatch(name) else None


def _link(part: Path, path: Path, measured: ImageMeasurements) -> None:
    """Give the complete file its name. Unlike a rename, a link never replaces another file."""
    try:
        os.link(part, path)
    except FileExistsError:
        if (path.stat().st_size, _crc32c(path)) != (measured.size, measured.crc32c):
            raise NameTaken(f"{path.name} already holds another image") from None
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)  # the directory holds the name
    finally:
        os.close(directory)


def _read_bytes(path: Path) -> bytes | None:
    with _as_copy_errors(path.name), suppress(*NOT_FOUND):
        return path.read_bytes()
    return None


def _delete(path: Path) -> None:
    with _as_copy_errors(path.name), suppress(*NOT_FOUND):
        path.unlink()


def _delete_job(root: Path, job_id: str) -> None:
    with _as_copy_errors(job_id):
        with suppress(*NOT_FOUND):
            shutil.rmtree(root / "jobs" / job_id)
        for path in (root / "inputs").glob(f"{job_id}*"):
            if is_input_of(job_id, f"inputs/{path.name}"):
                path.unlink(missing_ok=True)


def _open_image(path: Path) -> StoredImage | None:
    with _as_copy_errors(path.name):
        if not path.is_file():
            return None
        return StoredImage(
            content_type=_content_type(path),
            size=path.stat().st_size,
            crc32c=_crc32c(path),
            chunks=partial(read_chunks, lambda: path.open("rb")),
        )


def _content_type(path: Path) -> str:
    """Return the type that the content shows: the names of input images have no extension."""
    with path.open("rb") as file:
        image_format = sniff(file.read(HEAD_BYTES))
    return image_format.content_type if image_format else "application/octet-stream"


def _crc32c(path: Path) -> str:
    crc32c = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            crc32c = google_crc32c.extend(crc32c, chunk)
    return encode_crc32c(crc32c)


@contextmanager
def _as_copy_errors(name: str) -> Iterator[None]:
    try:
        yield
    except CopyError:
        raise
    except OSError as error:  # without its path, which is not for callers
        raise ImageStoreFailed(f"{name}: {type(error).__name__}: {error.strerror}") from error
    except Exception as error:
        raise ImageStoreFailed(f"{name}: {type(error).__name__}") from error

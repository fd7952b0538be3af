"""Images in a Cloud Storage bucket. A name holds a whole image or nothing, and what it holds never changes.

The client is imported and created on first use, in a worker thread: it takes half a second, too much for a cold start.
"""

import asyncio
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import Any

from shared.copy_errors import CopyError, ImageStoreFailed, NameTaken
from shared.images.chunks import iter_chunks, read_chunks
from shared.images.names import is_input_of
from shared.images.stream import image_from_store
from shared.ports import FileDetails, ImageStream, StoredImage

CHUNK = 1024 * 1024  # bytes, in memory a few times; the default of the client is 100 MiB
TIMEOUT = (5.0, 30.0)  # seconds to connect and to read, for each try
RETRY_SECONDS = 30.0  # for all tries of a call
READ_TIMEOUT, READ_RETRY_SECONDS = (3.0, 5.0), 8.0  # shorter, because a caller is waiting
CACHE_CONTROL = "private, max-age=31536000, immutable"

URL_SECONDS = 900
URL_MARGIN_SECONDS = 300  # a URL that is valid for less is no longer returned
MAX_CACHED_URLS = 1_000
# signBlob rejects the narrower scopes that the storage client would request.
SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)

NAME = re.compile(r"[\w-]+", re.ASCII)  # of a job

Sign = Callable[[Any, str | None], str | None]


class BucketImages:
    """The image store of a deployment (`shared.ports.ImageStore`): the objects of `bucket` below `prefix`.

    `emulator`: the bucket is on the server of STORAGE_EMULATOR_HOST, without credentials. `sign` returns a GET URL for
    a blob and a `Content-Disposition`, valid for URL_SECONDS, or None if it cannot; the default is `IamSigner`, and no
    signing on an emulator.
    `monotonic` returns seconds. Every method raises CopyError if the bucket does not respond.
    """

    def __init__(
        self,
        bucket: str,
        prefix: str,
        emulator: bool,
        *,
        sign: Sign | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = bucket
        self._prefix = f"{prefix.strip('/')}/".removeprefix("/")
        self._emulator = emulator
        self._sign = sign
        self._connecting = Lock()
        self._connected: Any = None
        self._urls = SignedUrls(monotonic)

    def write(self, name: str, image: ImageStream, details: FileDetails | None = None) -> None:
        """Store the whole image or nothing; do nothing if the name already holds the same bytes."""
        with _as_copy_errors(name):
            blob = self._bucket().blob(self._prefix + name, chunk_size=CHUNK)
            if details:
                blob.content_disposition, blob.metadata = details.disposition, dict(details.metadata)
        source = ChunkReader(image.chunks())
        try:
            _upload(blob, source, image.content_type)
        except CopyError:  # raised by the image itself: the unfinished upload leaves no object
            raise
        except Exception as error:  # from five libraries without a common base class
            self._verify_stored(name, source, image, error)

    @contextmanager
    def open(self, name: str) -> Iterator[ImageStream]:
        """Start to read a stored image, in order to measure it; raise CopyError if it does not exist."""
        with _as_copy_errors(name):
            blob = self._bucket().blob(self._prefix + name)
            with blob.open("rb", chunk_size=CHUNK, timeout=TIMEOUT, retry=_retry()) as file:
                yield image_from_store(iter_chunks(file))

    async def read(self, name: str, disposition: str | None = None) -> StoredImage | None:
        """Return a signed URL, or chunks if signing is not possible; None if the image does not exist."""
        stored = self._urls.get(name, disposition)
        if stored is None:
            stored = await asyncio.to_thread(self._open_image, name, disposition)
            self._urls.put(name, disposition, stored)
        return stored

    async def content(self, name: str) -> bytes | None:
        """Return all bytes of an image, or None if it does not exist."""
        return await asyncio.to_thread(self._read_bytes, name)

    async def delete(self, name: str) -> None:
        """Delete an image, if it exists."""
        await asyncio.to_thread(self._delete, name)
        self._urls.remove(name)

    async def names(self, job_id: str) -> list[str]:
        """Return the names of all images of a job, sorted as text."""
        return [] if "/" in job_id else await asyncio.to_thread(self._list, f"jobs/{job_id}/")

    async def delete_job(self, job_id: str) -> None:
        """Delete all images of a job and its input images. Raise CopyError if some may be left."""
        if not NAME.fullmatch(job_id):
            return
        inputs = await asyncio.to_thread(self._list, f"inputs/{job_id}")
        for name in [*await self.names(job_id), *(name for name in inputs if is_input_of(job_id, name))]:
            await self.delete(name)

    def _verify_stored(self, name: str, source: "ChunkReader", image: ImageStream, error: Exception) -> None:
        """Return if the name holds this very image: from an earlier copy, or because the response was lost.

        A 412 may come before the first byte was read: the rest of the image must be read to compare it.
        """
        stored = self._find(name)
        if stored is None:
            raise ImageStoreFailed(f"{name} could not be stored: {type(error).__name__}") from error
        source.drain()
        measured = image.measured()
        if (stored.size, stored.crc32c) != (measured.size, measured.crc32c):
            raise NameTaken(f"{name} already holds another image") from error

    def _open_image(self, name: str, disposition: str | None) -> StoredImage | None:
        blob = self._find(name)
        if blob is None:
            return None
        with _as_copy_errors(name):
            url = self._sign(blob, disposition) if self._sign else None  # set once connected
        stored = StoredImage(content_type=blob.content_type, size=blob.size, crc32c=blob.crc32c)
        if url:
            return replace(stored, url=url, seconds=URL_SECONDS)
        read = partial(blob.open, "rb", chunk_size=CHUNK, timeout=READ_TIMEOUT, retry=_retry(READ_RETRY_SECONDS))
        return replace(stored, chunks=partial(read_chunks, read))

    def _find(self, name: str) -> Any:
        """Return the blob with its metadata, or None."""
        with _as_copy_errors(name):
            return self._bucket().get_blob(self._prefix + name, timeout=READ_TIMEOUT, retry=_retry(READ_RETRY_SECONDS))

    def _read_bytes(self, name: str) -> bytes | None:
        with _as_copy_errors(name), suppress(_not_found()):
            blob = self._bucket().blob(self._prefix + name)
            content: bytes = blob.download_as_bytes(timeout=TIMEOUT, retry=_retry(), checksum="crc32c")
            return content
        return None

    def _delete(self, name: str) -> None:
        # No generation is needed: a name holds one image in its life, so a second delete does no harm.
        with _as_copy_errors(name), suppress(_not_found()):
            self._bucket().blob(self._prefix + name).delete(timeout=READ_TIMEOUT, retry=_retry(READ_RETRY_SECONDS))

    def _list(self, folder: str) -> list[str]:
        with _as_copy_errors(folder):
            blobs = self._bucket().list_blobs(
                prefix=self._prefix + folder,
                fields="items(name),nextPageToken",
                timeout=READ_TIMEOUT,
                retry=_retry(READ_RETRY_SECONDS),
            )
            return sorted(blob.name.removeprefix(self._prefix) for blob in blobs)

    def _bucket(self) -> Any:
        with self._connecting:
            if self._connected is None:
                self._connected = self._connect()
            return self._connected

    def _connect(self) -> Any:
        # Otherwise the client reads the bucket's metadata in a thread of its own, which may outlive the response.
        os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
        import google.auth
        from google.cloud.storage import Client

        if self._emulator:
            return Client(project=None).bucket(self._name)
        credentials, _ = google.auth.default(scopes=SCOPES)
        self._sign = self._sign or IamSigner(credentials)
        return Client(project=None, credentials=credentials).bucket(self._name)


class IamSigner:
    """Signs URLs as our own service account, whose private key only IAM holds; each signature is a network call.

    Needs the role `iam.serviceAccountTokenCreator` on the account itself. Returns None for credentials without a
    service account: https://cloud.google.com/storage/docs/access-control/signing-urls-with-helpers
    """

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials
        self._refreshing = Lock()

    def __call__(self, blob: Any, disposition: str | None) -> str | None:
        """Return a URL that anyone can read the blob from for URL_SECONDS."""
        email, token = self._identity()
        if email is None:
            return None
        url: str = blob.generate_signed_url(
            version="v4",
            method="GET",
            expiration=URL_SECONDS,
            response_disposition=disposition,
            service_account_email=email,
            access_token=token,
        )
        return url

    def _identity(self) -> tuple[str | None, str]:
        """Return the email of the account and a valid token. On Google Cloud the email is known once a token is."""
        from google.auth.transport.requests import Request

        with self._refreshing:
            if not self._credentials.valid:
                self._credentials.refresh(Request())
            return getattr(self._credentials, "service_account_email", None), self._credentials.token


class SignedUrls:
    """A cache of signed URLs that are still valid for a while. Not thread-safe."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._entries: dict[tuple[str, str | None], tuple[StoredImage, float]] = {}

    def get(self, name: str, disposition: str | None = None) -> StoredImage | None:
        """Return the image with the seconds that remain, or None if they are too few."""
        stored, expires_at = self._entries.get((name, disposition), (None, 0.0))
        seconds = int(expires_at - self._monotonic())
        return replace(stored, seconds=seconds) if stored and seconds >= URL_MARGIN_SECONDS else None

    def put(self, name: str, disposition: str | None, stored: StoredImage | None) -> None:
        """Add an image that has a URL; evict the oldest entry if there are too many."""
        if stored is None or stored.url is None:
            return
        self._entries.pop((name, disposition), None)
        self._entries[name, disposition] = (stored, self._monotonic() + stored.seconds)
        if len(self._entries) > MAX_CACHED_URLS:
            del self._entries[next(iter(self._entries))]

    def remove(self, name: str) -> None:
        """Remove the entries of a deleted image."""
        for key in [key for key in self._entries if key[0] == name]:
            del self._entries[key]


class ChunkReader:
    """The chunks of an image as a file for the storage client: full reads, forward only."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._buffer = bytearray()
        self._position = 0

    def read(self, size: int) -> bytes:
        """Return exactly `size` bytes; fewer only at the end."""
        while len(self._buffer) < size and (chunk := next(self._chunks, None)) is not None:
            self._buffer += chunk
        read = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._position += len(read)
        return read

    def tell(self) -> int:
        """Return the number of bytes that were read."""
        return self._position

    def drain(self) -> None:
        """Read and discard the rest."""
        self._buffer.clear()
        for _ in self._chunks:
            pass


def _upload(blob: Any, source: ChunkReader, content_type: str) -> None:
    # Not blob.open("wb"): if a block fails and the cleanup call fails too, its buffer stays open, and the garbage
    # collector closes it, which commits a truncated object (google-cloud-storage 3.17.1, fileio.py). Here an error in
    # `source` aborts the upload; the lifecycle rule of the bucket removes what is left of it.
    blob.cache_control = CACHE_CONTROL
    blob.upload_from_file(
        source,
        content_type=content_type,
        if_generation_match=0,  # only if no object has the name: https://cloud.google.com/storage/docs/request-preconditions
        checksum="crc32c",
        timeout=TIMEOUT,
        retry=_retry(),
    )


def _retry(seconds: float = RETRY_SECONDS) -> Any:
    from google.cloud.storage.retry import DEFAULT_RETRY

    return DEFAULT_RETRY.with_timeout(seconds).with_delay(initial=0.5, maximum=8.0, multiplier=2.0)


def _not_found() -> Any:
    from google.api_core.exceptions import NotFound

    return NotFound


@contextmanager
def _as_copy_errors(name: str) -> Iterator[None]:
    # The client raises the errors of google.api_core, google.auth, requests, urllib3, and its own. Their texts contain
    # upload URLs, which are secrets, so they appear only as the cause.
    try:
        yield
    except CopyError:
        raise
    except Exception as error:
        raise ImageStoreFailed(f"{name}: Cloud Storage failed with {type(error).__name__}") from error

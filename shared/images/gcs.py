"""Images in a Cloud Storage bucket: a name holds a whole image or nothing, and what it holds never changes.

The client is imported and built at the first use, in a worker thread: that takes half a second, which the functions
must not pay at their start.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import Any

from shared.images.streaming import chunks_of
from shared.ports import CopyError, ImageStream, NameTaken, StoredImage

CHUNK = 1024 * 1024  # held in memory a few times; the client's default is 100 MiB
TIMEOUT = (5.0, 30.0)  # seconds to connect and to read, for each try
RETRY_SECONDS = 30.0  # for all tries of a call
READ_TIMEOUT, READ_RETRY_SECONDS = (3.0, 5.0), 8.0  # a caller waits
CACHE_CONTROL = "private, max-age=31536000, immutable"

URL_SECONDS = 900
URL_MARGIN_SECONDS = 300  # a URL that has less left is not given out any more
URLS_KEPT = 1_000
# signBlob refuses the narrower scopes that the storage client would ask for.
SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)

Sign = Callable[[Any], str | None]


class BucketImages:
    """The image store in the cloud (`shared.ports.ImageStore`): the objects of `bucket` under `prefix`.

    `emulator`: the bucket is on the server of STORAGE_EMULATOR_HOST, without credentials. `sign` makes a GET URL for a
    blob, valid for URL_SECONDS, or answers None where it cannot; without it, `IamSigner` does, and nobody on an
    emulator. `monotonic` gives seconds. CopyError from every method when the bucket does not answer.
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
        self._opening = Lock()
        self._bucket: Any = None
        self._urls = SignedUrls(monotonic)

    def write(self, name: str, image: ImageStream) -> None:
        """Store all of the image or nothing; a name that already holds the same bytes counts as done."""
        with _as_copy_errors(name):
            blob = self._open().blob(self._prefix + name, chunk_size=CHUNK)
        source = Source(image.chunks())
        try:
            _upload(blob, source, image.content_type)
        except CopyError:  # the image's own: the upload is not finished and leaves no object
            raise
        except Exception as error:  # of five libraries, without a common base; the bucket knows what became of it
            self._settle(name, source, image, error)

    async def read(self, name: str) -> StoredImage | None:
        """A signed URL, or the bytes as chunks where nothing can be signed; None if nothing has that name."""
        kept = self._urls.get(name)
        if kept is None:
            kept = await asyncio.to_thread(self._look_up, name)
            self._urls.put(name, kept)
        return kept

    async def content(self, name: str) -> bytes | None:
        """All bytes of a stored image, or None if nothing has that name."""
        return await asyncio.to_thread(self._content, name)

    async def delete(self, name: str) -> None:
        """Remove a image; nothing if there is none."""
        await asyncio.to_thread(self._delete, name)
        self._urls.forget(name)

    async def names(self, job_id: str) -> list[str]:
        """The names of all images of a job, sorted as text."""
        return [] if "/" in job_id else await asyncio.to_thread(self._list, f"jobs/{job_id}/")

    def _settle(self, name: str, source: "Source", image: ImageStream, error: Exception) -> None:
        """Done all the same if the name holds this very image: of an earlier copy, or the answer was lost.

        A 412 may come before the first byte: the rest of the image must pass to be compared.
        """
        kept = self._find(name)
        if kept is None:
            raise CopyError(f"{name} could not be stored: {type(error).__name__}") from error
        source.drain()
        measured = image.measured()
        if (kept.size, kept.crc32c) != (measured.size, measured.crc32c):
            raise NameTaken(f"{name} already holds another image") from error

    def _look_up(self, name: str) -> StoredImage | None:
        blob = self._find(name)
        if blob is None:
            return None
        with _as_copy_errors(name):
            url = self._sign(blob) if self._sign else None  # connecting has set it
        stored = StoredImage(content_type=blob.content_type, size=blob.size, crc32c=blob.crc32c)
        if url:
            return replace(stored, url=url, seconds=URL_SECONDS)
        read = partial(blob.open, "rb", chunk_size=CHUNK, timeout=READ_TIMEOUT, retry=_retry(READ_RETRY_SECONDS))
        return replace(stored, chunks=chunks_of(read))

    def _find(self, name: str) -> Any:
        """The blob with all that the bucket knows of it, or None."""
        with _as_copy_errors(name):
            return self._open().get_blob(self._prefix + name, timeout=READ_TIMEOUT, retry=_retry(READ_RETRY_SECONDS))

    def _content(self, name: str) -> bytes | None:
        with _as_copy_errors(name), suppress(_missing()):
            blob = self._open().blob(self._prefix + name)
            content: bytes = blob.download_as_bytes(timeout=TIMEOUT, retry=_retry(), checksum="crc32c")
            return content
        return None

    def _delete(self, name: str) -> None:
        # Without a generation: a name has one image in its life, so deleting it twice is deleting it once.
        with _as_copy_errors(name), suppress(_missing()):
            self._open().blob(self._prefix + name).delete(timeout=READ_TIMEOUT, retry=_retry(READ_RETRY_SECONDS))

    def _list(self, folder: str) -> list[str]:
        with _as_copy_errors(folder):
            blobs = self._open().list_blobs(
                prefix=self._prefix + folder,
                fields="items(name),nextPageToken",
                timeout=READ_TIMEOUT,
                retry=_retry(READ_RETRY_SECONDS),
            )
            return sorted(blob.name.removeprefix(self._prefix) for blob in blobs)

    def _open(self) -> Any:
        with self._opening:
            if self._bucket is None:
                self._bucket = self._connected()
            return self._bucket

    def _connected(self) -> Any:
        # Else the client asks for the bucket's metadata in a thread of its own, which may go on after the answer.
        os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
        import google.auth
        from google.cloud.storage import Client

        if self._emulator:
            return Client(project=None).bucket(self._name)
        credentials, _ = google.auth.default(scopes=SCOPES)
        self._sign = self._sign or IamSigner(credentials)
        return Client(project=None, credentials=credentials).bucket(self._name)


class IamSigner:
    """Signs as the service account that we run as, whose key only IAM has; each signature is a network call.

    Needs the role `iam.serviceAccountTokenCreator` on itself. None for credentials without a service account:
    https://cloud.google.com/storage/docs/access-control/signing-urls-with-helpers
    """

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials
        self._refreshing = Lock()

    def __call__(self, blob: Any) -> str | None:
        """A URL from which anybody can read the blob for URL_SECONDS."""
        email, token = self._identity()
        if email is None:
            return None
        url: str = blob.generate_signed_url(
            version="v4", method="GET", expiration=URL_SECONDS, service_account_email=email, access_token=token
        )
        return url

    def _identity(self) -> tuple[str | None, str]:
        """Our own address and a valid token. On Google's servers the address is known once a token is."""
        from google.auth.transport.requests import Request

        with self._refreshing:
            if not self._credentials.valid:
                self._credentials.refresh(Request())
            return getattr(self._credentials, "service_account_email", None), self._credentials.token


class SignedUrls:
    """The signed URLs that are still good for a while. Not for several threads."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._kept: dict[str, tuple[StoredImage, float]] = {}

    def get(self, name: str) -> StoredImage | None:
        """The image with the seconds that are left, or None if they are too few."""
        stored, end = self._kept.get(name, (None, 0.0))
        left = int(end - self._monotonic())
        return replace(stored, seconds=left) if stored and left >= URL_MARGIN_SECONDS else None

    def put(self, name: str, stored: StoredImage | None) -> None:
        """Remember a image that has a URL; of too many, forget the one that came first."""
        if stored is None or stored.url is None:
            return
        self._kept.pop(name, None)
        self._kept[name] = (stored, self._monotonic() + stored.seconds)
        if len(self._kept) > URLS_KEPT:
            del self._kept[next(iter(self._kept))]

    def forget(self, name: str) -> None:
        """Nothing has this name any more."""
        self._kept.pop(name, None)


class Source:
    """The chunks of a image as the file that the client reads: full reads, forward only."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._ahead = bytearray()
        self._position = 0

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes; fewer only at the end."""
        while len(self._ahead) < size and (chunk := next(self._chunks, None)) is not None:
            self._ahead += chunk
        read = bytes(self._ahead[:size])
        del self._ahead[:size]
        self._position += len(read)
        return read

    def tell(self) -> int:
        """How many bytes have been read."""
        return self._position

    def drain(self) -> None:
        """Let the rest pass."""
        self._ahead.clear()
        for _ in self._chunks:
            pass


def _upload(blob: Any, source: Source, content_type: str) -> None:
    # Not blob.open("wb"): if its block fails and the call that it then makes fails too, its buffer stays open, and
    # the garbage collector closes it, which commits what had arrived as the whole (google-cloud-storage 3.17.1,
    # fileio.py). Here an error in `source` ends the upload; the bucket's lifecycle rule clears what is left of it.
    blob.cache_control = CACHE_CONTROL
    blob.upload_from_file(
        source,
        content_type=content_type,
        if_generation_match=0,  # only if nothing has the name: https://cloud.google.com/storage/docs/request-preconditions
        checksum="crc32c",
        timeout=TIMEOUT,
        retry=_retry(),
    )


def _retry(seconds: float = RETRY_SECONDS) -> Any:
    from google.cloud.storage.retry import DEFAULT_RETRY

    return DEFAULT_RETRY.with_timeout(seconds).with_delay(initial=0.5, maximum=8.0, multiplier=2.0)


def _missing() -> Any:
    from google.api_core.exceptions import NotFound

    return NotFound


@contextmanager
def _as_copy_errors(name: str) -> Iterator[None]:
    # The client raises the errors of google.api_core, google.auth, requests, urllib3 and its own. Their texts show
    # upload URLs, which are secrets: they stay in the cause.
    try:
        yield
    except Exception as error:
        raise CopyError(f"{name}: Cloud Storage failed with {type(error).__name__}") from error

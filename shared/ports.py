"""What the steps need from the world, in the words of the domain: a clock, a job store, an image store, Wireflow."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from shared.error_codes import ErrorCode
from shared.job import Job, Status
from shared.job_parts import Step
from shared.spending.gate import Gate
from shared.spending.rate_window import RateWindow
from shared.workflows import NodeInput, Workflow


class Clock(Protocol):
    """The only source of time. Nothing but `wiring` and tests makes one."""

    def now(self) -> datetime:
        """The present, as an aware UTC datetime."""

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`; at once for zero or less."""


# --- job store -----------------------------------------------------------------------------------------------------


class StoreError(Exception):
    """The job store did not do what was asked.

    StoreError
    ├── AlreadyExists   a job with this id is there (it comes along)
    ├── Conflict        somebody else wrote the record since it was read
    └── StoreUnavailable   the store could not be reached in time; trying again may help
    """


class AlreadyExists(StoreError):
    """A document with this id is there already; `job` is what it holds."""

    def __init__(self, job: Job) -> None:
        super().__init__(f"job {job.id} exists")
        self.job = job


class Conflict(StoreError):
    """The record changed since it was read: whoever meets this no longer owns it."""


class StoreUnavailable(StoreError):
    """The store did not answer in time or reported a fault of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobQuery:
    """Which jobs are listed. None: any. `before`: `createdAt` and id of the last job that was seen."""

    limit: int
    caller: str | None = None
    status: Status | None = None
    workflow: str | None = None
    since: datetime | None = None  # inclusive
    before: tuple[datetime, str] | None = None


class JobStore(Protocol):
    """Jobs and the gate's document. Every write is conditional on the revision that it was computed from.

    Each call ends within seconds: StoreUnavailable if the store does not answer. A write whose answer was lost and
    that is found to be ours counts as done.
    """

    async def create(self, job: Job) -> Job:
        """Record a new job; AlreadyExists with the job that has this id. Returns it with its revision."""

    async def get(self, job_id: str) -> Job | None:
        """The job, or None."""

    async def save(self, job: Job) -> Job:
        """Replace the job's fields (unknown ones survive) if its revision is still the newest, else Conflict."""

    async def due(self, now: datetime, limit: int) -> list[Job]:
        """Jobs in flight that want attention: `dueAt <= now`, the oldest first."""

    async def queue_head(self, now: datetime, limit: int) -> list[Job]:
        """Jobs whose place in line has come: `queueAt <= now`, the first first."""

    async def count_ahead(self, queue_at: datetime) -> int:
        """How many jobs stand in line before this time: `queueAt < queue_at`."""

    async def create_all(self, jobs: Sequence[Job]) -> list[Job]:
        """Record all of these new jobs or none of them, at most 100; AlreadyExists with one that is there."""

    async def list_jobs(self, listing: JobQuery) -> list[Job]:
        """Jobs from the newest to the oldest: `createdAt` and then the id, descending."""

    async def read_rate_window(self) -> RateWindow:
        """Return what browsers submitted recently, with its revision; an empty window if none is stored yet."""

    async def save_rate_window(self, window: RateWindow) -> RateWindow:
        """Replace the rate window if its revision is still the newest, else Conflict."""

    async def read_gate(self) -> Gate:
        """The gate's state with its revision; a new, open one if there is none yet."""

    async def save_gate(self, gate: Gate) -> Gate:
        """Replace the gate's state if its revision is still the newest, else Conflict."""

    async def id_secret(self) -> bytes:
        """32 random bytes that all instances share, created by whoever asks first."""

    async def close(self) -> None:
        """Let go of connections."""


# --- image store ---------------------------------------------------------------------------------------------------


class CopyError(Exception):
    """An image could not be copied.

    CopyError            the network or a store, now: try again
    ├── ImageGone        403, 404 or 410 on every route: it has probably expired
    ├── ImageRefused     trying again does not help: not an image, too large
    ├── NameTaken        the image store has another image under this name
    └── UrlNotAllowed     we do not go there: the scheme, the host or a private address; a redirect may lead there too
    """


class NameTaken(CopyError):
    """The name holds another image, and names never change what they hold."""


class ImageGone(CopyError):
    """No route to the image serves it any more."""


class ImageRefused(CopyError):
    """What is there is not what we keep; `code` says why."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class UrlNotAllowed(CopyError):
    """The image was not asked for; the text says which rule forbids it, and is for logs only: it names addresses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What is known of a image once its last byte has passed. `crc32c` is base64, as Cloud Storage writes it."""

    width: int | None
    height: int | None
    size: int
    sha256: str
    crc32c: str


class ImageStream(Protocol):
    """A image on its way: the type is known from its first bytes, the rest when the last chunk has passed."""

    content_type: str
    extension: str

    def chunks(self) -> Iterator[bytes]:
        """The bytes, once; raises CopyError when they stop short, run too long or are not an image."""

    def measured(self) -> Measured:
        """After the last chunk."""


class ImageSource(Protocol):
    """Where images come from. Synchronous: it runs in a worker thread."""

    def open(self, url: str) -> AbstractContextManager[ImageStream]:
        """Start reading the image at `url`, by every allowed route in turn; CopyError if none serves it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredImage:
    """A way to the bytes of a stored image: either `url`, valid for `seconds`, or `chunks`."""

    content_type: str
    size: int
    crc32c: str
    url: str | None = None
    seconds: int = 0
    chunks: AsyncIterator[bytes] | None = None


class ImageStore(Protocol):
    """Where images are kept, under names that never change: `jobs/{jobId}/{attempt}/{n}.{ext}`.

    Beside them, until their job has ended, stand input images: `inputs/{jobId}`.
    """

    def write(self, name: str, image: ImageStream) -> None:
        """Store all of the image or nothing; a name that already holds the same bytes counts as done.

        Synchronous: it runs in a worker thread. CopyError if the image or the store fails.
        """

    async def read(self, name: str) -> StoredImage | None:
        """A way to the bytes, or None if nothing has that name."""

    async def content(self, name: str) -> bytes | None:
        """All bytes of a stored image, or None if nothing has that name. CopyError if the store does not answer."""

    async def delete(self, name: str) -> None:
        """Remove a image; nothing if there is none. CopyError if the store does not answer."""

    async def names(self, job_id: str) -> list[str]:
        """The names of all images of a job, for when its document has expired."""


# --- Wireflow ------------------------------------------------------------------------------------------------------


class RunState(StrEnum):
    """Where Wireflow says a run stands. Any other word, or none, is no state."""

    QUEUED = "QUEUED"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMEOUT = "TIMEOUT"

    @property
    def terminal(self) -> bool:
        """Whether the run has ended."""
        return self in {RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED, RunState.TIMEOUT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The paid call was accepted."""

    execution_id: str
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResponse:
    """What an answer about a run says. `state` is None where no known word was found; `raw` is bounded."""

    state: RunState | None
    image_urls: tuple[str, ...] = ()
    error: str | None = None
    moderated: bool = False
    credits_used: float | None = None
    request_id: str | None = None
    news: tuple[str, ...] = ()  # status words, names and shapes that nobody has seen before
    raw: str = ""
    steps: tuple[Step, ...] = ()  # what is said of the nodes
    pace: Mapping[str, int] = field(default_factory=dict)  # the rate limit headers: limit, remaining, reset


class Wireflow(Protocol):
    """The vendor. Errors: shared/wireflow/errors.py."""

    async def start(self, workflow: Workflow, body: Mapping[str, Any], idempotency_key: str) -> Started:
        """The paid call, within 8 s. Refused: nothing was started. OutcomeUnknown: nobody knows."""

    async def describe(self, workflow: Workflow) -> tuple[NodeInput, ...]:
        """The inputs of a saved workflow. RequestRefused: 400, 413, 415, 422; any other WireflowError: ask again."""

    async def host(self, content: bytes, content_type: str) -> str:
        """Upload an input image; its address at Wireflow. Errors as with `describe`."""

    async def healthy(self) -> bool:
        """Whether the free health call answers 200."""

    async def poll(self, execution_id: str) -> RunResponse:
        """Where a run stands; PollError if that cannot be told now."""

    async def details(self, execution_id: str) -> RunResponse:
        """The same from the details endpoint."""

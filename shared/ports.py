"""The interfaces that the steps depend on: a clock, a job store, an image store, wake-ups, and Wireflow."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from shared.batches import BatchStore
from shared.bulk_action import BulkAction
from shared.hooks import HookStore
from shared.job import Job
from shared.job_parts import Step
from shared.job_states import Status
from shared.listed_job import ListedJob
from shared.spending.gate_state import Gate
from shared.spending.rate_window import RateWindow
from shared.spending.usage import UsageDay, UsageRow, UsageVersions
from shared.workflows import NodeInput, Workflow


class Clock(Protocol):
    """The only source of time. `wiring` creates the real one, tests create their own."""

    def now(self) -> datetime:
        """Return the current time as an aware UTC datetime."""

    def monotonic(self) -> float:
        """Return seconds that never go back, for durations within a process: the machine's clock may be set."""

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds`; return at once for zero or less."""


# --- job store -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """The fields of a job that a scan reads, enough to choose jobs. A row cannot be saved; a claim reads the job."""

    id: str
    status: Status
    give_up_at: datetime
    workflow: str = "default"
    caller: str | None = None
    prepared: bool = True
    claims: int | None = None
    workflow_unknown_since: datetime | None = None
    started_at: datetime | None = None
    recheck_at: datetime | None = None
    due_at: datetime | None = None
    queue_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobQuery:
    """A filter for listing jobs; None matches any. `before`: `createdAt` and id of the last job on the page before."""

    limit: int
    caller: str | None = None
    status: Status | None = None
    workflow: str | None = None
    batch_id: str | None = None
    since: datetime | None = None  # inclusive
    before: tuple[datetime, str] | None = None


class JobStore(BatchStore, HookStore, Protocol):
    """Storage for jobs, hooks, and control documents. Every write is conditional on the revision it was computed from.

    Every call ends within seconds and raises StoreUnavailable if the store does not respond. A write whose response was
    lost counts as done if the store turns out to hold it.
    """

    async def create(self, job: Job) -> Job:
        """Store a new job and return it with its revision; raise AlreadyExists with the job that has this id."""

    async def create_all(self, jobs: Sequence[Job]) -> list[Job]:
        """Store at most 100 new jobs, all or none; raise AlreadyExists with one that exists."""

    async def get(self, job_id: str) -> Job | None:
        """Return the job, or None. Raise UnreadableJob."""

    async def save(self, job: Job) -> Job:
        """Replace the fields of a job and return it with its new revision; raise Conflict if it was changed since.

        Stored fields that this version does not know are kept. Raise RecordTooLarge if no such write can succeed.
        """

    async def due(
        self, now: datetime, limit: int, since: datetime | None = None, *, in_flight: bool = False
    ) -> list[JobRow]:
        """Return jobs with `dueAt <= now`, oldest first; with `since` none before it, with `in_flight` no final one."""

    async def queue_head(self, now: datetime, limit: int, since: datetime | None = None) -> list[JobRow]:
        """Return queued jobs with `queueAt <= now`, oldest first; with `since`, none before it."""

    async def with_execution(self, execution_id: str, limit: int) -> list[JobRow]:
        """Return jobs with this execution id: more than one if Wireflow issued it twice."""

    async def count_ahead(self, queue_at: datetime) -> int:
        """Return the number of queued jobs with `queueAt < queue_at`."""
        ...

    async def count_queued(self, caller: str, limit: int) -> int:
        """Return how many jobs of a caller are queued, held ones included; at most `limit`."""

    async def list_jobs(self, query: JobQuery) -> list[ListedJob]:
        """Return jobs newest first: by `createdAt`, then by id, both descending."""

    async def usage_rows(self, query: JobQuery) -> list[UsageRow]:
        """Return what the usage needs of jobs, in the order of `list_jobs`."""

    async def read_usage(self, day: str) -> UsageDay | None:
        """Return the stored usage of a day, or None."""

    async def save_usage(self, usage: UsageDay) -> None:
        """Store the usage of a day, unless it is stored already."""

    async def read_usage_versions(self) -> UsageVersions:
        """Return which days were stored but are out of date, with the revision; none if nothing is stored."""

    async def save_usage_versions(self, versions: UsageVersions) -> None:
        """Replace the versions of days if the revision is still the newest, else Conflict."""

    async def read_action(self, action_id: str) -> BulkAction | None:
        """Return a stored bulk action, or None."""

    async def save_action(self, action: BulkAction) -> BulkAction:
        """Create or replace a bulk action; raise Conflict if it was stored, or changed, since it was read."""

    async def read_rate_window(self) -> RateWindow:
        """Return what browsers submitted recently, with its revision; an empty window if none is stored yet."""

    async def save_rate_window(self, window: RateWindow) -> RateWindow:
        """Replace the rate window if its revision is still the newest, else Conflict."""

    async def read_gate(self) -> Gate:
        """Return the state of the gate with its revision; a new, open one if none is stored. Raise UnreadableGate."""

    async def save_gate(self, gate: Gate) -> Gate:
        """Replace the state of the gate and return it with its new revision; raise Conflict if it was changed since."""

    async def id_secret(self) -> bytes:
        """Return the 32 random bytes that all instances share; the first call creates them."""

    async def close(self) -> None:
        """Close all connections."""


class WakeUp(Protocol):
    """Calls of the poller at multiples of `interval` seconds (0: none), in addition to those of the scheduler."""

    interval: int

    async def at(self, moment: datetime) -> None:
        """Let the poller be called at `moment`, or up to an interval later. Return within a second, never raise."""


# --- image store ---------------------------------------------------------------------------------------------------


INPUT_SECONDS = 20.0  # for an input image by URL, however slowly it arrives


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageMeasurements:
    """Size in bytes, dimensions in pixels (None if unknown), and checksums. `crc32c`: base64, as in Cloud Storage."""

    width: int | None
    height: int | None
    size: int
    sha256: str
    crc32c: str


class ImageStream(Protocol):
    """An image that is being read. The type is known from the start, the measurements after the last chunk."""

    content_type: str
    extension: str

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes, once; raise CopyError if they are truncated, too many, or not an image."""

    def measured(self) -> ImageMeasurements:
        """Return the measurements; call it after the last chunk."""


class ImageSource(Protocol):
    """A source of images by URL. Synchronous: call it in a worker thread."""

    def open(self, url: str) -> AbstractContextManager[ImageStream]:
        """Start to read the image at `url`, trying every allowed route in turn; raise CopyError if none serves it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredImage:
    """Access to a stored image: either `url`, which is valid for `seconds`, or `chunks`, from a byte on."""

    content_type: str
    size: int
    crc32c: str
    url: str | None = None
    seconds: int = 0
    chunks: Callable[[int], AsyncIterator[bytes]] | None = None


@dataclass(frozen=True, slots=True)
class FileDetails:
    """What a store that can do so keeps beside the bytes of an image: its `Content-Disposition`, and pairs of texts."""

    disposition: str
    metadata: Mapping[str, str]


class ImageStore(Protocol):
    """Storage for images, whose names never change: `jobs/{jobId}/{attempt}/{n}.{ext}`.

    Input images are kept as `inputs/{jobId}`, `inputs/{jobId}-2`, and `inputs/{jobId}-3` until their job has succeeded,
    or for 7 days after it failed or was canceled.
    """

    def write(self, name: str, image: ImageStream, details: FileDetails | None = None) -> None:
        """Store the whole image or nothing; do nothing if the name already holds the same bytes.

        Synchronous: call it in a worker thread. Raise CopyError if the image or the store fails.
        """

    def open(self, name: str) -> AbstractContextManager[ImageStream]:
        """Start to read a stored image, in order to measure it.

        Synchronous: call it in a worker thread. Raise CopyError if the store fails or has no such image.
        """

    async def read(self, name: str, disposition: str | None = None) -> StoredImage | None:
        """Return access to an image, or None if it does not exist.

        `disposition`: the `Content-Disposition` of a URL, if not the stored one.
        """

    async def content(self, name: str) -> bytes | None:
        """Return all bytes of an image, or None if it does not exist; raise CopyError if the store fails."""

    async def delete(self, name: str) -> None:
        """Delete an image, if it exists; raise CopyError if the store fails."""

    async def names(self, job_id: str) -> list[str]:
        """Return the names of all images of a job; they remain after the job's document has expired."""

    async def delete_job(self, job_id: str) -> None:
        """Delete all images of a job and its input images. Raise CopyError if some may be left."""


# --- Wireflow ------------------------------------------------------------------------------------------------------


class RunState(StrEnum):
    """The state of a run as Wireflow reports it. Any other word is unknown, which is None."""

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
        """Whether the state is final."""
        return self in {RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED, RunState.TIMEOUT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The paid call started a run."""

    execution_id: str
    request_id: str | None = None
    http_status: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultImage:
    """An image that a run reports. `place`: the id of its node and its position there, such as `gen-1/0`."""

    url: str
    place: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResponse:
    """A response about a run. `state` is None if it reports no known state."""

    state: RunState | None
    images: tuple[ResultImage, ...] = ()  # each once, whatever signatures its URLs have
    texts: tuple[str, ...] = ()  # that nodes have produced, the prompt among them
    error: str | None = None
    error_codes: tuple[str, ...] = ()  # codes, types, and reasons of the errors
    node_error: str | None = None  # the words of the nodes that have failed, which are in `error` too
    credits_used: float | None = None
    model: str | None = None  # the model, or several, that the response names: a retired one may have been replaced
    request_id: str | None = None
    http_status: int | None = None
    unknown_shapes: tuple[str, ...] = ()  # statuses and names that are in no published shape
    raw: str = ""  # the first 4,096 characters of the response
    steps: tuple[Step, ...] = ()  # one for each node
    rate_limit: Mapping[str, int] = field(default_factory=dict)  # the rate limit headers: limit, remaining, reset

    @property
    def image_urls(self) -> tuple[str, ...]:
        """The URLs of the images."""
        return tuple(image.url for image in self.images)


class Wireflow(Protocol):
    """The API of Wireflow. Its errors are in shared/wireflow/errors.py."""

    async def start(
        self, workflow: Workflow, body: Mapping[str, Any], idempotency_key: str, *, patient: bool = False
    ) -> Started:
        """Make the paid call within 8 s, or 30 s if no caller waits for it (`patient`).

        Raise Refused (nothing was started) or OutcomeUnknown.
        """

    async def describe_inputs(self, workflow: Workflow) -> tuple[NodeInput, ...]:
        """Return the inputs of a saved workflow.

        Raise RequestRefused for 400, 413, 415, and 422, and another WireflowError if it is worth trying again.
        """

    async def upload_image(self, content: bytes, content_type: str) -> str:
        """Upload an input image and return its URL at Wireflow; raise as `describe_inputs`."""

    async def healthy(self, *, needs_webhook: bool = True) -> bool:
        """Return whether the webhook's free health call succeeds, or Wireflow at least responds that it is gone."""

    async def poll(self, execution_id: str) -> RunResponse:
        """Return the state of a run; raise PollError."""

    async def details(self, execution_id: str) -> RunResponse:
        """Return the state of a run from the details endpoint; raise PollError."""

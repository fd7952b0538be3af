"""The parts of a job: its images, the steps of its run, its error, and its earlier runs."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self, get_args, get_type_hints

from shared.error_codes import EXPLANATIONS, Charged, ErrorCode
from shared.job_states import Status
from shared.spending.money import Cost

MESSAGE_LIMIT = 500  # characters of an error's message
# A record may have 1 MiB: https://cloud.google.com/firestore/quotas. Apart from the request and the images it takes at
# most 88 KiB: six URLs, an error, 8 receivers, 10 earlier runs, 100 ids, and as far as it fits what is only good to
# know.
RECORD_BYTES = 1024 * 1024 - 88 * 1024
MAX_ATTEMPTS = 10  # earlier runs, the newest
MAX_RESPONSES = 12  # of Wireflow, the newest
MAX_NEXT_JOBS = 100  # ids, the newest
MAX_IMAGES, IMAGE_BYTES = 100, 800  # of an image without its URL: its place, what is measured, its last error

_DATETIME_FIELDS: dict[type, tuple[str, ...]] = {}  # by class, filled by `require_aware`


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image of a job. Without `name` it is not stored yet. `bytes` is the size, `crc32c` base64.

    `stored_at`: when it was copied; unknown if an earlier version stored it.
    `copy_error`: why the last try to copy it failed, and what to do, as sentences for callers.
    `place`: its node and position in the responses of Wireflow, such as `gen-1/0`, or None if they name no node.
    """

    index: int
    source_url: str
    place: str | None = None
    name: str | None = None
    content_type: str | None = None
    width: int | None = None
    height: int | None = None
    bytes: int | None = None
    sha256: str | None = None
    crc32c: str | None = None
    error: ErrorCode | None = None
    gone_since: datetime | None = None
    copy_error: str | None = None
    stored_at: datetime | None = None

    def __post_init__(self) -> None:
        """Reject naive datetimes."""
        require_aware(self)

    @property
    def pending(self) -> bool:
        """Whether the image is neither stored nor given up."""
        return self.name is None and self.error is None

    def evolve(self, **changes: Any) -> "Image":
        """Return a copy with `changes`."""
        return dataclasses.replace(self, **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The last report about one node of the run. `progress`: Wireflow's own figure, unchanged."""

    label: str | None = None
    status: str | None = None
    progress: float | None = None


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed (or will have failed once its images are copied), and whether it cost money."""

    code: ErrorCode
    message: str
    retryable: bool
    charged: Charged
    hint: str
    request_id: str | None = None

    @classmethod
    def of(
        cls,
        code: ErrorCode,
        *,
        charged: Charged,
        message: str | None = None,
        hint: str | None = None,
        request_id: str | None = None,
    ) -> Self:
        """Return the error for `code`; `message` (the vendor's words) and `hint` replace the general ones."""
        known = EXPLANATIONS[code]
        words = (message or known.message)[:MESSAGE_LIMIT]
        return cls(code, words, known.retryable, charged, hint or known.failed_hint, request_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The last refusal of the paid call that did not fail the job. `times`: in a row for this reason."""

    reason: ErrorCode
    message: str  # the vendor's words
    times: int
    at: datetime

    def __post_init__(self) -> None:
        """Reject naive datetimes."""
        require_aware(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A paid run of a job that has ended. `attempt`: the job's number at that time."""

    attempt: int
    status: Status
    execution_id: str | None = None
    request_id: str | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    error_code: ErrorCode | None = None
    error_message: str | None = None
    error_charged: Charged | None = None
    credits_used: float | None = None
    cost: Cost | None = None

    def __post_init__(self) -> None:
        """Reject naive datetimes."""
        require_aware(self)


class VendorCall(StrEnum):
    """A call to Wireflow whose response is kept: the paid call, or the poll that reported the end of the run."""

    START = "start"
    RESULT = "result"


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorResponse:
    """A response of Wireflow that decided what became of a run. `http_status`: None if there was none.

    `error_code`: why no run was started, or why that is not known; `execution_id`: of the run that was started.
    """

    attempt: int
    call: VendorCall
    at: datetime
    http_status: int | None = None
    request_id: str | None = None
    error_code: ErrorCode | None = None
    execution_id: str | None = None

    def __post_init__(self) -> None:
        """Reject naive datetimes."""
        require_aware(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class InputImage:
    """An input image. `source`: a URL, or a name in the image store.

    `stored`: its name in the image store, until it is deleted; `hosted_url`: its URL at Wireflow.
    """

    source: str
    stored: str | None = None
    hosted_url: str | None = None

    def evolve(self, **changes: Any) -> "InputImage":
        """Return a copy with `changes`."""
        return dataclasses.replace(self, **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Then:
    """The job that follows this one once it has succeeded. `job`: its id, as soon as it exists."""

    workflow: str
    estimated_cost: Cost | None = None  # of one image
    job: str | None = None


def copy_errors_of(images: Iterable[Image]) -> str:
    """Return why images could not be copied: each reason once, and if there are several, with the images' indexes."""
    reasons: dict[str, list[str]] = {}
    for image in images:
        if image.copy_error:
            reasons.setdefault(image.copy_error, []).append(str(image.index))
    if len(reasons) < 2:
        return "".join(reasons)
    return " ".join(f"Image {', '.join(indexes)}: {reason}" for reason, indexes in reasons.items())


def bytes_of(image: Image) -> int:
    """Return the bytes of a record that an image takes, once it is stored."""
    return len(image.source_url.encode()) + IMAGE_BYTES


def fitting(images: tuple[Image, ...], request_bytes: int) -> tuple[Image, ...]:
    """Return the first images, as many as fit into a record with a request of that size; at least one."""
    room = RECORD_BYTES - request_bytes
    for count, image in enumerate(images[:MAX_IMAGES]):
        room -= bytes_of(image)
        if room < 0:
            return images[: max(count, 1)]
    return images[:MAX_IMAGES]


def require_aware(record: object) -> None:
    """Raise ValueError if a datetime field of a record is naive: it cannot be compared with the clock."""
    kind = type(record)
    if kind not in _DATETIME_FIELDS:
        _DATETIME_FIELDS[kind] = datetime_fields(kind)
    for name in _DATETIME_FIELDS[kind]:
        value = getattr(record, name)
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{name} must be an aware datetime")


def datetime_fields(record: type) -> tuple[str, ...]:
    """Return the names of the datetime fields of a record's class, optional ones included."""
    hints = get_type_hints(record)
    return tuple(name for name, hint in hints.items() if datetime in (hint, *get_args(hint)))

"""The job: one frozen record, its states, and the one table of how they follow each other.

shared/README.md draws the same table. A change of state is a new record; only a job store makes it real, and only if
the record it was computed from is still the newest (`revision`).
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, Self

from shared.error_codes import EXPLANATIONS, Charged, ErrorCode

SCHEMA_VERSION = 1
MESSAGE_LIMIT = 500  # characters of an error's message


class Status(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"  # recorded, waits in line
    TRIGGERING = "triggering"  # written before the paid call; its outcome is not known yet
    RUNNING = "running"  # Wireflow's execution id is known
    COPYING = "copying"  # the image URLs are saved, bytes are on their way
    SUCCEEDED = "succeeded"  # every image is stored
    FAILED = "failed"  # ended with an error
    CANCELED = "canceled"  # taken back by the caller while it waited


TRANSITIONS: Mapping[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.TRIGGERING, Status.FAILED, Status.CANCELED}),
    Status.TRIGGERING: frozenset({Status.RUNNING, Status.QUEUED, Status.FAILED}),
    Status.RUNNING: frozenset({Status.COPYING, Status.TRIGGERING, Status.FAILED}),
    Status.COPYING: frozenset({Status.SUCCEEDED, Status.FAILED}),
    Status.SUCCEEDED: frozenset(),
    Status.FAILED: frozenset(),
    Status.CANCELED: frozenset(),
}
FINAL = frozenset(status for status, following in TRANSITIONS.items() if not following)

# The only way out of a final state: a run that was given up on turns out to have made its images.
RESCUE = (Status.FAILED, Status.COPYING)


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
        """The error that `code` stands for; `message` (the vendor's words) and `hint` replace the general ones."""
        known = EXPLANATIONS[code]
        words = (message or known.message)[:MESSAGE_LIMIT]
        return cls(code, words, known.retryable, charged, hint or known.hint, request_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image of a job. Without `name` it is known but not stored yet. `bytes` is the size, `crc32c` base64."""

    index: int
    source_url: str
    name: str | None = None
    content_type: str | None = None
    width: int | None = None
    height: int | None = None
    bytes: int | None = None
    sha256: str | None = None
    crc32c: str | None = None
    error: ErrorCode | None = None
    gone_since: datetime | None = None

    def evolve(self, **changes: Any) -> "Image":
        """A new record with `changes`."""
        return dataclasses.replace(self, **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What Wireflow reported last of one node of the run. `progress`: its own figure, as it came."""

    label: str | None = None
    status: str | None = None
    progress: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One request for images and what has become of it. Times are aware UTC datetimes.

    `due_at`: when a job in flight wants attention; `queue_at`: its place in line. A job with nothing left to do has
    neither. `input` is the JSON text of the fields that go to Wireflow beside `prompt`; of a saved workflow that is run
    by its inputs, once it is prepared, all of them by node.
    """

    id: str
    status: Status
    prompt: str
    created_at: datetime
    expire_at: datetime
    give_up_at: datetime  # a job that still waits in line then has failed
    input: str = "{}"
    fingerprint: str | None = None  # of the request: the same key with another one is a mistake
    workflow: str = "default"
    caller: str | None = None
    private: bool = False  # only its caller may read it
    image1: str | None = None  # the input image: its address, or its name in the image store
    image1_kept: str | None = None  # its name there, for as long as it is ours to remove: until the job has ended
    hosted_url: str | None = None  # where Wireflow finds it
    prepared: bool = True  # nothing has to be hosted or looked up before the paid call
    preparing_tries: int = 0
    image1_gone_since: datetime | None = None
    steps: tuple[Step, ...] = ()
    allow_partial: bool = False
    attempt: int = 1
    execution_id: str | None = None
    possible_duplicate: bool = False
    outcome_unknown: bool = False  # a paid call of this attempt was sent and not answered clearly
    request_id: str | None = None
    credits_used: float | None = None
    images: tuple[Image, ...] = ()
    error: JobError | None = None
    wait_reason: ErrorCode | None = None
    triggered_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    copying_since: datetime | None = None
    copy_tries: int = 0
    missing_since: datetime | None = None  # since when Wireflow says that it does not know the run
    late_look_done: bool = False
    last_answer: str | None = None  # the vendor's words that nobody understood, bounded
    due_at: datetime | None = None
    queue_at: datetime | None = None
    revision: Any = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse naive datetimes: they compare wrongly with every clock there is."""
        for name in TIMES:
            value = getattr(self, name)
            if value is not None and value.tzinfo is None:
                raise ValueError(f"{name} must be an aware datetime")

    @property
    def finished(self) -> bool:
        """Whether the job is in a final state."""
        return self.status in FINAL

    @property
    def idempotency_key(self) -> str:
        """The key of the paid call, the same for every sending of one attempt."""
        return f"{self.id}.{self.attempt}"

    def cost(self, seems: Charged) -> Charged:
        """Whether the job cost money. After a repeated call nobody can say that it did not: the first may have."""
        return Charged.UNKNOWN if seems is Charged.NO and self.possible_duplicate else seems

    def evolve(self, **changes: Any) -> "Job":
        """A new record with `changes`; a change of status that the table does not have raises ValueError."""
        following = changes.get("status", self.status)
        if following is not self.status and not self._may_become(following):
            raise ValueError(f"a job that is {self.status} cannot become {following}")
        changed = dataclasses.replace(self, **changes)
        if changed.finished and changed.image1_kept and changed.due_at is None:
            return dataclasses.replace(changed, due_at=changed.completed_at)  # its input image is to be removed
        return changed

    def _may_become(self, following: Status) -> bool:
        return following in TRANSITIONS[self.status] or (self.status, following) == RESCUE

    def log_fields(self) -> dict[str, Any]:
        """What every log line about this job carries."""
        code = self.error.code if self.error else None
        known = {
            "jobId": self.id,
            "executionId": self.execution_id,
            "requestId": self.request_id,
            "errorCode": code,
        }
        return {name: value for name, value in known.items() if value is not None}


TIMES = tuple(item.name for item in dataclasses.fields(Job) if "datetime" in str(item.type))


def to_document(job: Job) -> dict[str, Any]:
    """The job as the stores keep it: camelCase names, None where nothing is known, datetimes as they are."""
    document = _encode(job)
    del document["id"], document["revision"]
    return document | {"schemaVersion": SCHEMA_VERSION}


def from_document(job_id: str, document: Mapping[str, Any], revision: Any) -> Job:
    """The job of a stored document; unknown fields are left where they are, missing ones have their default."""
    known = _decode(Job, document)
    known["status"] = Status(known["status"])
    if known.get("wait_reason"):
        known["wait_reason"] = ErrorCode(known["wait_reason"])
    if known.get("error"):
        known["error"] = _error_from(known["error"])
    known["steps"] = tuple(Step(**_decode(Step, item)) for item in known.get("steps") or ())
    known["images"] = tuple(_image_from(item) for item in known.get("images") or ())
    return Job(**{**known, "id": job_id, "revision": revision})


def _error_from(document: Mapping[str, Any]) -> JobError:
    known = _decode(JobError, document)
    return JobError(**{**known, "code": ErrorCode(known["code"]), "charged": Charged(known["charged"])})


def _image_from(document: Mapping[str, Any]) -> Image:
    known = _decode(Image, document)
    return Image(**{**known, "error": ErrorCode(known["error"]) if known.get("error") else None})


@cache
def camel(name: str) -> str:
    """`source_url` → `sourceUrl`."""
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _encode(record: Any) -> dict[str, Any]:
    return {camel(item.name): _plain(getattr(record, item.name)) for item in dataclasses.fields(record)}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return _encode(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, StrEnum) else value


def _decode(kind: type[Any], document: Mapping[str, Any]) -> dict[str, Any]:
    names = {camel(item.name): item.name for item in dataclasses.fields(kind)}
    return {names[name]: value for name, value in document.items() if name in names and value is not None}

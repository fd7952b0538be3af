"""Records as stored documents and back. Names are camelCase, None means unknown, datetimes stay datetimes.

Stored names never change: a field that was renamed in the code keeps its stored name by `STORED_NAMES`.
"""

import dataclasses
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from operator import attrgetter
from typing import Any

from shared.batches import Batch, BatchRow
from shared.callbacks import Callback, CallbackFormat, CallbackStatus
from shared.error_codes import Charged, ErrorCode
from shared.hooks import Hook, HookSecret
from shared.job import Job
from shared.job_parts import Attempt, Image, InputImage, JobError, Refusal, Step, Then, VendorCall, VendorResponse
from shared.job_states import Status
from shared.jobs.document_size import check_size
from shared.listed_job import ListedJob
from shared.ports import JobRow
from shared.spending.budget import Reservation
from shared.spending.gate_state import Suspension
from shared.spending.money import Cost, CostSource

SCHEMA_VERSION = 1
SMALL_INPUT = 100_000  # characters; only a larger one, or images, can make a record too large
EMPTY_LISTS = {"steps", "images"}  # of a job, stored as [] if they are empty, as they always were; others as null
STORED_NAMES = {
    "stored_input": "image1Kept",
    "input_gone_since": "image1GoneSince",
    "recheck_done": "lateLookDone",
    "last_response": "lastAnswer",
    "resume_on": "reopening",  # of the gate's suspension
}


def to_document(job: Job, stored: Collection[str] | None = None) -> dict[str, Any]:
    """Return the fields of a job as they are stored, without id and revision. Raise RecordTooLarge.

    `stored`: the fields that are stored already. Of the others those with their default value are left out then:
    Firestore is faster with fewer fields, as each one has entries in its indexes, or is exempted in each write.
    """
    document = {
        name: value if type(value) in _SCALARS else _plain(value) or ([] if name in EMPTY_LISTS else None)
        for (name, default), value in zip(_JOB_DEFAULTS.items(), _read_job(job), strict=True)
        if stored is None or value != default or name in stored
    }
    if job.images or job.callbacks or job.attempts or len(job.input) > SMALL_INPUT:
        check_size(document)
    document["schemaVersion"] = SCHEMA_VERSION
    return document


def from_document(job_id: str, document: Mapping[str, Any], revision: Any) -> Job:
    """Return the job of a stored document. Unknown fields are ignored, missing ones have their default."""
    known = _shown(Job, document)
    if known.get("refusal"):
        refusal = decode(Refusal, known["refusal"])
        known["refusal"] = Refusal(**{**refusal, "reason": ErrorCode(refusal["reason"])})
    known["more_inputs"] = tuple(InputImage(**decode(InputImage, item)) for item in known.get("more_inputs") or ())
    known["responses"] = tuple(_response(item) for item in known.get("responses") or ())
    return Job(**{**known, "id": job_id, "revision": revision})


def listed_from_document(job_id: str, document: Mapping[str, Any], _revision: Any) -> ListedJob:
    """Return what a list has read of a job."""
    known = _shown(ListedJob, document)
    for name in {"possible_duplicate", "outcome_unknown", "earlier_duplicate"} & known.keys():
        known[name] = bool(known[name])  # SQLite has no booleans
    return ListedJob(**{**known, "id": job_id})


def _shown(record: type, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a Job or a ListedJob, those that both have as their own types."""
    known = decode(record, document)
    known["status"] = Status(known["status"])
    if known.get("wait_reason"):
        known["wait_reason"] = ErrorCode(known["wait_reason"])
    if known.get("error"):
        known["error"] = _error(known["error"])
    for name in ("estimated_cost", "cost", "earlier_cost"):
        if known.get(name):
            known[name] = cost_from_document(known[name])
    if known.get("reservation"):
        known["reservation"] = Reservation(**decode(Reservation, known["reservation"]))
    if known.get("then"):
        known["then"] = _then(known["then"])
    known["next_jobs"] = tuple(known.get("next_jobs") or ())
    known["steps"] = tuple(Step(**decode(Step, item)) for item in known.get("steps") or ())
    known["callbacks"] = tuple(_callback(item) for item in known.get("callbacks") or ())
    known["attempts"] = tuple(_attempt(item) for item in known.get("attempts") or ())
    known["images"] = tuple(_image(item) for item in known.get("images") or ())
    return known


def row_from_document(job_id: str, document: Mapping[str, Any], _revision: Any) -> JobRow:
    """Return what a scan has read of a job."""
    known = decode(JobRow, document)
    known["prepared"] = bool(known.get("prepared", True))  # SQLite has no booleans
    return JobRow(**{**known, "id": job_id, "status": Status(known["status"])})


def _error(document: Mapping[str, Any]) -> JobError:
    known = decode(JobError, document)
    return JobError(**{**known, "code": ErrorCode(known["code"]), "charged": Charged(known["charged"])})


def _callback(document: Mapping[str, Any]) -> Callback:
    known = decode(Callback, document)
    return Callback(**{**known, "format": CallbackFormat(known["format"]), "status": CallbackStatus(known["status"])})


def _attempt(document: Mapping[str, Any]) -> Attempt:
    known = decode(Attempt, document)
    types: dict[str, Callable[[Any], Any]] = {
        "status": Status,
        "error_code": ErrorCode,
        "error_charged": Charged,
        "cost": cost_from_document,
    }
    return Attempt(**{name: types[name](value) if name in types else value for name, value in known.items()})


def _response(document: Mapping[str, Any]) -> VendorResponse:
    known = decode(VendorResponse, document)
    code = known.get("error_code")
    return VendorResponse(
        **{**known, "call": VendorCall(known["call"]), "error_code": ErrorCode(code) if code else None}
    )


def cost_from_document(document: Mapping[str, Any]) -> Cost:
    """Return the cost of a stored map."""
    known = decode(Cost, document)
    return Cost(**{**known, "source": CostSource(known["source"])})


def _then(document: Mapping[str, Any]) -> Then:
    known = decode(Then, document)
    cost = known.get("estimated_cost")
    return Then(**{**known, "estimated_cost": cost_from_document(cost) if cost else None})


def _image(document: Mapping[str, Any]) -> Image:
    known = decode(Image, document)
    return Image(**{**known, "error": ErrorCode(known["error"]) if known.get("error") else None})


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def stored_names(record: type) -> Mapping[str, str]:
    """Return the stored name of each field of a record: `source_url` → `sourceUrl`."""
    return {item.name: STORED_NAMES.get(item.name) or _camel(item.name) for item in dataclasses.fields(record)}


_NAMES: dict[type, Mapping[str, str]] = {
    record: stored_names(record)
    for record in (
        *(Job, JobRow, ListedJob, Callback, Attempt, Image, Step, JobError, Refusal, Cost, Reservation, Then),
        *(InputImage, VendorResponse, Suspension, Hook, HookSecret, Batch, BatchRow),
    )
}
ROW_FIELDS = [name for name in _NAMES[JobRow].values() if name != "id"]
LISTED_FIELDS = [name for name in _NAMES[ListedJob].values() if name != "id"]


_SCALARS = frozenset({type(None), str, int, float, bool, datetime})


def encode(record: Any) -> dict[str, Any]:
    """Return the fields of a record under their stored names."""
    values = ((stored, getattr(record, name)) for name, stored in _NAMES[type(record)].items())
    return {stored: value if type(value) in _SCALARS else _plain(value) for stored, value in values}


def decode(record: type, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of `record` that a document holds, by their names in the code."""
    names = _NAMES[record].items()
    return {name: document[stored] for name, stored in names if document.get(stored) is not None}


def _plain(value: Any) -> Any:
    """Return nested records as mappings and lists. An enum is text already."""
    if isinstance(value, Mapping):
        return dict(value) or None
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return encode(value) if type(value) in _NAMES else value


_JOB_FIELDS = [item for item in dataclasses.fields(Job) if item.name not in ("id", "revision")]
_read_job = attrgetter(*(item.name for item in _JOB_FIELDS))


def _default(item: dataclasses.Field[Any]) -> Any:
    """Return the value that a field of a job is read as if it is not stored, or None if it is stored always.

    The workflow is: lists are filtered by it.
    """
    if item.default_factory is not dataclasses.MISSING:
        return item.default_factory()
    return None if item.default is dataclasses.MISSING or item.name == "workflow" else item.default


_JOB_DEFAULTS = {_NAMES[Job][item.name]: _default(item) for item in _JOB_FIELDS}  # by stored name

"""What kind of body a request has, by its headers alone."""

import json
import re
from enum import Enum, auto
from functools import lru_cache

from starlette.datastructures import Headers

from shared.problems import Problem

from . import events

UPLOADS = (
    "CSV (text/csv), a form with a CSV file (multipart/form-data), or JSON (application/json) with prompts. "
    "`python -m functions batch` sends workbooks"
)
SUPPORTED = (
    "JSON (application/json), a form (application/x-www-form-urlencoded or multipart/form-data), a CloudEvent "
    "(application/cloudevents+json, or ce- headers with JSON; no batch), or a Pub/Sub push"
)

_LIST_ITEM = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+')  # a comma may be quoted, as in a boundary
# https://cloud.google.com/scheduler/docs/reference/rest/v1/projects.locations.jobs#HttpTarget,
# https://cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues.tasks#HttpRequest: both send
# application/octet-stream unless a job or task sets a Content-Type.
_SCHEDULERS = ("google-cloud-scheduler", "google-cloud-tasks")
_SCHEDULER_HEADERS = ("x-cloudscheduler", "x-cloudscheduler-jobname", "x-cloudtasks-queuename", "x-cloudtasks-taskname")


class BodyKind(Enum):
    """Which decoder reads the body."""

    JSON = auto()  # a Pub/Sub push with an envelope is one until it is decoded
    URLENCODED = auto()  # or JSON, if that is what the body begins with
    MULTIPART = auto()
    EVENT = auto()
    TABLE = auto()  # of an upload only


# Windows calls CSV application/vnd.ms-excel. Excel's "Unicode text" is a .txt file.
_TABLES = {"text/csv", "application/csv", "text/tab-separated-values", "text/plain", "application/vnd.ms-excel"}
_UNKNOWN = {"", "application/octet-stream"}  # to which any file may be given
_FORMS = {"application/x-www-form-urlencoded": BodyKind.URLENCODED, "multipart/form-data": BodyKind.MULTIPART}


def content_type(headers: Headers) -> str:
    """Return the Content-Type, "" without one. Senders repeat it: then all must name one media type. Problem 415."""
    return _content_type(tuple(headers.getlist("content-type")))


@lru_cache(64)
def _content_type(lines: tuple[str, ...]) -> str:
    values = [item.strip() for line in lines for item in _LIST_ITEM.findall(line)]
    types = dict.fromkeys(_media_type(value) for value in values if value)
    if len(types) > 1:
        raise _unsupported(", ".join(types))
    return max(values, key=len, default="")  # with its parameters, if only one has them


def body_kind(headers: Headers) -> BodyKind:
    """Return the kind of a request's body; no Content-Type means JSON. Problem 415 if it is not supported."""
    _check_uncompressed(headers)
    media_type = _media_type(content_type(headers)) or "application/json"
    if media_type == "application/octet-stream" and _is_scheduler(headers):
        media_type = "application/json"
    is_json = media_type == "application/json" or media_type.endswith("+json")
    if media_type.startswith("application/cloudevents") and media_type != events.STRUCTURED:
        raise _unsupported(media_type)
    if events.is_event(headers, media_type):
        if not is_json and not events.has_any_type(headers):
            raise _unsupported(media_type)
        return BodyKind.EVENT
    if media_type in _FORMS:
        return _FORMS[media_type]
    if is_json:
        return BodyKind.JSON
    tables = ". CSV belongs to POST /batches" if media_type in _TABLES else ""
    raise _unsupported(media_type, f"{SUPPORTED}{tables}")


def upload_kind(headers: Headers) -> BodyKind:
    """Return the kind of an uploaded batch. Problem 415 if it is not supported.

    URLENCODED is what the body looks like: `curl --data-binary` calls every body a form, and others do not say.
    """
    _check_uncompressed(headers)
    media_type = _media_type(content_type(headers))
    if media_type in _TABLES:
        return BodyKind.TABLE
    if media_type in _UNKNOWN:
        return BodyKind.URLENCODED
    try:
        kind = body_kind(headers)
    except Problem:
        kind = BodyKind.EVENT
    if kind is BodyKind.EVENT:
        raise _unsupported(media_type, UPLOADS)
    return kind


def _check_uncompressed(headers: Headers) -> None:
    if headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise Problem("unsupported_media_type", "Send the body uncompressed, without Content-Encoding.")


def _media_type(value: str) -> str:
    return value.split(";")[0].strip().lower()


def _is_scheduler(headers: Headers) -> bool:
    """Whether Cloud Scheduler or Cloud Tasks sends the request, whose Content-Type says nothing unless it is set."""
    agent = headers.get("user-agent", "").lower()
    return agent.startswith(_SCHEDULERS) or any(name in headers for name in _SCHEDULER_HEADERS)


def _unsupported(media_type: str, supported: str = SUPPORTED) -> Problem:
    detail = f"The media type {json.dumps(media_type[:80])} is not supported. Send {supported}."
    return Problem("unsupported_media_type", detail)

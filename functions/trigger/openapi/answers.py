"""What the description says of answers: the public job, lists, problems, and their headers."""

from collections.abc import Iterable
from typing import Any

from shared.error_codes import Charged, ErrorCode
from shared.images.formats import FORMATS
from shared.job import Status
from shared.problems import DOCUMENTATION, PROBLEMS
from shared.workflows import Mode

from ..auth.form_tokens import OLDEST, YOUNGEST
from ..parsing.fields import IMAGES_LIMIT, JOB_ID
from ..responses.prefer import MAX_WAIT
from ..routes.job_list import CURSOR
from .texts import whole

Schema = dict[str, Any]

LAST_IMAGE = IMAGES_LIMIT - 1
PICTURES = [one.content_type for one in FORMATS]


def ref(name: str) -> Schema:
    """A reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def one_of(values: Iterable[str], description: str = "") -> Schema:
    """A text that is one of these."""
    return {"type": "string", "enum": [str(value) for value in values], **_told(description)}


def closed(properties: dict[str, Schema], description: str = "", optional: Iterable[str] = ()) -> Schema:
    """An object with exactly these properties."""
    required = [name for name in properties if name not in set(optional)]
    return {
        "type": "object",
        **_told(description),
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def or_null(schema: Schema) -> Schema:
    """The same, or null where nothing is known."""
    if "enum" in schema:
        return {**schema, "type": [schema["type"], "null"], "enum": [*schema["enum"], None]}
    return {**schema, "type": [schema["type"], "null"]} if "type" in schema else {"anyOf": [schema, {"type": "null"}]}


def _told(description: str) -> Schema:
    return {"description": description} if description else {}


def _kind(name: str, description: str = "", **rules: Any) -> Schema:
    return {"type": name, **rules, **_told(description)}


TEXT, COUNT, NUMBER = _kind("string"), _kind("integer", minimum=0), _kind("number")
TIME = _kind("string", "RFC 3339, UTC, milliseconds.", format="date-time")
ADDRESS = _kind("string", format="uri")


# --- schemas -------------------------------------------------------------------------------------------------------


def answers() -> dict[str, Schema]:
    """The schemas of answers, by name."""
    return {
        "JobId": _kind("string", "32 hexadecimal digits; whoever knows it may see the image.", pattern=whole(JOB_ID)),
        "Job": _job(),
        "Image": _image(),
        "Step": closed({"label": or_null(TEXT), "status": or_null(TEXT), "progress": or_null(NUMBER)}),
        "Jobs": closed({"jobs": _list(ref("Job")), "nextCursor": or_null(_kind("string", pattern=whole(CURSOR)))}),
        "Accepted": closed(
            {"jobs": _list({"anyOf": [ref("Job"), ref("Problem")]})},
            "The answer to an array: a job for each element; with `partial=true` a problem in the place of a bad one.",
        ),
        "Problem": _problem(),
        "Workflows": closed({"workflows": _list(ref("Workflow"))}),
        "Workflow": _workflow(),
        "FormToken": closed(
            {"formToken": TEXT, "notBefore": TIME, "expiresAt": TIME},
            f"Good from {YOUNGEST.seconds} seconds to {OLDEST.seconds // 60} minutes after it was made.",
        ),
        "Health": closed({"status": one_of(["ok"])}),
    }


def problem(codes: Iterable[str]) -> Schema:
    """A problem document with one of these codes."""
    return {"allOf": [ref("Problem"), {"properties": {"errorCode": one_of(codes)}}]}


def _problem() -> Schema:
    """As shared/problems.py writes it."""
    return closed(
        {
            "type": one_of(DOCUMENTATION + code.replace("_", "-") for code in PROBLEMS),
            "title": one_of(known.title for known in PROBLEMS.values()),
            "status": {"type": "integer", "enum": sorted({known.status for known in PROBLEMS.values()})},
            "detail": TEXT,
            "errorCode": one_of(PROBLEMS),
            "field": TEXT,
        },
        "RFC 9457. `detail` says what to change, `field` which field is wrong.",
        optional=["field"],
    )


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _job() -> Schema:
    """As shared/public_job.py writes it."""
    code = or_null(one_of(ErrorCode))
    return closed(
        {
            "id": ref("JobId"),
            "status": one_of(Status),
            "message": _kind("string", "What is to be said to a person."),
            "prompt": TEXT,
            "workflow": TEXT,
            "executionId": or_null(TEXT),
            "imageUrl": {**ADDRESS, "description": "Where the first image is or will be; never changes."},
            "imageUrls": _list(ADDRESS),
            "imageCount": COUNT,
            "images": _list(ref("Image")),
            "possibleDuplicate": _kind("boolean", "Whether the run may have been paid for twice."),
            "errorCode": code,
            "errorMessage": or_null(TEXT),
            "errorCharged": or_null(one_of(Charged)),
            "errorRetryable": or_null(_kind("boolean")),
            "errorHint": or_null(TEXT),
            "requestId": or_null(TEXT),
            "creditsUsed": or_null(NUMBER),
            "caller": or_null(TEXT),
            "steps": {"type": ["array", "null"], "items": ref("Step")},
            "createdAt": TIME,
            "startedAt": or_null(TIME),
            "completedAt": or_null(TIME),
            "runSeconds": or_null(_kind("number", minimum=0)),
            "waitReason": {**code, "description": "What keeps a queued job in line."},
            "estimatedStartAt": or_null(TIME),
            "statusUrl": ADDRESS,
        },
        "All fields are always there; null where nothing is known.",
    )


def _image() -> Schema:
    return closed(
        {
            "index": COUNT,
            "url": or_null(ADDRESS),
            "sourceUrl": _kind("string", "The vendor's own address, while it lives."),
            "contentType": or_null(one_of(PICTURES)),
            "width": or_null(COUNT),
            "height": or_null(COUNT),
            "bytes": or_null(COUNT),
            "sha256": or_null(_kind("string", "Hexadecimal.", pattern="^[0-9a-f]{64}$")),
            "crc32c": or_null(_kind("string", "Base64, as Cloud Storage writes it.", pattern="^[A-Za-z0-9+/]{6}==$")),
        }
    )


def _workflow() -> Schema:
    field = closed({"name": TEXT, "type": TEXT, "required": _kind("boolean")})
    price = _kind("number", exclusiveMinimum=0)
    return closed(
        {
            "name": TEXT,
            "mode": one_of(Mode),
            "model": or_null(TEXT),
            "resolution": or_null(TEXT),
            "aspectRatio": or_null(TEXT),
            "pricePerImage": {
                "anyOf": [price, {"type": "object", "additionalProperties": price}, {"type": "null"}],
                "description": "Dollars, or resolution → dollars.",
            },
            "overridable": _list(TEXT),
            "fields": {"type": ["array", "null"], "items": field, "description": "Null: any, or not known now."},
        }
    )


# --- headers -------------------------------------------------------------------------------------------------------


def _header(description: str, schema: Schema) -> Schema:
    return {"description": description, "schema": schema}


HEADERS: dict[str, Schema] = {
    "Location": _header("Where it is.", TEXT),
    "Retry-After": _header("Seconds after which to ask again.", _kind("integer", minimum=1)),
    "ETag": _header("For If-None-Match.", _kind("string", pattern='^"[^"]+"$')),
    "Idempotent-Replayed": _header("This job was there before, by the same key.", one_of(["true"])),
    "Preference-Applied": _header("How long it was waited, at most.", _kind("string", pattern=r"^wait=[0-9]{1,2}$")),
    "RateLimit": _header("What is left of the limits for browsers (draft-ietf-httpapi-ratelimit-headers).", TEXT),
    "RateLimit-Policy": _header("The limits for browsers.", TEXT),
    "WWW-Authenticate": _header("Which credential is wanted.", TEXT),
    "Allow": _header("The methods of this path.", TEXT),
}
WAIT = f"Hold the answer back until the job has ended: `wait=N`, seconds, {MAX_WAIT} at most. Else it is ignored."

"""What kind of body a request has, by its headers alone."""

import json
from enum import Enum, auto

from starlette.datastructures import Headers

from shared.problems import Problem

from . import events

SUPPORTED = (
    "JSON (application/json), a form (application/x-www-form-urlencoded or multipart/form-data), a CloudEvent "
    "(application/cloudevents+json, or ce- headers with JSON; no batch), or a Pub/Sub push"
)


class BodyKind(Enum):
    """Which decoder reads the body."""

    JSON = auto()  # a Pub/Sub push with an envelope is one until it is decoded
    URLENCODED = auto()
    MULTIPART = auto()
    EVENT = auto()


def body_kind(headers: Headers) -> BodyKind:
    """Return the kind of a request's body; no Content-Type means JSON. Problem 415 if it is not supported."""
    if headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise Problem("unsupported_media_type", "Send the body uncompressed, without Content-Encoding.")
    media_type = (headers.get("content-type") or "application/json").split(";")[0].strip().lower()
    is_json = media_type == "application/json" or media_type.endswith("+json")
    if media_type.startswith("application/cloudevents") and media_type != events.STRUCTURED:
        raise _unsupported(media_type)
    if events.is_event(headers, media_type):
        if not is_json and not events.has_any_type(headers):
            raise _unsupported(media_type)
        return BodyKind.EVENT
    if media_type == "application/x-www-form-urlencoded":
        return BodyKind.URLENCODED
    if media_type == "multipart/form-data":
        return BodyKind.MULTIPART
    if is_json:
        return BodyKind.JSON
    raise _unsupported(media_type)


def _unsupported(media_type: str) -> Problem:
    detail = f"The media type {json.dumps(media_type[:80])} is not supported. Send {SUPPORTED}."
    return Problem("unsupported_media_type", detail)

"""Events in: CloudEvents and Pub/Sub's pushes are unwrapped; their data is the request, their ids are its keys.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
https://cloud.google.com/pubsub/docs/push, https://cloud.google.com/pubsub/docs/payload-unwrapping
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.idempotency import IdempotencyKey
from shared.problems import Problem

from .json_body import NotJson, parse

STRUCTURED = "application/cloudevents+json"
# https://cloud.google.com/eventarc/docs/run/pubsub: its data is what a push subscription would send.
PUBSUB_EVENT = "google.cloud.pubsub.topic.v1.messagePublished"

_UNWRAPPED = "x-goog-pubsub-message-id"
_REQUIRED = ("id", "source", "specversion", "type")


@dataclass(frozen=True, slots=True)
class Event:
    """`body`: the request that the event carries, of `size` bytes. `keys`: what names it, the first one first."""

    body: dict[str, Any]
    size: int
    keys: tuple[IdempotencyKey, ...] = ()


def is_event(headers: Mapping[str, str], kind: str) -> bool:
    """Whether the headers say so: those of CloudEvents (one is enough), its media type, those of an unwrapped push."""
    return _UNWRAPPED in headers or kind == STRUCTURED or _is_binary(headers)


def takes(headers: Mapping[str, str], kind: str) -> bool:
    """Whether the data of such an event may be of this media type. Pub/Sub knows only bytes and names no type."""
    return _UNWRAPPED in headers or kind == "application/json" or kind.endswith("+json")


def read(headers: Mapping[str, str], raw: bytes) -> Event:
    """The event of a request for which `is_event`; Problem if its envelope or its data is broken."""
    if _UNWRAPPED in headers:
        return Event(_request(raw, "data"), len(raw), (_message_key(headers[_UNWRAPPED]),))
    attributes, data = _cloud_event(headers, raw)
    if attributes["type"] == PUBSUB_EVENT:
        pushed = _request(data, "data")
        if not isinstance(pushed.get("message"), dict):
            raise _broken(f"A CloudEvent of type {PUBSUB_EVENT} needs a message in its data.")
        return _pushed(pushed["message"])
    key = IdempotencyKey("event", json.dumps([attributes["source"], attributes["id"]]))
    return Event(_request(data, "data"), len(raw), (key,))


def from_push(body: Any) -> Event | None:
    """The event of a Pub/Sub push, if this JSON is one; a request that has such fields beside a prompt is none."""
    if not isinstance(body, dict) or not {"prompt", "prompts"}.isdisjoint(body):
        return None
    message, subscription = body.get("message"), body.get("subscription")
    if not isinstance(message, dict) or not isinstance(subscription, str) or _message_id(message) is None:
        return None
    return _pushed(message)


def _pushed(message: dict[str, Any]) -> Event:
    key = _message_key(_message_id(message))
    raw = _decoded(message.get("data"))
    return Event(_request(raw, "message.data"), len(raw), (key,))


def _message_id(message: dict[str, Any]) -> Any:
    """Pub/Sub sends both spellings, with the same value."""
    return message.get("messageId", message.get("message_id"))


def _message_key(message_id: Any) -> IdempotencyKey:
    if not isinstance(message_id, str) or not message_id.strip():
        raise _broken("The Pub/Sub message has no messageId.")
    return IdempotencyKey("message", message_id.strip())


def _is_binary(headers: Mapping[str, str]) -> bool:
    return any(f"ce-{name}" in headers for name in _REQUIRED)


def _cloud_event(headers: Mapping[str, str], raw: bytes) -> tuple[Mapping[str, Any], Any]:
    """The attributes and the data, as bytes or text."""
    from cloudevents.exceptions import DataUnmarshallerError, GenericException
    from cloudevents.http import from_http

    try:
        event = from_http(dict(headers), raw, data_unmarshaller=lambda data: data)
    except DataUnmarshallerError as error:
        raise Problem.wrong("The CloudEvent's data_base64 is not base64.", "data") from error
    except (GenericException, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise _broken(_ENVELOPE) from error
    attributes = event.get_attributes()
    if not all(isinstance(attributes.get(name), str) and attributes[name].strip() for name in _REQUIRED):
        raise _broken(_ENVELOPE)
    return attributes, event.get_data()


_ENVELOPE = 'A CloudEvent needs id, source, type and specversion ("1.0") as texts: ce- headers, or JSON with data.'


def _decoded(data: Any) -> bytes:
    if not isinstance(data, str):
        raise Problem.wrong("The Pub/Sub message has no data; publish the request as its data.", "message.data")
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Problem.wrong("The Pub/Sub message's data is not base64.", "message.data") from error


def _request(data: Any, field: str) -> dict[str, Any]:
    """The JSON object that an event's data holds."""
    try:
        request = parse(data or "")
    except NotJson as error:
        raise Problem.wrong('The data is not JSON; publish UTF-8 such as {"prompt": "a cat"}.', field) from error
    if not isinstance(request, dict):
        raise Problem.wrong('The data must be a JSON object such as {"prompt": "a cat"}.', field)
    return request


def _broken(detail: str) -> Problem:
    return Problem("invalid_event", detail)

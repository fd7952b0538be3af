"""CloudEvents and Pub/Sub pushes: their data is the request, their IDs are its idempotency keys.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
https://cloud.google.com/pubsub/docs/push, https://cloud.google.com/pubsub/docs/payload-unwrapping
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from shared.idempotency import IdempotencyKey
from shared.problems import Problem

from .json_body import NotJson, parse

STRUCTURED = "application/cloudevents+json"
# https://cloud.google.com/eventarc/docs/run/pubsub: its data is what a push subscription would send.
PUBSUB_EVENT = "google.cloud.pubsub.topic.v1.messagePublished"

_UNWRAPPED = "x-goog-pubsub-message-id"
_REQUIRED = ("id", "source", "specversion", "type")
_OF_EVENTS = {_UNWRAPPED, *(f"ce-{name}" for name in _REQUIRED)}
_VERSIONS = ("1.0", "0.3")
_INVALID_ENVELOPE = (
    'A CloudEvent needs the strings id, source, type, and specversion ("1.0"), as ce- headers or as JSON beside data.'
)


@dataclass(frozen=True, slots=True)
class Event:
    """`body`: the request that the event carries, of `size` bytes. `key`: names the event."""

    body: dict[str, Any]
    size: int
    key: IdempotencyKey


def is_event(headers: Mapping[str, str], media_type: str) -> bool:
    """Return whether the headers announce an event: CloudEvents' (one is enough) or those of an unwrapped push."""
    return media_type == STRUCTURED or not _OF_EVENTS.isdisjoint(headers)


def has_any_type(headers: Mapping[str, str]) -> bool:
    """Return whether the media type of the event says nothing: Pub/Sub knows only bytes and names no type."""
    return _UNWRAPPED in headers


def read(headers: Mapping[str, str], raw: bytes) -> Event:
    """Return the event of a request for which `is_event`. Problem 400 or 422 if its envelope or data is invalid."""
    if _UNWRAPPED in headers:
        return Event(_request(raw, "data"), len(raw), _message_key(headers[_UNWRAPPED]))
    attributes, data = _cloud_event(headers, raw)
    if attributes["type"] == PUBSUB_EVENT:
        pushed = _request(data, "data")
        if not isinstance(pushed.get("message"), dict):
            raise Problem("invalid_event", f"A CloudEvent of type {PUBSUB_EVENT} needs a message object in its data.")
        return _from_message(pushed["message"])
    key = IdempotencyKey("event", json.dumps([attributes["source"], attributes["id"]]))
    return Event(_request(data, "data"), len(raw), key)


def from_push(body: Any) -> Event | None:
    """Return the event of a wrapped Pub/Sub push, or None: a request with such fields beside a prompt is a request."""
    if not isinstance(body, dict) or not {"prompt", "prompts"}.isdisjoint(body):
        return None
    message, subscription = body.get("message"), body.get("subscription")
    if not isinstance(message, dict) or not isinstance(subscription, str) or _message_id(message) is None:
        return None
    return _from_message(message)


def _from_message(message: dict[str, Any]) -> Event:
    key = _message_key(_message_id(message))
    data = message.get("data")
    if not isinstance(data, str):
        raise Problem.wrong("The Pub/Sub message has no data. Publish the request as its data.", "message.data")
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Problem.wrong("The Pub/Sub message's data is not valid base64.", "message.data") from error
    return Event(_request(raw, "message.data"), len(raw), key)


def _message_id(message: dict[str, Any]) -> Any:
    """Pub/Sub sends both spellings, with the same value."""
    return message.get("messageId", message.get("message_id"))


def _message_key(message_id: Any) -> IdempotencyKey:
    if not isinstance(message_id, str) or not message_id.strip():
        raise Problem("invalid_event", "The Pub/Sub message has no messageId.")
    return IdempotencyKey("message", message_id.strip())


def _cloud_event(headers: Mapping[str, str], raw: bytes) -> tuple[Mapping[str, str], Any]:
    """The attributes, and the data: the bytes of a binary event, or the value of a structured one."""
    attributes: dict[str, Any]
    data: Any
    if all(f"ce-{name}" in headers for name in _REQUIRED):
        attributes, data = {name: _attribute(headers[f"ce-{name}"]) for name in _REQUIRED}, raw
    else:
        attributes = _envelope(raw)
        data = _bytes(attributes["data_base64"]) if "data_base64" in attributes else attributes.get("data")
    texts = [attributes.get(name) for name in _REQUIRED]
    if not all(isinstance(text, str) and text.strip() for text in texts) or attributes["specversion"] not in _VERSIONS:
        raise Problem("invalid_event", _INVALID_ENVELOPE)
    return attributes, data


def _envelope(raw: bytes) -> dict[str, Any]:
    try:
        envelope = parse(raw)
    except NotJson as error:
        raise Problem("invalid_event", f"{_INVALID_ENVELOPE} This one is not valid JSON ({error}).") from error
    return envelope if isinstance(envelope, dict) else {}


def _bytes(data: Any) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise Problem.wrong("The CloudEvent's data_base64 is not valid base64.", "data") from error


def _attribute(header: str) -> str:
    """An attribute as a structured event has it: section 3.1.3.2 of the HTTP binding.

    Bytes that are not UTF-8 stay distinct: two events must not become one.
    """
    quoted = len(header) > 1 and header[0] == header[-1] == '"'  # as version 1.0 had it
    text = re.sub(r"\\(.)", r"\1", header[1:-1]) if quoted else header
    return unquote_to_bytes(text.encode("latin-1")).decode("utf-8", "surrogateescape")


def _request(data: Any, field: str) -> dict[str, Any]:
    """The JSON object in an event's data, which is bytes or the value of a structured event."""
    try:
        request = parse(data) if isinstance(data, bytes) else data
    except NotJson as error:
        detail = f'The event\'s data is not valid JSON ({error}). Publish UTF-8 JSON such as {{"prompt": "a cat"}}.'
        raise Problem.wrong(detail, field) from error
    if not isinstance(request, dict):
        raise Problem.wrong('The event\'s data must be a JSON object such as {"prompt": "a cat"}.', field)
    return request

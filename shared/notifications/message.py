"""The message that tells a receiver that a job is final: its body in three formats, and its headers.

A body is the same in every attempt to deliver it. https://www.standardwebhooks.com; the CloudEvents are structured:
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.notifications.signing import signature
from shared.public_job import timestamp

LIMIT = 20 * 1024  # bytes that a body must stay below, as Standard Webhooks recommends
SHORTENED = 200  # characters of a text that was cut

# What is cut from a body that is too large, in this order, until it is small enough: first what readers can get from
# `statusUrl`, then texts, then what identifies the job to its caller. Links come last: half of them are kept each time.
CUTS = ("steps", "attempts", "images", "prompt", "message", "errorMessage", "metadata", *["imageUrls"] * 7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """The notification that a job is final.

    `type`: `image.completed`, `image.failed`, or `image.canceled`; `at`: when the job ended; `data`: the public job;
    `source`: the URL of the deployment, "" if it is unknown.
    """

    id: str
    type: str
    at: datetime
    data: Mapping[str, Any]
    source: str


def body_of(message: Message, format: str) -> tuple[bytes, str]:
    """Return the body in `standard`, `cloudevents`, or `flat` format, and its content type.

    It has less than `LIMIT` bytes: `truncated`, a member of the job, names what was cut.
    """
    content, content_type = _FORMATS[format]
    data = dict(message.data)
    body = _serialize(content(message, data))
    for name in CUTS:
        if len(body) < LIMIT:
            break
        if (cut := _cut(data.get(name))) != data.get(name):
            truncated = [*data.get("truncated", ()), name]
            data |= {name: cut, "truncated": list(dict.fromkeys(truncated))}
            body = _serialize(content(message, data))
    return body, content_type


def headers_of(message: Message, body: bytes, at: int, secrets: Sequence[str]) -> dict[str, str]:
    """Return the headers of an attempt to deliver `body` at `at`, in Unix seconds; signed if there are `secrets`."""
    headers = {"webhook-id": message.id, "webhook-timestamp": str(at)}
    if secrets:
        headers["webhook-signature"] = " ".join(signature(secret, message.id, at, body) for secret in secrets)
    return headers


def _standard(message: Message, data: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"type": message.type, "timestamp": timestamp(message.at), "data": data}


def _cloud_event(message: Message, data: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "specversion": "1.0",
        "id": message.id,
        "source": message.source or "/",  # it must not be empty
        "type": message.type,
        "subject": data["id"],
        "time": timestamp(message.at),
        "datacontenttype": "application/json",
        "data": data,
    }


def _flat(_message: Message, data: Mapping[str, Any]) -> Mapping[str, Any]:
    return data


_FORMATS: Mapping[str, tuple[Callable[[Message, Mapping[str, Any]], Mapping[str, Any]], str]] = {
    "standard": (_standard, "application/json"),
    "cloudevents": (_cloud_event, "application/cloudevents+json"),
    "flat": (_flat, "application/json"),
}


def _cut(value: Any) -> Any:
    """Return the beginning of a text, the first half of a list of links, or None for any other non-empty value."""
    if isinstance(value, str):
        return value if len(value) <= SHORTENED else value[: SHORTENED - 1] + "…"
    if not value:
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value[: (len(value) + 1) // 2]
    return None


def _serialize(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()

"""One request, sent many times, in each form that identifies a request.

A retry is not always the same bytes: ids stay the same; times, attempts, and spellings change.
"""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from cloudevents.conversion import to_binary, to_structured
from cloudevents.http import CloudEvent
from standardwebhooks import Webhook

ORIGIN = "https://shop.example"
TOKEN, SIGNING_SECRET = "token-of-these-callers", "whsec_c2VjcmV0LW9mLXRoZXNlLWNhbGxlcnM="
JSON = {"content-type": "application/json"}  # in lower case, as the SDKs write it; an event overrides it
SMALL = {"aspect_ratio": "64:1"}  # the simulator's smallest image
TOPIC_EVENT = "google.cloud.pubsub.topic.v1.messagePublished"
BOUNDARY = "a-boundary"


@dataclass(frozen=True)
class Post:
    """A `POST /`."""

    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True)
class Senders:
    """Tokens that senders need beforehand."""

    event_token: str  # an identity token, valid for an hour
    form_token: str


Way = Callable[[str, int, Senders], Iterator[Post]]


def idempotency_key(prompt: str, times: int, senders: Senders) -> Iterator[Post]:
    """As a header, quoted or not, and as a field."""
    for number in range(times):
        key = f"key-of-{prompt.replace(' ', '-')}"
        headers = [{"Idempotency-Key": key}, {"Idempotency-Key": f'"{key}"'}, {}][number % 3]
        fields = {"prompt": prompt, **SMALL} | ({} if headers else {"idempotencyKey": key})
        yield Post({**JSON, **bearer(), **headers}, json_of(fields))


def webhook_id(prompt: str, times: int, senders: Senders) -> Iterator[Post]:
    """Standard Webhooks: each attempt is signed anew, with its own time."""
    webhook, body = Webhook(SIGNING_SECRET), json_of({"prompt": prompt, **SMALL})
    for _ in range(times):
        now = datetime.now(UTC)
        signature = webhook.sign("msg_of_these_callers", now, body.decode())
        signed = {"webhook-id": "msg_of_these_callers", "webhook-timestamp": str(int(now.timestamp()))}
        yield Post({**JSON, **signed, "webhook-signature": signature}, body)


def event_binary(prompt: str, times: int, senders: Senders) -> Iterator[Post]:
    """As the CloudEvents SDK writes it: the attributes in headers."""
    return _event(prompt, times, senders, to_binary, "binary-1")


def event_structured(prompt: str, times: int, senders: Senders) -> Iterator[Post]:
    """As the CloudEvents SDK writes it: all in the body."""
    return _event(prompt, times, senders, to_structured, "structured-1")


def _event(prompt: str, times: int, senders: Senders, written: Any, event_id: str) -> Iterator[Post]:
    """Each attempt says its own time."""
    for _ in range(times):
        about = {"type": "com.example.order", "source": "https://shop.example/orders", "id": event_id}
        headers, body = written(CloudEvent(about, {"prompt": prompt, **SMALL}))
        yield Post({**JSON, **headers, **signed_by_google(senders)}, body)


def pubsub_wrapped(prompt: str, times: int, senders: Senders) -> Iterator[Post]:
    """A push subscription that redelivers and counts its attempts."""
    for number in range(times):
        pushed = {**_pushed(prompt, "7001"), "deliveryAttempt": number + 1}
        yield Post({**JSON, **signed_by_google(senders)}, json_of(pushed))


def pubsub_unwrapped(prompt: str, times: int, senders: Senders) -> Iterator[Post]:
    """The same with payload unwrapping: the body is the message alone."""
    for number in range(times):
        metadata = {"message-id": "7002", "delivery-attempt": str(number + 1)}
        headers = {f"x-goog-pubsub-{name}": value for name, value in metadata.items()}
        yield Post({**headers, **signed_by_google(senders)}, json_of({"prompt": prompt, **SMALL}))


def eventarc(prompt: str, times: int, senders: Senders) -> Iterator[Post]:
    """Eventarc: an event whose data is a push."""
    source = "//pubsub.googleapis.com/projects/project/topics/topic"
    for number in range(times):
        about = {"type": TOPIC_EVENT, "source": source, "id": "7003"}
        headers, body = to_binary(CloudEvent(about, {**_pushed(prompt, "7003"), "deliveryAttempt": number + 1}))
        yield Post({**JSON, **headers, **signed_by_google(senders)}, body)


def _pushed(prompt: str, message_id: str) -> dict[str, Any]:
    data = base64.b64encode(json_of({"prompt": prompt, **SMALL})).decode()
    times = dict.fromkeys(("publishTime", "publish_time"), "2026-03-01T12:00:00.000Z")
    message = {"data": data, "messageId": message_id, "message_id": message_id, "attributes": {"a": "b"}, **times}
    return {"message": message, "subscription": "projects/project/subscriptions/subscription"}


def form_token(prompt: str, times: int, senders: Senders) -> Iterator[Post]:
    """A form sent again by the script of its page or by the browser."""
    fields = {"prompt": prompt, **SMALL, "formToken": senders.form_token}
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    spellings = [
        ("application/json", json_of(fields)),
        ("application/x-www-form-urlencoded", urlencode(fields).encode()),
        (f"multipart/form-data; boundary={BOUNDARY}", f"{''.join(parts)}--{BOUNDARY}--\r\n".encode()),
    ]
    for number in range(times):
        kind, content = spellings[number % len(spellings)]
        yield Post({"Content-Type": kind, "Origin": ORIGIN}, content)


def dedupe_field(prompt: str, times: int, senders: Senders) -> Iterator[Post]:
    """A sender without our headers: a field of its own identifies the request."""
    spellings = [7, 7.0]
    for number in range(times):
        submission = {"order": spellings[number % 2], "dedupeField": "order"}
        yield Post({**JSON, **bearer()}, json_of({"prompt": prompt, **SMALL, **submission}))


def batch_with_a_key(prompt: str, times: int, senders: Senders) -> Iterator[Post]:
    """Two images at once."""
    for _ in range(times):
        both = [{"prompt": one, **SMALL} for one in prompts_of(batch_with_a_key, prompt)]
        yield Post({**JSON, **bearer(), "Idempotency-Key": "a-batch-of-these-callers"}, json_of(both))


WAYS: Mapping[str, Way] = {
    way.__name__: way
    for way in (
        idempotency_key,
        webhook_id,
        event_binary,
        event_structured,
        pubsub_wrapped,
        pubsub_unwrapped,
        eventarc,
        form_token,
        dedupe_field,
        batch_with_a_key,
    )
}


def prompts_of(way: Way, prompt: str) -> list[str]:
    """Return the prompts of a request."""
    return [f"{prompt}, first", f"{prompt}, second"] if way is batch_with_a_key else [prompt]


def bearer() -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKEN}"}


def signed_by_google(senders: Senders) -> dict[str, str]:
    return {"Authorization": f"Bearer {senders.event_token}"}


def json_of(value: Any) -> bytes:
    return json.dumps(value).encode()

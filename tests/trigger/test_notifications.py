"""A notification that is posted back, in any form, is rejected with 422 and the reason; a request never is."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from cloudevents.conversion import to_binary, to_structured
from cloudevents.http import from_http

from functions.trigger.auth.caller import Caller, CallerKind
from shared.job_states import Status
from shared.listed_job import ListedJob
from shared.notifications.message import Message, body_of, headers_of
from shared.notifications.signing import new_secret
from shared.public_job import public_job
from tests.trigger.posting import BROWSER, TOKEN, rejection, sent, submission

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
JOB = ListedJob(
    id="0123456789abcdef" * 2,
    status=Status.SUCCEEDED,
    prompt="a cat",
    created_at=NOON,
    give_up_at=NOON + timedelta(days=3),
    completed_at=NOON,
)
FLAT = public_job(JOB, "https://images.test", owner=True)
STANDARD = {"type": "image.completed", "timestamp": "2026-03-01T12:00:00.000Z", "data": FLAT}
MESSAGE = Message(id=f"{JOB.id}-1-succeeded", type="image.completed", at=NOON, data=FLAT, source="https://images.test")
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PUSH = {"message": {"data": "", "messageId": "1"}, "subscription": "s"}
CALLERS = [TOKEN, Caller(CallerKind.SIGNATURE, "shop"), Caller(CallerKind.EVENT, "event"), BROWSER]
CALLERS += [Caller(CallerKind.OPEN)]


def delivered(format: str) -> dict[str, Any]:
    """A body as it is delivered, without our signature headers."""
    body, content_type = body_of(MESSAGE, format)
    return {"content": body, "headers": {"Content-Type": content_type}}


def binary_event() -> dict[str, Any]:
    headers, body = to_binary(from_http({}, body_of(MESSAGE, "cloudevents")[0]))
    return {"content": body, "headers": headers}


def structured_event() -> dict[str, Any]:
    headers, body = to_structured(from_http({}, body_of(MESSAGE, "cloudevents")[0]))
    return {"content": body, "headers": headers}


def pushed(body: Any) -> dict[str, Any]:
    data = base64.b64encode(json.dumps(body).encode()).decode()
    return {"json": {**PUSH, "message": {"data": data, "messageId": "1"}}}


def as_form(fields: dict[str, Any]) -> dict[str, Any]:
    return {"content": urlencode({name: value or "" for name, value in fields.items()}), "headers": FORM}


def prefixed(pattern: str) -> dict[str, Any]:
    return as_form({"type": "image.completed", **{pattern.format(name): value for name, value in FLAT.items()}})


BODIES: dict[str, dict[str, Any]] = {
    "standard": delivered("standard"),
    "cloudevents": delivered("cloudevents"),
    "flat": delivered("flat"),
    "binary CloudEvent": binary_event(),
    "structured CloudEvent": structured_event(),
    "structured CloudEvent as JSON": {"content": body_of(MESSAGE, "cloudevents")[0]},
    "Pub/Sub push": pushed(STANDARD),
    "Pub/Sub push of a flat body": pushed(FLAT),
    "list": {"json": [FLAT, FLAT]},
    "list of standard bodies": {"json": [{"prompt": "a cat"}, STANDARD]},
    "page of jobs": {"json": {"jobs": [FLAT], "nextCursor": None}},
    "batch": {"json": {"prompts": [{"prompt": "a cat"}, FLAT]}},
    "defaults of a batch": {"json": {**FLAT, "prompts": ["a cat"]}},
    "nested": {"json": {"prompt": "a cat", "body": {"headers": {}, "body": STANDARD}}},
    "nested in a list": {"json": {"prompt": "a cat", "items": [[FLAT]]}},
    "JSON in a field": {"json": {"prompt": "a cat", "payload": json.dumps(STANDARD)}},
    "JSON as the prompt": {"json": {"prompt": json.dumps(FLAT)}},
    "cut": {"json": {**FLAT, "steps": None, "metadata": None, "truncated": ["steps", "metadata"]}},
    "form": as_form(FLAT),
    "form with brackets": prefixed("data[{}]"),
    "form with dots": prefixed("data.{}"),
    "form with underscores": prefixed("data__{}"),
    "form with JSON": as_form({"prompt": "a cat", "payload": json.dumps(FLAT)}),
    "multipart": {"files": {name: (None, FLAT[name]) for name in ("id", "prompt", "statusUrl", "imageUrl")}},
}


@pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: str(caller.kind))
@pytest.mark.parametrize("body", BODIES)
async def test_a_notification_is_no_request(body: str, caller: Caller):
    problem = await rejection(sent("https://images.test/?prompt=a+dog", **BODIES[body]), caller)
    assert problem.response().status_code == 422
    assert "notification" in problem.detail


@pytest.mark.parametrize("secrets", [[], [new_secret(b"x" * 32)]], ids=["unsigned", "signed"])
@pytest.mark.parametrize("format", ["standard", "cloudevents", "flat"])
async def test_a_notification_with_our_headers_is_no_request(format: str, secrets: list[str]):
    body, content_type = body_of(MESSAGE, format)
    headers = {"Content-Type": content_type, **headers_of(MESSAGE, body, 1_772_366_400, secrets)}
    problem = await rejection(sent("https://images.test/?prompt=a+dog", content=body, headers=headers))
    assert "notification" in problem.detail


async def test_our_headers_are_enough():
    headers = headers_of(MESSAGE, b"", 1_772_366_400, [])
    problem = await rejection(sent(json={"prompt": "a cat"}, headers=headers))
    assert "notification" in problem.detail


@pytest.mark.parametrize(
    "content",
    [
        {"json": {"prompt": "a cat", "id": "7", "imageUrl": "https://a.test", "user": {"statusUrl": "https://a.test"}}},
        {"json": {"prompt": "statusUrl and imageUrl are fields of a job", "type": "image.completed"}},
        {"json": {"prompt": "a cat"}, "headers": {"webhook-id": MESSAGE.id}},  # an idempotency key
        {"json": {"prompt": "a cat"}, "headers": {"webhook-id": "order-4711", "webhook-timestamp": "1772366400"}},
    ],
)
async def test_a_request_that_resembles_one_is_accepted(content: dict[str, Any]):
    assert (await submission(sent(**content))).prompt.startswith(("a cat", "statusUrl"))


def test_the_samples_are_what_their_libraries_write():
    assert BODIES["binary CloudEvent"]["headers"]["ce-type"] == "image.completed"
    assert httpx.Headers(BODIES["structured CloudEvent"]["headers"])["content-type"] == "application/cloudevents+json"

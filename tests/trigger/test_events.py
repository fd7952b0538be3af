"""CloudEvents and Pub/Sub pushes, as the SDK and Google send them, are unwrapped; a redelivery has the same key."""

import base64
import json
import time
from typing import Any

import pytest
from cloudevents.conversion import to_binary, to_structured
from cloudevents.http import CloudEvent

from functions.trigger.auth.caller import Caller, CallerKind
from shared.idempotency import IdempotencyKey
from shared.submission import Submission
from tests.trigger.posting import BEARER, batch, decoded, rejected, rejection, sent, submission

CAT = {"prompt": "a cat"}
EVENT = Caller(CallerKind.EVENT, "event")
ATTRIBUTES = {"type": "com.example.order", "source": "https://example.com/orders", "id": "A234-1234"}
KEY = IdempotencyKey("event", '["https://example.com/orders", "A234-1234"]')
PUBSUB = "google.cloud.pubsub.topic.v1.messagePublished"


def push(data: Any, **more: Any) -> dict[str, Any]:
    """https://cloud.google.com/pubsub/docs/push#receive_push: the body that Google documents."""
    return {
        "message": {
            "attributes": {"key": "value"},
            "data": data if isinstance(data, str) else base64.b64encode(json.dumps(data).encode()).decode(),
            "messageId": "2070443601311540",
            "message_id": "2070443601311540",
            "publishTime": "2021-02-26T19:13:55.749Z",
            "publish_time": "2021-02-26T19:13:55.749Z",
        },
        "subscription": "projects/myproject/subscriptions/mysubscription",
        **more,
    }


def written(event: CloudEvent, way: str) -> dict[str, Any]:
    headers, body = (to_binary if way == "binary" else to_structured)(event)
    return {"content": body, "headers": {"content-type": "application/json", **headers}}


# --- CloudEvents ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["binary", "structured"])
@pytest.mark.parametrize("version", ["1.0", "0.3"])
@pytest.mark.parametrize("more", [{}, {"datacontenttype": "application/json", "subject": "s", "traceparent": "00-x"}])
async def test_an_event_of_the_sdk_is_unwrapped(way: str, version: str, more: dict[str, str]) -> None:
    data = {**CAT, "style": ["noir", 1.5, "ü"], "deadlineSeconds": 60}
    event = CloudEvent({**ATTRIBUTES, "specversion": version, **more}, data)
    body = await decoded(sent(**written(event, way)))
    assert (body.body, body.event_key, body.form) == (data, KEY, False)


async def test_bytes_may_be_sent_as_base64() -> None:
    event = CloudEvent(ATTRIBUTES, json.dumps(CAT).encode())
    request = sent(**written(event, "structured"))
    assert b"data_base64" in await request.body()
    assert (await decoded(sent(**written(event, "structured")))).body == CAT


@pytest.mark.parametrize("name", ["id", "source", "type", "specversion"])
@pytest.mark.parametrize("value", [None, "", " ", "absent"])
async def test_a_cloud_event_with_an_invalid_envelope_is_400(name: str, value: Any) -> None:
    envelope: dict[str, Any] = {**ATTRIBUTES, "specversion": "1.0", name: value}
    if value == "absent":
        del envelope[name]
    structured = {"content": json.dumps({**envelope, "data": CAT}), "headers": {"Content-Type": STRUCTURED}}
    binary = {"json": CAT, "headers": {f"ce-{key}": text for key, text in envelope.items() if text is not None}}
    for content in (structured, binary):
        assert (await rejection(sent(**content))).response().status_code == 400


STRUCTURED = "application/cloudevents+json; charset=utf-8"


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b"null", b"{", b'"a"', b"\xff", b"[" * 100_000),
        b'{"id": 7, "source": "/s", "type": "t", "specversion": "1.0", "data": {"prompt": "a cat"}}',
        b'{"id": "7", "source": "/s", "type": "t", "specversion": ["1.0"], "data": {"prompt": "a cat"}}',
        b'{"id": "7", "source": "/s", "type": "t", "specversion": "2.0", "data": {"prompt": "a cat"}}',
        b'{"id": "7", "source": "/s", "type": "t", "specversion": "1.0", "data": {"prompt": "a", "prompt": "b"}}',
    ],
)
async def test_a_body_that_is_not_a_cloud_event_is_400(body: bytes) -> None:
    problem = await rejection(sent(content=body, headers={"Content-Type": STRUCTURED}))
    assert problem.code == "invalid_event"
    assert all(name in problem.detail for name in ("id", "source", "type", "specversion"))


@pytest.mark.parametrize(
    "data",
    [
        *({"data": data} for data in (None, "a cat", 7, [CAT], json.dumps(CAT))),
        *({}, {"data_base64": "a"}, {"data_base64": 7}, {"data_base64": base64.b64encode(b"{").decode()}),
    ],
)
async def test_structured_data_that_is_not_an_object_is_422(data: dict[str, Any]) -> None:
    body = json.dumps({**ATTRIBUTES, "specversion": "1.0", **data})
    assert await rejected(sent(content=body, headers={"Content-Type": STRUCTURED})) == (422, "data")


async def test_many_attributes_cost_no_more_than_their_bytes() -> None:
    """A library took 11 s for 512 KiB, before any credential was checked."""
    attributes = "".join(f',"{number:x}":1' for number in range(50_000))
    body = f'{{"id":"1","source":"/s","type":"t","specversion":"1.0"{attributes},"data":{json.dumps(CAT)}}}'
    began = time.process_time()
    assert (await decoded(sent(content=body, headers={"Content-Type": STRUCTURED}))).body == CAT
    assert time.process_time() - began < 2


@pytest.mark.parametrize("content", [b"", b"a cat", b"\xff", b"[]", b"{'prompt': 1}", b'{"a": NaN}'])
async def test_binary_data_that_is_not_an_object_is_422(content: bytes) -> None:
    headers = {f"ce-{name}": text for name, text in {**ATTRIBUTES, "specversion": "1.0"}.items()}
    assert await rejected(sent(content=content, headers=headers)) == (422, "data")


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/x-www-form-urlencoded"])
async def test_binary_data_of_another_type_is_415(kind: str) -> None:
    headers = {f"ce-{name}": text for name, text in {**ATTRIBUTES, "specversion": "1.0"}.items()}
    request = sent(content=b'{"prompt": "a cat"}', headers={**headers, "Content-Type": kind})
    assert (await rejected(request))[0] == 415


async def test_an_event_may_carry_a_batch() -> None:
    event = CloudEvent(ATTRIBUTES, {"prompts": ["a cat", "a dog"], "style": "noir"})
    found = await batch(sent(**written(event, "binary")), EVENT)
    keys = [one.key for one in found.requests if isinstance(one, Submission)]
    assert keys == [IdempotencyKey(KEY.kind, KEY.value, 0), IdempotencyKey(KEY.kind, KEY.value, 1)]


async def test_an_invalid_field_of_an_event_is_named_as_in_any_request() -> None:
    event = CloudEvent(ATTRIBUTES, {**CAT, "deadlineSeconds": "60"})
    assert await rejected(sent(**written(event, "binary"))) == (422, "deadlineSeconds")


# --- Pub/Sub -------------------------------------------------------------------------------------------------------


async def test_a_wrapped_push_is_unwrapped() -> None:
    body = await decoded(sent(json=push({**CAT, "token": "secret"}, deliveryAttempt=3)))
    assert (body.body, body.token) == (CAT, "secret")
    assert body.event_key == IdempotencyKey("message", "2070443601311540")


@pytest.mark.parametrize("kept", ["messageId", "message_id"])
async def test_either_spelling_of_the_message_id_is_read(kept: str) -> None:
    body = push(CAT)
    del body["message"]["message_id" if kept == "messageId" else "messageId"]
    assert (await submission(sent(json=body))).key == IdempotencyKey("message", "2070443601311540")


@pytest.mark.parametrize("kind", [None, "application/json", "text/plain", "application/octet-stream", "x"])
async def test_an_unwrapped_push_is_accepted_with_any_media_type(kind: str | None) -> None:
    headers = {"x-goog-pubsub-message-id": "2070443601311540", "x-goog-pubsub-subscription-name": "s"}
    if kind:
        headers["Content-Type"] = kind
    made = await submission(sent(content=json.dumps(CAT).encode(), headers=headers))
    assert (made.prompt, made.key) == ("a cat", IdempotencyKey("message", "2070443601311540"))


@pytest.mark.parametrize("way", ["binary", "structured"])
async def test_an_event_of_eventarc_is_the_push_that_it_wraps(way: str) -> None:
    topic = "//pubsub.googleapis.com/projects/p/topics/t"
    event = CloudEvent({"type": PUBSUB, "source": topic, "id": "2070443601311540"}, push(CAT))
    body = await decoded(sent(**written(event, way)))
    assert (body.body, body.event_key) == (CAT, IdempotencyKey("message", "2070443601311540"))


async def test_all_ways_to_push_a_message_make_the_same_request() -> None:
    unwrapped = {"x-goog-pubsub-message-id": "2070443601311540"}
    event = CloudEvent({"type": PUBSUB, "source": "/t", "id": "2070443601311540"}, push(CAT))
    made = [
        await submission(sent(json=push(CAT))),
        await submission(sent(json=push(CAT, deliveryAttempt=5))),
        await submission(sent(json=CAT, headers=unwrapped)),
        await submission(sent(**written(event, "binary"))),
    ]
    assert len({(one.key, one.fingerprint) for one in made}) == 1


@pytest.mark.parametrize(
    "data",
    [
        "",
        "%%%",
        "YQ",
        "a b",
        push(CAT)["message"]["data"] + "!",
        base64.b64encode(b"a cat").decode(),
        base64.b64encode(b"[1]").decode(),
    ],
)
async def test_a_message_whose_data_is_not_a_request_is_422(data: str) -> None:
    assert await rejected(sent(json=push(data))) == (422, "message.data")


@pytest.mark.parametrize("data", [None, 7, {}])
async def test_a_message_without_data_is_422(data: Any) -> None:
    body = push(CAT)
    body["message"]["data"] = data
    assert await rejected(sent(json=body)) == (422, "message.data")


@pytest.mark.parametrize("message_id", ["", " ", 7])
async def test_a_message_without_an_id_is_400(message_id: Any) -> None:
    body = push(CAT)
    body["message"]["messageId"] = message_id
    assert (await rejection(sent(json=body))).code == "invalid_event"


@pytest.mark.parametrize("data", [{}, {"message": "x"}, {"message": {"data": "e30="}}])
async def test_a_pubsub_event_without_a_message_is_400(data: Any) -> None:
    event = CloudEvent({"type": PUBSUB, "source": "/t", "id": "1"}, data)
    assert (await rejection(sent(**written(event, "binary")))).code == "invalid_event"


@pytest.mark.parametrize(
    "body",
    [
        {**push(CAT), **CAT},
        {**push(CAT), "prompts": ["a cat"]},
        {**CAT, "message": "hello", "subscription": "gold"},
        {**CAT, "message": {"data": "x"}},
    ],
)
async def test_a_request_with_fields_of_a_push_is_not_an_event(body: dict[str, Any]) -> None:
    found = await decoded(sent(json=body))
    assert (found.body, found.event_key) == (body, None)


async def test_a_message_without_an_id_is_a_field_like_any_other() -> None:
    body = {"message": {"data": "x"}, "subscription": "gold"}
    made = await submission(sent("https://images.test/?prompt=a+cat", json=body))
    assert (json.loads(made.input), made.key) == (body, None)


async def test_the_request_in_an_event_may_have_512_kib() -> None:
    fits, exceeds = {**CAT, "style": "x" * 500_000}, {**CAT, "style": "x" * 524_288}
    assert (await submission(sent(json=push(fits), headers=BEARER))).prompt == "a cat"
    assert (await rejected(sent(json=push(exceeds), headers=BEARER)))[0] == 413
    assert (await rejected(sent(json=exceeds, headers={**BEARER, "x-goog-pubsub-message-id": "1"})))[0] == 413


async def test_a_webhook_id_comes_before_the_id_of_the_event() -> None:
    request = sent(json=push(CAT), headers={"webhook-id": "msg_1"})
    assert (await submission(request)).key == IdempotencyKey("webhook-id", "msg_1")

"""One idempotency rule for every kind of request: its first key counts, and keys of browsers cannot be guessed."""

import dataclasses
import json
from typing import Any

import httpx
import pytest

from shared.idempotency import IdempotencyKey
from shared.submission import Submission
from tests.trigger.posting import BROWSER, TOKEN, batch, rejected, rejection, sent, submission

CAT = {"prompt": "a cat"}
LONG_KEY = "0123456789abcdef"
MESSAGE = "x-goog-pubsub-message-id"
CE = {"ce-id": "1", "ce-source": "/s", "ce-specversion": "1.0", "ce-type": "t"}
EVERY_HEADER = {"Idempotency-Key": "k", "webhook-id": "w", MESSAGE: "m", **CE}
EVERY_FIELD = {**CAT, "formToken": "f", "dedupeField": "order", "order": 7}


@pytest.mark.parametrize(
    ("dropped", "key"),
    [
        (0, IdempotencyKey("key", "k")),
        (1, IdempotencyKey("webhook-id", "w")),
        (2, IdempotencyKey("message", "m")),
        (3, IdempotencyKey("event", '["/s", "1"]')),
    ],
)
async def test_the_first_key_of_a_request_counts(dropped: int, key: IdempotencyKey) -> None:
    headers = dict(list(EVERY_HEADER.items())[dropped:])
    assert (await submission(sent(json=EVERY_FIELD, headers=headers))).key == key


async def test_fields_are_keys_if_no_header_is() -> None:
    assert (await submission(sent(json=EVERY_FIELD))).key == IdempotencyKey("formToken", "f")
    del (fields := dict(EVERY_FIELD))["formToken"]
    assert (await submission(sent(json=fields))).key == IdempotencyKey("field", '["order", "7"]')
    assert (await submission(sent(json={**EVERY_FIELD, "idempotencyKey": "k"}))).key == IdempotencyKey("key", "k")
    assert (await submission(sent(json=CAT))).key is None


TASK = {"X-CloudTasks-QueueName": "images", "X-CloudTasks-TaskName": "9271"}
TASK_KEY = IdempotencyKey("task", "images/9271")


async def test_a_task_that_is_delivered_again_is_the_same_request() -> None:
    assert (await submission(sent(json=CAT, headers=TASK | {"X-CloudTasks-TaskRetryCount": "3"}))).key == TASK_KEY
    assert (await submission(sent(json=CAT, headers=TASK | {"X-CloudTasks-TaskName": "9272"}))).key != TASK_KEY


@pytest.mark.parametrize(
    "changed", [{"X-CloudTasks-TaskName": ""}, {"X-CloudTasks-TaskName": "daily"}, {"X-CloudTasks-QueueName": "a b"}]
)
async def test_what_is_not_the_name_of_one_task_is_no_key(changed: dict[str, str]) -> None:
    assert (await submission(sent(json=CAT, headers=TASK | changed))).key is None


async def test_a_task_is_the_last_of_the_keys() -> None:
    assert (await submission(sent(json=EVERY_FIELD, headers=TASK))).key == IdempotencyKey("formToken", "f")
    del (fields := dict(EVERY_FIELD))["formToken"]
    assert (await submission(sent(json=fields, headers=TASK))).key == IdempotencyKey("field", '["order", "7"]')


async def test_a_task_with_a_batch_is_the_key_of_the_requests_without_one() -> None:
    requests = [CAT, {**CAT, "dedupeField": "order", "order": 7}, {**CAT, "idempotencyKey": "k"}]
    found = await batch(sent(json=requests, headers=TASK))
    assert [one.key for one in found.requests if isinstance(one, Submission)] == [
        dataclasses.replace(TASK_KEY, index=0),
        IdempotencyKey("field", '["order", "7"]'),
        IdempotencyKey("key", "k"),
    ]


async def test_a_page_cannot_name_a_task() -> None:
    assert (await submission(sent(json=CAT, headers=TASK), BROWSER)).key is None


@pytest.mark.parametrize("header", ["k-1", '"k-1"'])
async def test_a_key_is_the_same_in_the_header_and_in_the_field(header: str) -> None:
    by_header = await submission(sent(json=CAT, headers={"Idempotency-Key": header}))
    by_field = await submission(sent(json={**CAT, "idempotencyKey": "k-1"}))
    by_both = await submission(sent(json={**CAT, "idempotencyKey": "k-1"}, headers={"Idempotency-Key": header}))
    assert by_header.key == by_field.key == by_both.key == IdempotencyKey("key", "k-1")
    assert by_header.fingerprint == by_field.fingerprint == by_both.fingerprint


async def test_two_different_keys_are_rejected() -> None:
    request = sent(json={**CAT, "idempotencyKey": "k-1"}, headers={"Idempotency-Key": "k-2"})
    assert await rejected(request) == (422, "idempotencyKey")


async def test_a_header_may_be_repeated_with_the_same_key() -> None:
    twice = httpx.Headers([("Idempotency-Key", "k-1"), ("Idempotency-Key", "k-1")])
    assert (await submission(sent(json=CAT, headers=twice))).key == IdempotencyKey("key", "k-1")
    two = httpx.Headers([("Idempotency-Key", "k-1"), ("Idempotency-Key", "k-2")])
    assert (await rejection(sent(json=CAT, headers=two))).code == "invalid_idempotency_key"


@pytest.mark.parametrize("value", ["", "a b", "ä", "x" * 256, '"', '"k', 7, None])
async def test_a_malformed_key_is_rejected(value: Any) -> None:
    assert await rejected(sent(json={**CAT, "idempotencyKey": value})) == (422, "idempotencyKey")
    if isinstance(value, str):
        for name in ("Idempotency-Key", "webhook-id"):
            headers = {name.encode(): value.encode()}
            assert (await rejection(sent(json=CAT, headers=headers))).code == "invalid_idempotency_key"


@pytest.mark.parametrize(
    ("value", "text"), [(7, "7"), (7.0, "7"), (7.5, "7.5"), ("7", "7"), (True, "true"), (" a-1 ", "a-1")]
)
async def test_a_dedupe_field_is_a_key_by_its_text(value: Any, text: str) -> None:
    made = await submission(sent(json={**CAT, "dedupeField": "order", "order": value}))
    assert made.key == IdempotencyKey("field", json.dumps(["order", text]))


async def test_a_form_and_json_with_the_same_dedupe_field_have_the_same_key() -> None:
    by_form = await submission(sent(data={**CAT, "dedupeField": "order", "order": "7"}))
    by_json = await submission(sent(json={**CAT, "dedupeField": "order", "order": 7}))
    by_default = await submission(sent("https://images.test/?dedupeField=order", json={**CAT, "order": 7}))
    assert by_form.key == by_json.key == by_default.key


@pytest.mark.parametrize("value", [None, "", "  ", [7], {"id": 7}])
async def test_a_dedupe_field_without_a_usable_value_is_rejected(value: Any) -> None:
    assert await rejected(sent(json={**CAT, "dedupeField": "order", "order": value})) == (422, "dedupeField")


@pytest.mark.parametrize("name", ["order", "", 7, None, "token", "formToken", "idempotencyKey"])
async def test_a_dedupe_field_that_is_absent_or_a_credential_is_rejected(name: Any) -> None:
    request = sent("https://images.test/?token=t", json={**CAT, "dedupeField": name, "token": "t"})
    assert await rejected(request) == (422, "dedupeField")


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"json": {**CAT, "idempotencyKey": LONG_KEY[1:]}}, "idempotencyKey"),
        ({"json": {**CAT, "dedupeField": "order", "order": LONG_KEY[1:]}}, "dedupeField"),
        ({"json": CAT, "headers": {"Idempotency-Key": LONG_KEY[1:]}}, None),
        ({"json": CAT, "headers": {"webhook-id": LONG_KEY[1:]}}, None),
    ],
)
async def test_a_browsers_key_has_16_characters(content: dict[str, Any], field: str | None) -> None:
    assert await rejected(sent(**content), BROWSER) == (422, field)
    assert (await submission(sent(**content), TOKEN)).key
    longer = json.loads(json.dumps(content).replace(LONG_KEY[1:], LONG_KEY))
    assert (await submission(sent(**longer), BROWSER)).key


@pytest.mark.parametrize("value", ["", 7, None, ["f"], "x" * 2_049])
async def test_a_malformed_form_token_is_rejected(value: Any) -> None:
    assert await rejected(sent(json={**CAT, "formToken": value})) == (422, "formToken")

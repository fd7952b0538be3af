"""Every kind of body makes the same submission; a body that cannot be parsed is rejected by status and field."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from functions.trigger.auth.caller import Caller, CallerKind
from functions.trigger.auth.form_admission import fills_honeypot
from functions.trigger.parsing.fields import FIELDS, read_field
from shared.idempotency import fingerprint
from shared.problems import Problem
from tests.trigger.posting import BROWSER, TOKEN, decoded, parsed, rejected, rejection, sent, submission

CAT = {"prompt": "a cat"}
JSON = {"Content-Type": "application/json"}
LONG_KEY = "0123456789abcdef"
CE = {"ce-id": "1", "ce-source": "/s", "ce-specversion": "1.0", "ce-type": "t"}


# --- JSON ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "Application/JSON", "application/vnd.x+json", "", None]
)
async def test_json_is_accepted_by_each_of_its_media_types(kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    body = await decoded(sent(content=b'\xef\xbb\xbf{"prompt": "a cat"}', headers=headers))
    assert (body.body, body.form, body.files, body.event_key) == (CAT, False, {}, None)


@pytest.mark.parametrize(
    "kind",
    [
        *("text/plain", "application/xml", "image/png", "application/cloudevents+xml", "multipart/mixed; boundary=x"),
        *("application/cloudevents-batch+json", "application/cloudevents-batch+json; charset=utf-8"),
    ],
)
async def test_an_unsupported_media_type_is_415_and_lists_the_supported_ones(kind: str) -> None:
    problem = await rejection(sent(content=b'[{"prompt": "a cat"}]', headers={"Content-Type": kind}))
    assert problem.response().status_code == 415
    supported = ("application/json", "urlencoded", "multipart/form-data", "application/cloudevents+json", "Pub/Sub")
    assert all(name in problem.detail for name in supported)


async def test_a_compressed_body_is_415() -> None:
    request = sent(content=b"\x1f\x8b", headers={**JSON, "Content-Encoding": "gzip"})
    assert (await rejection(request)).code == "unsupported_media_type"


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b'{"prompt": "caf\xe9"}', 400),
        (b'{"prompt": "a cat", "n": NaN}', 400),
        (b'{"prompt": "a cat", "n": 1e999}', 400),
        (b'{"n": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
        (b'{"n": ' + b"1" * 5_000 + b"}", 400),
        (b'{"prompt": "a cat", "n": ' + b"[" * 101 + b"]" * 101 + b"}", 422),
        (b'"a cat"', 422),
        (b"null", 422),
        (json.dumps({**CAT, "n": "x" * 524_288}).encode(), 413),
    ],
)
async def test_a_body_that_is_not_a_request_is_rejected(content: bytes, status: int) -> None:
    assert (await rejected(sent(content=content, headers=JSON)))[0] == status


async def test_a_name_that_occurs_twice_in_an_object_is_rejected() -> None:
    body = b'{"prompt": "a cat", "n": {"x": 1, "x": 2}}'
    assert (await rejected(sent(content=body, headers=JSON)))[0] == 400


@pytest.mark.parametrize(
    ("content", "position"),
    [
        (b'{"prompt" "a cat"}', "line 1, column 11: expected ':'"),
        (b'{"prompt": "a cat",\n "n": 1\n "m": 2}', "line 3, column 2: expected ','"),
        (b"x", "line 1, column 1: expected a value"),
        (b'{"prompt": "a cat', "line 1, column 12: unterminated string"),
        (b'{"prompt": NaN}', "line 1, column 12: NaN is not allowed"),
        (b'{"prompt": "NaN",\n "n": [1, -Infinity]}', "line 2, column 11: -Infinity is not allowed"),
        (b'{"a": 1e99, "b": 1e999}', "line 1, column 18: a number is too large"),
        (b'{"a": 1,\n"b": ' + b"1" * 5_000 + b"}", "line 2, column 6: a number has too many digits"),
        (b'{"n": {"x": {"a": 1}, "y": 2}, "y": 3,\n "\\u006e": 4}', 'line 2, column 2: the name "n" occurs twice'),
        (b'\xef\xbb\xbf{"prompt": "caf\xc3\xa9 \xe9"}', "line 1, column 18: it is not UTF-8"),
        (b'{"n": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "line 1, column 106: it is nested too deeply"),
        (b'{"prompt": "a cat",}', "line 1, column 20: expected property name"),
    ],
)
async def test_invalid_json_is_located(content: bytes, position: str) -> None:
    problem = await rejection(sent(content=content, headers=JSON))
    assert problem.detail.startswith(f"The request body is not valid JSON ({position}")
    assert "). Send UTF-8 JSON such as" in problem.detail


@pytest.mark.parametrize("content", [b"", b" \n"])
async def test_an_empty_body_is_named_with_what_to_send(content: bytes) -> None:
    detail = 'The request body is empty. Send UTF-8 JSON such as {"prompt": "a cat"}.'
    assert (await rejection(sent(content=content, headers=JSON))).detail == detail


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"dryRun": "true"}, "dryRun must be true or false, not a string."),
        ({"deadlineSeconds": "60"}, "deadlineSeconds must be a number of seconds, not a string."),
        ({"deadlineSeconds": True}, "deadlineSeconds must be a number of seconds, not a boolean."),
        ({"workflow": ["pro"]}, "workflow must be a string, not an array."),
        ({"allowPartial": 1}, "allowPartial must be true or false, not a number."),
        ({"fromImage": {}}, "fromImage must be the index of an image, an integer from 0, not an object."),
    ],
)
def test_a_value_of_another_type_is_named(fields: dict[str, Any], detail: str) -> None:
    (name,) = fields
    with pytest.raises(Problem) as raised:
        read_field(name, fields)
    assert raised.value.detail == detail


# --- the token -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["json", "data"])
async def test_the_token_is_not_a_field_of_the_request(way: str) -> None:
    body = await decoded(sent(**{way: {**CAT, "token": "secret"}}))
    assert (body.token, body.body) == ("secret", CAT)
    assert "secret" not in repr(body)
    assert "secret" not in repr(await submission(sent(**{way: {**CAT, "token": "secret"}})))


@pytest.mark.parametrize("token", [None, 7, ["secret"]])
async def test_a_token_that_is_not_a_string_is_rejected(token: Any) -> None:
    assert await rejected(sent(json={**CAT, "token": token})) == (422, "token")


@pytest.mark.parametrize("name", ["token", "formToken", "cf-turnstile-response", "website"])
async def test_a_lone_surrogate_in_a_credential_is_rejected(name: str) -> None:
    assert await rejected(sent(json={**CAT, name: "\ud83d"}), BROWSER) == (422, name)


async def test_an_empty_token_is_a_token() -> None:
    assert (await decoded(sent(data={**CAT, "token": ""}))).token == ""


# --- query defaults ------------------------------------------------------------------------------------------------


async def test_our_names_in_the_query_are_defaults_and_others_are_ignored() -> None:
    url = "https://images.test/?prompt=a+dog&deadlineSeconds=60&allowPartial=on&style=noir&token=secret&x=%ff"
    made = await submission(sent(url, json={"prompt": "a cat", "n": 1}))
    assert (made.prompt, made.deadline_seconds, made.allow_partial, made.input) == ("a cat", 60.0, True, '{"n":1}')
    assert (await submission(sent(url, json={}))).prompt == "a dog"


async def test_a_default_makes_the_same_request_as_the_field() -> None:
    beside = await submission(sent("https://images.test/?deadlineSeconds=60", json=CAT))
    inside = await submission(sent(json={**CAT, "deadlineSeconds": 60}))
    assert beside.fingerprint == inside.fingerprint != (await submission(sent(json=CAT))).fingerprint


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("deadlineSeconds=soon", "deadlineSeconds"),
        ("allowPartial=perhaps", "allowPartial"),
        ("fromImage=1.5", "fromImage"),
        ("workflow=a&workflow=b", "workflow"),
        ("workflow=%ff", "workflow"),
        ("partial=perhaps", "partial"),
        ("idempotencyKey=%20", "idempotencyKey"),
    ],
)
async def test_an_invalid_default_is_named(query: str, field: str) -> None:
    assert await rejected(sent(f"https://images.test/?{query}", json=CAT)) == (422, field)


async def test_an_empty_default_is_absent() -> None:
    assert (await submission(sent("https://images.test/?workflow=&deadlineSeconds=", json=CAT))).workflow == "default"


# --- request equality ----------------------------------------------------------------------------------------------

values = some.recursive(
    some.none()
    | some.booleans()
    | some.integers(-(10**30), 10**30)
    | some.floats(allow_nan=False, allow_infinity=False)
    | some.text(some.characters(codec="utf-8"), max_size=5),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text("ab1", max_size=3), inner, max_size=3),
    max_leaves=8,
)
others = some.text(some.characters(codec="utf-8"), max_size=5).filter(lambda name: name not in FIELDS)


@settings(deadline=None, max_examples=50)
@given(some.dictionaries(others, values, max_size=4), some.integers(1, 9), some.booleans())
def test_plain_json_has_the_fingerprint_of_its_text(fields: dict[str, Any], deadline: int, partial: bool) -> None:
    body = json.dumps({**fields, "deadlineSeconds": deadline, **CAT, "allowPartial": partial}, indent=1)
    made = asyncio.run(submission(sent(content=body, headers=JSON)))
    assert made.fingerprint == fingerprint(json.loads(body))
    assert json.loads(made.input) == fields


NOT_COMPARED = {"onFailure": "error", "callbackUrl": "https://receiver.example/", "callbackFormat": "flat"}


@pytest.mark.parametrize("name", [name for name, field in FIELDS.items() if not field.compared])
async def test_what_is_not_compared_does_not_count_for_equality(name: str) -> None:
    made = await submission(sent(json={**CAT, name: NOT_COMPARED.get(name, LONG_KEY)}))
    assert made.fingerprint == (await submission(sent(json=CAT))).fingerprint


async def test_every_kind_of_body_makes_the_same_request() -> None:
    fields = {**CAT, "style": "noir", "deadlineSeconds": "60"}
    by_form, by_parts = (
        await submission(sent(data=fields)),
        await submission(sent(files={n: (None, v) for n, v in fields.items()})),
    )
    by_json = await submission(sent(json={**fields, "deadlineSeconds": 60}))
    by_event = await submission(sent(json={**fields, "deadlineSeconds": 60.0}, headers=CE))
    assert len({made.fingerprint for made in (by_form, by_parts, by_json, by_event)}) == 1


# --- fields of browsers --------------------------------------------------------------------------------------------

OF_A_BROWSER = {**CAT, "website": "http://spam.example", "formToken": LONG_KEY, "cf-turnstile-response": "solved"}


@pytest.mark.parametrize(("caller", "input"), [(BROWSER, "{}"), (TOKEN, '{"website":"http://spam.example"}')])
async def test_a_browsers_honeypot_and_tokens_are_no_input_and_website_of_others_is(caller: Caller, input: str) -> None:
    assert (await submission(sent(data=OF_A_BROWSER), caller)).input == input
    found = await parsed(sent(data=OF_A_BROWSER), caller)
    assert read_field("formToken", found.fields) == LONG_KEY
    assert read_field("cf-turnstile-response", found.fields) == "solved"
    assert fills_honeypot(caller, read_field("website", found.fields)) is caller.browser


@pytest.mark.parametrize(("website", "filled"), [("", False), (" ", False), (None, False), ("x", True), (7, True)])
async def test_a_blank_honeypot_is_not_filled(website: Any, filled: bool) -> None:
    found = await parsed(sent(json={**CAT, "website": website}), BROWSER)
    assert fills_honeypot(found.caller, read_field("website", found.fields)) is filled


async def test_a_submission_has_its_caller() -> None:
    made = await submission(sent(json=CAT), Caller(CallerKind.TOKEN, "zap", admin=True))
    assert (made.caller, made.private, made.admin) == ("zap", True, True)
    for caller in (BROWSER, Caller(CallerKind.SIGNATURE, "bank"), Caller(CallerKind.EVENT, "event")):
        assert not (await submission(sent(json=CAT), caller)).private


async def test_a_header_in_latin_1_is_no_server_error() -> None:
    headers = httpx.Headers([(b"content-length", b"\xb2"), (b"content-type", b"text/\xff")])
    assert (await rejected(sent(content=b"{}", headers=headers)))[0] == 415

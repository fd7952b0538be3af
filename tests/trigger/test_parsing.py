"""Every body kind gives the same submission; what cannot be parsed is rejected by name and status."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from functions.trigger.auth.caller import Caller, CallerKind
from functions.trigger.parsing.names import NOT_COMPARED, OURS
from functions.trigger.parsing.parse import decode_body
from shared.idempotency import fingerprint
from shared.problems import PROBLEMS, Problem
from tests.trigger.posting import BEARER, BROWSER, TOKEN, all_orders, endless, refusal, refused, sent, submission

CAT = {"prompt": "a cat"}
JSON = {"Content-Type": "application/json"}
LONG_KEY = "0123456789abcdef"
CE = {"ce-id": "1", "ce-source": "/s", "ce-specversion": "1.0", "ce-type": "t"}


# --- JSON ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "Application/JSON", "application/vnd.x+json", "", None]
)
async def test_json_by_any_of_its_names_is_taken(kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    posted = await decode_body(sent(content=b'\xef\xbb\xbf{"prompt": "a cat"}', headers=headers))
    assert (posted.body, posted.form, posted.file, posted.keys) == (CAT, False, None, ())


@pytest.mark.parametrize(
    "kind",
    [
        *("text/plain", "application/xml", "image/png", "application/cloudevents+xml", "multipart/mixed; boundary=x"),
        *("application/cloudevents-batch+json", "application/cloudevents-batch+json; charset=utf-8"),
    ],
)
async def test_what_is_not_taken_is_told_what_is(kind: str) -> None:
    problem = await refused(sent(content=b'[{"prompt": "a cat"}]', headers={"Content-Type": kind}))
    assert problem.response().status_code == 415
    taken = ("application/json", "urlencoded", "multipart/form-data", "application/cloudevents+json", "Pub/Sub")
    assert all(name in problem.detail for name in taken)


async def test_a_compressed_body_is_415() -> None:
    request = sent(content=b"\x1f\x8b", headers={**JSON, "Content-Encoding": "gzip"})
    assert (await refused(request)).code == "unsupported_media_type"


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
async def test_a_body_that_is_no_request_is_refused(content: bytes, status: int) -> None:
    assert (await refusal(sent(content=content, headers=JSON)))[0] == status


async def test_a_name_that_stands_twice_is_refused() -> None:
    body = b'{"prompt": "a cat", "n": {"x": 1, "x": 2}}'
    assert (await refusal(sent(content=body, headers=JSON)))[0] == 400


@pytest.mark.parametrize("body", [["x" * 900_000], {"prompts": ["a cat"], "style": "x" * 600_000}])
async def test_only_an_array_may_have_4_mib(body: Any) -> None:
    assert (await decode_body(sent(json=body, headers=BEARER))).body == body
    assert (await refusal(sent(json=body)))[0] == 413
    assert (await refusal(sent(content=json.dumps(body).ljust(4 * 1024 * 1024 + 1).encode(), headers=JSON)))[0] == 413


@pytest.mark.parametrize(
    ("kind", "limit"),
    [
        ("application/json", 4 * 1024 * 1024),
        ("application/cloudevents+json", 4 * 1024 * 1024),
        ("application/x-www-form-urlencoded", 512 * 1024),
        ("multipart/form-data; boundary=x", 26 * 1024 * 1024),
    ],
)
async def test_no_more_than_the_limit_is_read(kind: str, limit: int) -> None:
    request, taken = endless(content_type=kind)
    assert (await refusal(request))[0] == 413
    assert taken[0] <= limit + 65_536
    request, taken = endless(content_type=kind, content_length=str(limit + 1))
    assert (await refusal(request))[0] == 413
    assert taken[0] == 0


# --- the token -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["json", "data"])
async def test_the_token_is_taken_out(way: str) -> None:
    posted = await decode_body(sent(**{way: {**CAT, "token": "secret"}}))
    assert (posted.token, posted.body) == ("secret", CAT)
    assert "secret" not in repr(await submission(sent(**{way: {**CAT, "token": "secret"}})))


@pytest.mark.parametrize("token", [None, 7, ["secret"]])
async def test_a_token_that_is_no_text_is_refused(token: Any) -> None:
    assert await refusal(sent(json={**CAT, "token": token})) == (422, "token")


@pytest.mark.parametrize("name", ["token", "formToken", "cf-turnstile-response", "website"])
async def test_half_a_character_never_gets_to_the_doors(name: str) -> None:
    assert await refusal(sent(json={**CAT, name: "\ud83d"}), BROWSER) == (422, name)


async def test_an_empty_token_is_there_and_wrong() -> None:
    assert (await decode_body(sent(data={**CAT, "token": ""}))).token == ""


# --- query defaults ------------------------------------------------------------------------------------------------


async def test_our_names_in_the_query_are_defaults_and_others_are_ignored() -> None:
    url = "https://images.test/?prompt=a+dog&deadlineSeconds=60&allowPartial=on&style=noir&token=secret&x=%ff"
    made = await submission(sent(url, json={"prompt": "a cat", "n": 1}))
    assert (made.prompt, made.deadline_seconds, made.allow_partial, made.input) == ("a cat", 60.0, True, '{"n":1}')
    assert (await submission(sent(url, json={}))).prompt == "a dog"


async def test_a_default_makes_the_same_request_as_the_field_itself() -> None:
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
async def test_a_default_that_is_wrong_is_named(query: str, field: str) -> None:
    assert await refusal(sent(f"https://images.test/?{query}", json=CAT)) == (422, field)


async def test_a_default_that_is_empty_is_none() -> None:
    assert (await submission(sent("https://images.test/?workflow=&deadlineSeconds=", json=CAT))).workflow == "default"


@pytest.mark.parametrize("name", ["callbackUrl", "altText", "then", "metadata"])
async def test_a_reserved_name_is_refused_wherever_it_stands(name: str) -> None:
    for request in (
        sent(json={**CAT, name: None}),
        sent(data={**CAT, name: "x"}),
        sent(f"https://images.test/?{name}=x", json=CAT),
    ):
        problem = await refused(request)
        assert (problem.code, problem.field) == ("field_not_supported", name)


# --- what is compared ----------------------------------------------------------------------------------------------

values = some.recursive(
    some.none()
    | some.booleans()
    | some.integers(-(10**30), 10**30)
    | some.floats(allow_nan=False, allow_infinity=False)
    | some.text(some.characters(codec="utf-8"), max_size=5),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text("ab1", max_size=3), inner, max_size=3),
    max_leaves=8,
)
others = some.text(some.characters(codec="utf-8"), max_size=5).filter(lambda name: name not in OURS)


@settings(deadline=None, max_examples=50)
@given(some.dictionaries(others, values, max_size=4), some.integers(1, 9), some.booleans())
def test_plain_json_has_the_fingerprint_of_its_text(fields: dict[str, Any], deadline: int, partial: bool) -> None:
    body = json.dumps({**fields, "deadlineSeconds": deadline, **CAT, "allowPartial": partial}, indent=1)
    made = asyncio.run(submission(sent(content=body, headers=JSON)))
    assert made.fingerprint == fingerprint(body)
    assert json.loads(made.input) == fields


@pytest.mark.parametrize("name", sorted(NOT_COMPARED))
async def test_the_envelope_is_not_compared(name: str) -> None:
    made = await submission(sent(json={**CAT, name: LONG_KEY}))
    assert made.fingerprint == (await submission(sent(json=CAT))).fingerprint


async def test_all_ways_in_make_the_same_request() -> None:
    fields = {**CAT, "style": "noir", "deadlineSeconds": "60"}
    by_form, by_parts = (
        await submission(sent(data=fields)),
        await submission(sent(files={n: (None, v) for n, v in fields.items()})),
    )
    by_json = await submission(sent(json={**fields, "deadlineSeconds": 60}))
    by_event = await submission(sent(json={**fields, "deadlineSeconds": 60.0}, headers=CE))
    assert len({made.fingerprint for made in (by_form, by_parts, by_json, by_event)}) == 1


# --- what the auth see --------------------------------------------------------------------------------------------

FOR_DOORS = {**CAT, "website": "http://spam.example", "formToken": LONG_KEY, "cf-turnstile-response": "solved"}


async def test_a_browsers_honeypot_and_tokens_come_out_beside_the_order() -> None:
    found = await all_orders(sent(data=FOR_DOORS), BROWSER)
    assert (found.honeypot, found.form_token, found.turnstile_response) == (True, LONG_KEY, "solved")
    (made,) = found.submissions
    assert not isinstance(made, Problem)
    assert made.input == "{}"


async def test_for_all_others_website_is_a_field_as_any() -> None:
    found = await all_orders(sent(data=FOR_DOORS), TOKEN)
    (made,) = found.submissions
    assert not isinstance(made, Problem)
    assert (found.honeypot, made.input) == (False, '{"website":"http://spam.example"}')


@pytest.mark.parametrize(("website", "filled"), [("", False), (" ", False), (None, False), ("x", True), (7, True)])
async def test_an_empty_honeypot_is_none(website: Any, filled: bool) -> None:
    assert (await all_orders(sent(json={**CAT, "website": website}), BROWSER)).honeypot is filled


async def test_a_turnstile_response_must_be_a_text() -> None:
    request = sent(json={**CAT, "cf-turnstile-response": 7})
    assert await refusal(request, BROWSER) == (422, "cf-turnstile-response")


@pytest.mark.parametrize("door", [CallerKind.TOKEN, CallerKind.SIGNATURE])
async def test_an_order_says_whose_it_is(door: CallerKind) -> None:
    made = await submission(sent(json=CAT), Caller(door, "zap", admin=True))
    assert (made.caller, made.private, made.admin) == ("zap", True, True)
    assert not (await submission(sent(json=CAT), BROWSER)).private


async def test_no_problem_has_a_code_that_nobody_knows() -> None:
    codes = {"invalid_json", "invalid_form", "invalid_event", "invalid_field", "forbidden", "body_too_large"}
    assert codes <= PROBLEMS.keys()


async def test_a_header_in_latin_1_is_no_server_error() -> None:
    headers = httpx.Headers([(b"content-length", b"\xb2"), (b"content-type", b"text/\xff")])
    assert (await refusal(sent(content=b"{}", headers=headers)))[0] == 415

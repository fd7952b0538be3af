"""How much of a body is read and who may send more; a large body is decoded off the event loop."""

import hashlib
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from standardwebhooks import Webhook
from starlette.requests import Request

from functions.trigger.auth.caller import Caller, CallerKind
from functions.trigger.parsing import pipeline
from functions.trigger.parsing.pipeline import ParsedRequest, parse_request
from shared import config
from shared.auth_settings import AuthSettings, SigningSecret, Token
from shared.problems import Problem
from tests.trigger.posting import (
    BEARER,
    CHUNK,
    SETTINGS,
    AlwaysCaller,
    any_fields,
    decoded,
    endless,
    no_fields,
    rejected,
    sent,
    submission,
)
from tests.trigger.stand_ins import NOON, Instance

KIB, MIB = 1024, 1024 * 1024
SECRET, OWNER = "whsec_" + "A" * 32, Token("zap", hashlib.sha256(b"right").hexdigest())
CAT = {"prompt": "a cat"}
JSON, FORM = {"Content-Type": "application/json"}, {"Content-Type": "multipart/form-data; boundary=x"}
SHOP = "https://shop.example"
SIGNED = {"webhook-id": "1", "webhook-timestamp": str(int(NOON.timestamp())), "webhook-signature": "v1,x"}


@pytest.mark.parametrize("body", [["x" * 900_000], {"prompts": ["a cat"], "style": "x" * 600_000}])
async def test_only_a_batch_may_have_4_mib(body: Any) -> None:
    assert (await decoded(sent(json=body, headers=BEARER))).body == body
    assert (await rejected(sent(json=body)))[0] == 413
    larger = json.dumps(body).ljust(4 * MIB + 1).encode()
    assert (await rejected(sent(content=larger, headers={**JSON, **BEARER})))[0] == 413


@pytest.mark.parametrize(
    ("headers", "limit"),
    [
        ({"content-type": "application/json"}, 512 * KIB),
        ({"content-type": "application/json", **BEARER}, 4 * MIB),
        ({"content-type": "application/cloudevents+json"}, 512 * KIB),
        ({"content-type": "application/cloudevents+json", **BEARER}, 4 * MIB),
        ({"content-type": "application/x-www-form-urlencoded", **BEARER}, 512 * KIB),
        ({"content-type": "multipart/form-data; boundary=x"}, 26 * MIB),
    ],
)
async def test_no_more_than_the_limit_is_read(headers: dict[str, str], limit: int) -> None:
    request, read = endless(headers)
    assert (await rejected(request))[0] == 413
    assert limit < read[0] <= limit + CHUNK
    request, read = endless({**headers, "content-length": str(limit + 1)})
    assert (await rejected(request))[0] == 413
    assert read[0] == 0


async def parsed_by_deployment(request: Request) -> ParsedRequest:
    """What a deployment with a token and a signing secret makes of a request."""
    settings = AuthSettings(tokens=(OWNER,), signing_secrets=(SigningSecret("bank", (SECRET,)),), origins=(SHOP,))
    authenticator = Instance(settings=settings).authenticator
    return await parse_request(request, authenticator, config.load(SETTINGS), any_fields, no_fields)


async def rejected_by_deployment(request: Request) -> Problem:
    """What it rejects a request with."""
    with pytest.raises(Problem) as caught:
        await parsed_by_deployment(request)
    return caught.value


@pytest.mark.parametrize(
    ("headers", "code", "limit"),
    [
        ({"Authorization": "Bearer wrong"}, "unauthorized", 0),
        ({"Authorization": "Basic eDp3cm9uZw=="}, "unauthorized", 0),
        ({"Origin": "https://evil.example"}, "body_too_large", 512 * KIB + CHUNK),
        ({}, "body_too_large", 512 * KIB + CHUNK),
        ({"Authorization": "x"}, "unauthorized", 0),
        ({"Authorization": "Bearer right"}, "body_too_large", 4 * MIB + CHUNK),
        (SIGNED, "body_too_large", 4 * MIB + CHUNK),
        ({"webhook-signature": "v1,x"}, "unauthorized", 0),
        ({**SIGNED, "webhook-signature": ""}, "unauthorized", 0),
        ({**SIGNED, "webhook-timestamp": "1"}, "unauthorized", 0),
        ({**FORM, **SIGNED, "webhook-timestamp": "soon"}, "unauthorized", 0),
        (FORM, "body_too_large", 512 * KIB + CHUNK),
        ({**FORM, "Origin": "https://evil.example"}, "body_too_large", 512 * KIB + CHUNK),
        ({**FORM, "Authorization": "Bearer wrong"}, "unauthorized", 0),
        ({**FORM, "Authorization": "Bearer right"}, "body_too_large", 26 * MIB + CHUNK),
        ({**FORM, "Origin": SHOP}, "body_too_large", 26 * MIB + CHUNK),
        ({"Origin": SHOP}, "body_too_large", 512 * KIB + CHUNK),
    ],
)
async def test_without_a_valid_header_credential_at_most_512_kib_are_read(
    headers: dict[str, str], code: str, limit: int
) -> None:
    request, read = endless({**JSON, **headers})
    assert (await rejected_by_deployment(request)).code == code
    assert read[0] == limit


@pytest.mark.parametrize("token", ["right", "wrong"])
async def test_a_token_in_the_body_allows_512_kib(token: str) -> None:
    body = {"prompts": ["a cat"], "token": token, "style": "x" * MIB}
    for request in (sent(json=body), sent(data={**CAT, "token": token}, files={"image1": b"\x89PNG" * MIB})):
        problem = await rejected_by_deployment(request)
        assert (problem.code, "Authorization header" in problem.detail) == ("body_too_large", True)


async def test_without_authentication_a_strangers_body_is_not_read() -> None:
    request, read = endless(JSON)
    request.scope["client"] = ("203.0.113.9", 50_000)
    authenticator = Instance(settings=AuthSettings()).authenticator
    with pytest.raises(Problem) as caught:
        await parse_request(request, authenticator, config.load(SETTINGS), any_fields, no_fields)
    assert (caught.value.code, read[0]) == ("forbidden", 0)


async def test_a_large_signed_body_is_verified_before_it_is_decoded() -> None:
    not_json = b"[" * MIB
    assert (await rejected_by_deployment(sent(content=not_json, headers={**JSON, **SIGNED}))).code == "unauthorized"


async def test_of_several_valid_credentials_a_token_counts_also_in_the_body() -> None:
    body = json.dumps({**CAT, "token": "right"})
    signature = Webhook(SECRET).sign("1", NOON, body)
    seconds = str(int(NOON.timestamp()))
    signed = {**JSON, "webhook-id": "1", "webhook-timestamp": seconds, "webhook-signature": signature}
    assert (await parsed_by_deployment(sent(content=body, headers=signed))).caller == Caller(CallerKind.TOKEN, "zap")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ({"json": {**CAT, "token": "wrong"}}, "unauthorized"),
        ({"json": {**CAT, "token": ""}}, "invalid_field"),
        ({"data": {**CAT, "token": ""}}, "unauthorized"),
    ],
)
async def test_an_invalid_token_in_the_body_outweighs_a_valid_one_in_a_header(content: Any, code: str) -> None:
    request = sent(**content, headers={"Authorization": "Bearer right"})
    assert (await rejected_by_deployment(request)).code == code


@pytest.mark.parametrize(("size", "in_a_thread"), [(10 * KIB, False), (100 * KIB, True)])
@pytest.mark.parametrize("way", ["json", "data", "files"])
async def test_a_large_body_is_decoded_and_validated_off_the_event_loop(
    way: str, size: int, in_a_thread: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = []

    def recording(step: Callable[..., Any]) -> Callable[..., Any]:
        def record(*args: Any) -> Any:
            threads.append(threading.current_thread())
            return step(*args)

        return record

    for name in ("decode", "validate"):
        monkeypatch.setattr(pipeline, name, recording(getattr(pipeline, name)))
    monkeypatch.setattr(AlwaysCaller, "signature", recording(AlwaysCaller.signature))
    fields = {**CAT, "style": "x" * size}
    content = {name: (None, value) for name, value in fields.items()} if way == "files" else fields
    made = await submission(sent(**{way: content}))
    assert json.loads(made.input) == {"style": fields["style"]}
    assert [thread is not threading.main_thread() for thread in threads] == [in_a_thread] * 3

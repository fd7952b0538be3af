"""Google ID tokens: those signed for our events are accepted; forged, foreign, expired, and unsigned ones are not.

The keys and certificates are real, and so is the server that has them.
"""

import base64
import dataclasses
import hashlib
import hmac
import math
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from google.auth import crypt

from functions.trigger.auth.authorize import check_may_list
from functions.trigger.auth.caller import Caller, CallerKind
from shared.auth_settings import Token
from shared.problems import Problem
from tests.trigger.google import (
    AUDIENCE,
    CLAIMS,
    EVENT,
    caller,
    certificate,
    encoded,
    is_invalid,
    key,
    part,
    problem,
    settings,
    token,
    unsigned,
)
from tests.trigger.stand_ins import NOON, Instance, StubServer, identify, request

# --- tokens ----------------------------------------------------------------------------------------------------------


async def test_a_token_that_google_signed_for_our_events_is_accepted(instance: Instance):
    assert await caller(instance, token()) == EVENT
    assert not EVENT.private
    assert EVENT.may_send_batches


async def test_a_token_of_ours_takes_precedence_over_an_event(google: StubServer, http: httpx.AsyncClient):
    tokens = (Token("zapier", hashlib.sha256(b"T").hexdigest()),)
    instance = Instance(settings=dataclasses.replace(settings(google, public=True), tokens=tokens), http=http)
    for lines in ([token(), "T"], ["T", token()]):
        sent = request(headers=[("Authorization", f"Bearer {line}") for line in lines])
        assert await identify(instance.authenticator, sent, b"{}", None) == Caller(CallerKind.TOKEN, "zapier")
    sent = request(headers=[("Authorization", f"Bearer {line}") for line in (token(exp=1), "T")])
    with pytest.raises(Problem):
        await identify(instance.authenticator, sent, b"{}", None)


async def test_both_spellings_of_the_issuer_are_accepted(instance: Instance):
    assert await caller(instance, token(iss="accounts.google.com")) == EVENT


async def test_a_token_signed_by_another_key_is_invalid(instance: Instance):
    assert await is_invalid(instance, token("forger", kid="key-1"))


async def test_a_token_of_an_unknown_key_is_invalid(instance: Instance):
    assert await is_invalid(instance, token("forger"))


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "https://other.example"},
        {"aud": [AUDIENCE]},
        {"aud": None},
        {"email": "other@project.iam.gserviceaccount.com"},
        {"email": None},
        {"iss": "https://accounts.google.com.evil.example"},
        {"email_verified": False},
        {"email_verified": "true"},
        {"email_verified": None},
        {"exp": int(NOON.timestamp())},
        {"exp": None},
        {"exp": "9999999999"},
        {"iat": int(NOON.timestamp()) + 60},
        {"iat": None},
    ],
)
async def test_other_claims_are_invalid(instance: Instance, google: StubServer, changes: dict[str, Any]):
    assert await is_invalid(instance, token(**changes))
    assert google.requests == 0


ODD = [None, True, False, "", "1", [], [1], {}, {"a": 1}, -1, 1e308, 10**400, math.nan, math.inf, -math.inf]


@pytest.mark.parametrize("name", ["iss", "aud", "email", "email_verified", "iat", "exp"])
@pytest.mark.parametrize("value", [value for value in ODD if value is not True], ids=repr)
async def test_claims_of_unexpected_types_are_invalid_and_raise_nothing(instance: Instance, name: str, value: object):
    assert await is_invalid(instance, token(**{name: value}))


@pytest.mark.parametrize("name", ["iat", "exp", "iss", "aud", "email"])
async def test_true_is_not_a_claim(instance: Instance, name: str):
    assert await is_invalid(instance, token(**{name: True}))


@pytest.mark.parametrize("value", ODD, ids=repr)
async def test_headers_of_unexpected_types_are_invalid_and_raise_nothing(instance: Instance, value: object):
    for header in ({"alg": value, "kid": "key-1"}, {"alg": "RS256", "kid": value}, value):
        signed = f"{part(header)}.{part(CLAIMS)}"
        seal = encoded(crypt.RSASigner(key("key-1")).sign(signed.encode()))
        assert await is_invalid(instance, f"{signed}.{seal}")


async def test_fractional_times_are_accepted(instance: Instance):
    assert await caller(instance, token(iat=NOON.timestamp() - 0.5, exp=NOON.timestamp() + 0.5)) == EVENT


async def test_a_token_expires(instance: Instance):
    assert await caller(instance, token()) == EVENT
    instance.clock.later(3_541)
    assert await is_invalid(instance, token())


async def test_a_token_cannot_choose_how_it_is_verified(instance: Instance):
    claims = part(CLAIMS)
    for algorithm in ("none", "None", "", None, ["RS256"]):
        assert await is_invalid(instance, f"{part({'alg': algorithm, 'kid': 'key-1'})}.{claims}.")
    assert await is_invalid(instance, f"{part({'alg': 'RS256', 'kid': 'key-1'})}.{claims}.")
    signed = f"{part({'alg': 'HS256', 'kid': 'key-1', 'typ': 'JWT'})}.{claims}"
    public = key("key-1").public_key()
    spki = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    for secret in (spki, certificate("key-1").encode()):
        seal = encoded(hmac.digest(secret, signed.encode(), hashlib.sha256))
        assert await is_invalid(instance, f"{signed}.{seal}")


async def test_a_token_with_another_algorithm_is_invalid_even_with_a_valid_signature(instance: Instance):
    for algorithm in ("RS512", "none", None):
        signed = f"{part({'alg': algorithm, 'kid': 'key-1'})}.{part(CLAIMS)}"
        seal = encoded(crypt.RSASigner(key("key-1")).sign(signed.encode()))
        assert await is_invalid(instance, f"{signed}.{seal}")


async def test_a_genuine_token_is_accepted_as_bearer_only(instance: Instance):
    basic = base64.b64encode(f"events:{token()}".encode()).decode()
    for headers, in_body in (({"Authorization": f"Basic {basic}"}, None), ({}, token())):
        with pytest.raises(Problem) as caught:
            await identify(instance.authenticator, request(headers=headers), b"{}", in_body)
        assert caught.value.code == "unauthorized"


async def test_a_changed_token_is_invalid(instance: Instance):
    header, _, signature = token(email="other@project.iam.gserviceaccount.com").split(".")
    assert await is_invalid(instance, f"{header}.{part(CLAIMS)}.{signature}")
    assert await is_invalid(instance, token()[:-4] + "AAAA")


@pytest.mark.parametrize(
    "text",
    ["..", "a.b.c", "e30.e30.", f"{part([])}.{part('x')}.x", f"{encoded(b'[' * 5_000)}.{encoded(b'{' * 5_000)}.x"],
)
async def test_what_is_not_a_jwt_is_invalid(instance: Instance, text: str):
    assert await is_invalid(instance, text)


async def test_without_event_settings_a_genuine_token_is_invalid(google: StubServer, http: httpx.AsyncClient):
    assert await is_invalid(Instance(settings=settings(google, public=True, event=False), http=http), token())
    assert google.requests == 0


# --- behind a private Cloud Run service ------------------------------------------------------------------------------


@pytest.mark.parametrize("public", [None, True])
async def test_without_a_signature_a_token_is_invalid_unless_the_service_is_private(
    google: StubServer, http: httpx.AsyncClient, public: bool | None
):
    assert await is_invalid(Instance(settings=settings(google, public=public), http=http), unsigned())


async def test_on_a_private_service_the_claims_are_enough(google: StubServer, http: httpx.AsyncClient):
    instance = Instance(settings=settings(google, public=False), http=http)
    assert await caller(instance, unsigned()) == EVENT
    assert await caller(instance, token()) == EVENT  # a signature is verified nevertheless
    assert await is_invalid(instance, token("forger", kid="key-1"))


@pytest.mark.parametrize(
    "changes",
    [{"email": "person@example.com"}, {"aud": "https://other.example"}, {"email_verified": False}, {"exp": 1}],
)
async def test_on_a_private_service_a_token_for_iam_is_not_our_credential(
    google: StubServer, http: httpx.AsyncClient, changes: dict[str, Any]
):
    instance = Instance(settings=settings(google, public=False), http=http)
    rejection = await problem(instance, unsigned(**changes))
    assert rejection.headers["WWW-Authenticate"] == 'Bearer realm="wireflow-images"'
    shop = await caller(instance, unsigned(**changes), Origin="https://shop.example")
    assert shop == Caller(CallerKind.FORM, "form:https://shop.example")


async def test_without_event_settings_a_private_service_ignores_claims(google: StubServer, http: httpx.AsyncClient):
    instance = Instance(settings=settings(google, public=False, event=False), http=http)
    assert "error" not in (await problem(instance, unsigned())).headers["WWW-Authenticate"]


async def test_on_a_private_service_the_credential_of_events_is_for_events_alone(
    google: StubServer, http: httpx.AsyncClient
):
    """IAM has admitted all others, as if events were not configured."""
    events = dataclasses.replace(settings(google, public=False), origins=())
    instance = Instance(settings=events, http=http)
    assert await caller(instance, unsigned()) == EVENT
    assert await caller(instance, unsigned(email="person@example.com")) == Caller(CallerKind.OPEN)
    with pytest.raises(Problem) as invented:
        await caller(instance, unsigned(), **{"X-Serverless-Authorization": "Bearer a.b.c"})
    assert invented.value.code == "unauthorized"
    with pytest.raises(Problem) as foreign:
        await caller(instance, unsigned(email="person@example.com"), Origin="https://page.example")
    assert foreign.value.code == "forbidden"
    with pytest.raises(Problem) as listed:
        check_may_list(EVENT, events)
    assert listed.value.code == "unauthorized"
    on_the_internet = Instance(settings=dataclasses.replace(events, public=True), http=http)
    assert await is_invalid(on_the_internet, unsigned(email="person@example.com"))


@pytest.mark.parametrize("iam", ["Bearer a.b.c", "", "Bearer h.c.SIGNATURE_REMOVED_BY_GOOGLE"])
async def test_a_removed_signature_that_iam_did_not_remove_is_invalid(
    google: StubServer, http: httpx.AsyncClient, iam: str
):
    """IAM verified X-Serverless-Authorization, so the caller wrote Authorization."""
    authenticator = Instance(settings=settings(google, public=False), http=http).authenticator
    invented = {"Authorization": f"Bearer {unsigned()}", "X-Serverless-Authorization": iam}
    for sent in (request(headers=invented), request(headers={**invented, "Origin": "https://shop.example"})):
        with pytest.raises(Problem) as caught:
            await identify(authenticator, sent, b"{}", None)
        assert 'error="invalid_token"' in caught.value.headers["WWW-Authenticate"]


async def test_beside_another_authorization_a_removed_signature_is_invalid(google: StubServer, http: httpx.AsyncClient):
    authenticator = Instance(settings=settings(google, public=False), http=http).authenticator
    twice = request(headers=[("Authorization", f"Bearer {unsigned()}"), ("Authorization", f"Bearer {unsigned(exp=1)}")])
    with pytest.raises(Problem) as caught:
        await identify(authenticator, twice, b"{}", None)
    assert caught.value.code == "unauthorized"


async def test_a_genuine_token_is_accepted_beside_the_one_for_iam(google: StubServer, http: httpx.AsyncClient):
    instance = Instance(settings=settings(google, public=False), http=http)
    assert await caller(instance, token(), **{"X-Serverless-Authorization": f"Bearer {unsigned()}"}) == EVENT

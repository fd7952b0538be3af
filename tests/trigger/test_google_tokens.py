"""Google ID tokens: those signed for our events are accepted; forged, foreign, expired, and unsigned ones are not.

The keys and certificates are real, and so is the server that has them.
"""

import base64
import hashlib
import hmac
import json
import math
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from functools import cache
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import crypt
from google.auth import jwt as google_jwt

from functions.trigger.auth.caller import Caller, CallerKind
from shared.auth_settings import AuthSettings
from shared.problems import Problem
from tests.trigger.stand_ins import NOON, Instance, StubServer, request, serving

ACCOUNT, AUDIENCE = "events@project.iam.gserviceaccount.com", "https://trigger.example"
EVENT = Caller(CallerKind.EVENT, "event")
CLAIMS = {
    "iss": "https://accounts.google.com",
    "aud": AUDIENCE,
    "azp": "1234567890",
    "sub": "1234567890",
    "email": ACCOUNT,
    "email_verified": True,
    "iat": int(NOON.timestamp()) - 60,
    "exp": int(NOON.timestamp()) + 3_540,
}


@cache
def key(name: str) -> rsa.RSAPrivateKey:
    """Return the key of this name; creating one takes a tenth of a second."""
    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


def certificate(name: str) -> str:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "federated-signon.example")])
    builder = x509.CertificateBuilder(subject, subject, key(name).public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(NOON - timedelta(days=1)).not_valid_after(NOON + timedelta(days=14))
    return builder.sign(key(name), hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def jwk(name: str, **changes: str) -> dict[str, str]:
    numbers = key(name).public_key().public_numbers()
    e, n = (encoded(number.to_bytes((number.bit_length() + 7) // 8, "big")) for number in (numbers.e, numbers.n))
    return {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": name, "e": e, "n": n, **changes}


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def part(value: object) -> str:
    return encoded(json.dumps(value).encode())


def token(name: str = "key-1", kid: str | None = None, **changes: Any) -> str:
    signer = crypt.RSASigner(key(name), key_id=kid or name)
    return google_jwt.encode(signer, {**CLAIMS, **changes}).decode()


def unsigned(**changes: Any) -> str:
    return f"{token(**changes).rpartition('.')[0]}.SIGNATURE_REMOVED_BY_GOOGLE"


@pytest.fixture
def google() -> Iterator[StubServer]:
    with serving(StubServer()) as google:
        google.respond({"key-1": certificate("key-1")}, Cache_Control="public, max-age=20000, must-revalidate")
        yield google


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, verify=False) as http:
        yield http


@pytest.fixture
def instance(google: StubServer, http: httpx.AsyncClient) -> Instance:
    return Instance(settings=settings(google, public=True), http=http)


def settings(google: StubServer, *, public: bool | None, event: bool = True) -> AuthSettings:
    account, audience = (ACCOUNT, AUDIENCE) if event else (None, None)
    return AuthSettings(
        event_account=account,
        event_audience=audience,
        certs_url=google.url,
        public=public,
        origins=("https://shop.example",),
        on_cloud_run=True,
    )


async def caller(instance: Instance, bearer: str, **headers: str) -> Caller:
    sent = request(headers={"Authorization": f"Bearer {bearer}", **headers}, peer="169.254.8.129")
    return await instance.authenticator.identify(sent, b"{}", None)


async def problem(instance: Instance, bearer: str) -> Problem:
    with pytest.raises(Problem) as caught:
        await caller(instance, bearer)
    return caught.value


async def is_invalid(instance: Instance, bearer: str) -> bool:
    return 'error="invalid_token"' in (await problem(instance, bearer)).headers["WWW-Authenticate"]


# --- tokens ----------------------------------------------------------------------------------------------------------


async def test_a_token_that_google_signed_for_our_events_is_accepted(instance: Instance):
    assert await caller(instance, token()) == EVENT
    assert not EVENT.private
    assert EVENT.may_send_batches


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
            await instance.authenticator.identify(request(headers=headers), b"{}", in_body)
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


# --- Google's keys ---------------------------------------------------------------------------------------------------


async def test_keys_may_be_a_jwk_set(instance: Instance, google: StubServer):
    encrypting = jwk("key-1", use="enc", kid="key-2")
    google.respond({"keys": [jwk("key-1"), encrypting, {"kty": "EC", "kid": "key-3"}, "x", {"kid": "key-4"}]})
    assert await caller(instance, token()) == EVENT
    assert await is_invalid(instance, token(kid="key-2"))


async def test_an_unreadable_key_does_not_affect_the_others(instance: Instance, google: StubServer):
    google.respond({"key-0": "-----BEGIN CERTIFICATE-----", "key-1": certificate("key-1"), "key-2": 7})
    assert await caller(instance, token()) == EVENT


@pytest.mark.parametrize(
    ("cache_control", "seconds"),
    [
        ("public, max-age=20000", 20_000),
        ("max-age=1", 60),
        ("max-age=999999999", 86_400),
        ("no-store", 60),
        ("", 60),
    ],
)
async def test_keys_are_cached_for_max_age_between_a_minute_and_a_day(
    instance: Instance, google: StubServer, cache_control: str, seconds: int
):
    lasting = token(exp=int(NOON.timestamp()) + 10**6)
    google.respond({"key-1": certificate("key-1")}, Cache_Control=cache_control)
    for pause, fetches in ((0, 1), (seconds - 1, 1), (1, 2)):
        instance.clock.later(pause)
        assert await caller(instance, lasting) == EVENT
        assert google.requests == fetches


async def test_an_unknown_key_is_fetched_at_most_once_a_minute(instance: Instance, google: StubServer):
    assert await caller(instance, token()) == EVENT
    google.respond({"key-2": certificate("key-2")})
    instance.clock.later(59)
    assert await is_invalid(instance, token("key-2"))
    assert google.requests == 1
    instance.clock.later(1)
    assert await caller(instance, token("key-2")) == EVENT
    for _ in range(5):
        assert await is_invalid(instance, token("forger"))
    assert google.requests == 2


async def test_a_key_that_google_removed_is_invalid(instance: Instance, google: StubServer):
    lasting = token(exp=int(NOON.timestamp()) + 10**6)
    assert await caller(instance, lasting) == EVENT
    google.respond({"key-2": certificate("key-2")})
    instance.clock.later(20_000)
    assert await is_invalid(instance, lasting)


@pytest.mark.parametrize("status", [203, 302, 404])
async def test_keys_in_an_error_response_are_not_used(instance: Instance, google: StubServer, status: int):
    google.respond({"key-1": certificate("key-1")}, status)
    assert (await problem(instance, token())).code == "check_unavailable"


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, b"{}"), (404, b"{}"), (429, b"{}"), (200, b"<html>"), (200, b"[]"), (200, b"{}"), (302, b"{}")],
)
async def test_while_google_is_unavailable_the_caller_may_retry(
    instance: Instance, google: StubServer, status: int, body: bytes
):
    google.response = (status, {}, body)
    rejection = await problem(instance, token())
    assert (rejection.code, rejection.headers["Retry-After"]) == ("check_unavailable", "5")
    google.respond({"key-1": certificate("key-1")})
    assert await caller(instance, token()) == EVENT
    assert '"severity": "ERROR"' in instance.lines.getvalue()


async def test_an_unreachable_google_is_unavailable(http: httpx.AsyncClient):
    with serving(StubServer()) as stopped:
        pass
    instance = Instance(settings=settings(stopped, public=True), http=http)
    assert (await problem(instance, token())).code == "check_unavailable"

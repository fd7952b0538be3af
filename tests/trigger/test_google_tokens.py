"""Google's tokens: those it signed for our events come in; forged, foreign, expired and unsigned ones do not.

The keys and certificates are real, and so is the server that has them.
"""

import base64
import hashlib
import hmac
import json
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
from tests.trigger.stand_ins import NOON, House, Site, request, serving

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
    """One for each name; making one takes a tenth of a second."""
    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


def certificate(name: str) -> str:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "federated-signon.example")])
    made = x509.CertificateBuilder(subject, subject, key(name).public_key(), x509.random_serial_number())
    made = made.not_valid_before(NOON - timedelta(days=1)).not_valid_after(NOON + timedelta(days=14))
    return made.sign(key(name), hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


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
def site() -> Iterator[Site]:
    with serving(Site()) as site:
        site.says({"key-1": certificate("key-1")}, Cache_Control="public, max-age=20000, must-revalidate")
        yield site


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, verify=False) as http:
        yield http


@pytest.fixture
def house(site: Site, http: httpx.AsyncClient) -> House:
    return House(settings=settings(site, public=True), http=http)


def settings(site: Site, *, public: bool | None, event: bool = True) -> AuthSettings:
    account, audience = (ACCOUNT, AUDIENCE) if event else (None, None)
    return AuthSettings(
        event_account=account,
        event_audience=audience,
        certs_url=site.url,
        public=public,
        origins=("https://shop.example",),
        on_cloud_run=True,
    )


async def caller(house: House, bearer: str, **headers: str) -> Caller:
    asked = request(headers={"Authorization": f"Bearer {bearer}", **headers}, peer="169.254.8.129")
    return await house.auth.identify(asked, b"{}", None)


async def problem(house: House, bearer: str) -> Problem:
    with pytest.raises(Problem) as caught:
        await caller(house, bearer)
    return caught.value


async def is_wrong(house: House, bearer: str) -> bool:
    return 'error="invalid_token"' in (await problem(house, bearer)).headers["WWW-Authenticate"]


# --- whose token it is -----------------------------------------------------------------------------------------------


async def test_a_token_that_google_signed_for_our_events_comes_in(house: House):
    assert await caller(house, token()) == EVENT
    assert not EVENT.private
    assert EVENT.may_send_batches


async def test_both_spellings_of_the_issuer_are_googles(house: House):
    assert await caller(house, token(iss="accounts.google.com")) == EVENT


async def test_a_token_by_another_key_of_the_same_name_is_forged(house: House):
    assert await is_wrong(house, token("forger", kid="key-1"))


async def test_a_token_of_an_unknown_key_is_wrong(house: House):
    assert await is_wrong(house, token("forger"))


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
async def test_a_genuine_token_that_says_something_else_is_wrong(house: House, site: Site, changes: dict[str, Any]):
    assert await is_wrong(house, token(**changes))
    assert site.asked == []


async def test_a_token_expires(house: House):
    assert await caller(house, token()) == EVENT
    house.clock.later(3_541)
    assert await is_wrong(house, token())


async def test_a_token_cannot_choose_how_it_is_checked(house: House):
    claims = part(CLAIMS)
    for algorithm in ("none", "None", "", None, ["RS256"]):
        assert await is_wrong(house, f"{part({'alg': algorithm, 'kid': 'key-1'})}.{claims}.")
    assert await is_wrong(house, f"{part({'alg': 'RS256', 'kid': 'key-1'})}.{claims}.")
    signed = f"{part({'alg': 'HS256', 'kid': 'key-1', 'typ': 'JWT'})}.{claims}"
    public = key("key-1").public_key()
    spki = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    for secret in (spki, certificate("key-1").encode()):
        seal = encoded(hmac.digest(secret, signed.encode(), hashlib.sha256))
        assert await is_wrong(house, f"{signed}.{seal}")


async def test_even_the_right_signature_does_not_make_up_for_a_wrong_algorithm(house: House):
    for algorithm in ("RS512", "none", None):
        signed = f"{part({'alg': algorithm, 'kid': 'key-1'})}.{part(CLAIMS)}"
        seal = encoded(crypt.RSASigner(key("key-1")).sign(signed.encode()))
        assert await is_wrong(house, f"{signed}.{seal}")


async def test_a_genuine_token_comes_by_bearer_alone(house: House):
    basic = base64.b64encode(f"events:{token()}".encode()).decode()
    for headers, in_body in (({"Authorization": f"Basic {basic}"}, None), ({}, token())):
        with pytest.raises(Problem) as caught:
            await house.auth.identify(request(headers=headers), b"{}", in_body)
        assert caught.value.code == "unauthorized"


async def test_a_changed_token_is_wrong(house: House):
    header, _, signature = token(email="other@project.iam.gserviceaccount.com").split(".")
    assert await is_wrong(house, f"{header}.{part(CLAIMS)}.{signature}")
    assert await is_wrong(house, token()[:-4] + "AAAA")


@pytest.mark.parametrize(
    "text",
    ["..", "a.b.c", "e30.e30.", f"{part([])}.{part('x')}.x", f"{encoded(b'[' * 5_000)}.{encoded(b'{' * 5_000)}.x"],
)
async def test_what_is_no_jwt_is_wrong(house: House, text: str):
    assert await is_wrong(house, text)


async def test_without_the_event_door_a_genuine_token_is_wrong(site: Site, http: httpx.AsyncClient):
    assert await is_wrong(House(settings=settings(site, public=True, event=False), http=http), token())
    assert site.asked == []


# --- behind a private Cloud Run service ------------------------------------------------------------------------------


@pytest.mark.parametrize("public", [None, True])
async def test_without_a_signature_a_token_is_wrong_unless_the_service_is_private(
    site: Site, http: httpx.AsyncClient, public: bool | None
):
    assert await is_wrong(House(settings=settings(site, public=public), http=http), unsigned())


async def test_on_a_private_service_the_claims_alone_count(site: Site, http: httpx.AsyncClient):
    house = House(settings=settings(site, public=False), http=http)
    assert await caller(house, unsigned()) == EVENT
    assert await caller(house, token()) == EVENT  # one with a signature is checked all the same
    assert await is_wrong(house, token("forger", kid="key-1"))


@pytest.mark.parametrize(
    "changes",
    [{"email": "person@example.com"}, {"aud": "https://other.example"}, {"email_verified": False}, {"exp": 1}],
)
async def test_on_a_private_service_whom_iam_let_in_brings_no_credential_of_ours(
    site: Site, http: httpx.AsyncClient, changes: dict[str, Any]
):
    house = House(settings=settings(site, public=False), http=http)
    said = await problem(house, unsigned(**changes))
    assert said.headers["WWW-Authenticate"] == 'Bearer realm="wireflow-images"'
    shop = await caller(house, unsigned(**changes), Origin="https://shop.example")
    assert shop == Caller(CallerKind.FORM, "form:https://shop.example")


async def test_on_a_private_service_without_the_event_door_the_claims_say_nothing(site: Site, http: httpx.AsyncClient):
    house = House(settings=settings(site, public=False, event=False), http=http)
    assert "error" not in (await problem(house, unsigned())).headers["WWW-Authenticate"]


# --- Google's keys ---------------------------------------------------------------------------------------------------


async def test_keys_may_come_as_a_jwk_set(house: House, site: Site):
    encrypting = jwk("key-1", use="enc", kid="key-2")
    site.says({"keys": [jwk("key-1"), encrypting, {"kty": "EC", "kid": "key-3"}, "x", {"kid": "key-4"}]})
    assert await caller(house, token()) == EVENT
    assert await is_wrong(house, token(kid="key-2"))


async def test_a_key_that_cannot_be_read_does_not_hide_the_others(house: House, site: Site):
    site.says({"key-0": "-----BEGIN CERTIFICATE-----", "key-1": certificate("key-1"), "key-2": 7})
    assert await caller(house, token()) == EVENT


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
async def test_keys_are_kept_as_long_as_google_says_within_reason(
    house: House, site: Site, cache_control: str, seconds: int
):
    lasting = token(exp=int(NOON.timestamp()) + 10**6)
    site.says({"key-1": certificate("key-1")}, Cache_Control=cache_control)
    for pause, fetches in ((0, 1), (seconds - 1, 1), (1, 2)):
        house.clock.later(pause)
        assert await caller(house, lasting) == EVENT
        assert len(site.asked) == fetches


async def test_a_new_key_is_looked_for_at_most_once_a_minute(house: House, site: Site):
    assert await caller(house, token()) == EVENT
    site.says({"key-2": certificate("key-2")})
    house.clock.later(59)
    assert await is_wrong(house, token("key-2"))
    assert len(site.asked) == 1
    house.clock.later(1)
    assert await caller(house, token("key-2")) == EVENT
    for _ in range(5):
        assert await is_wrong(house, token("forger"))
    assert len(site.asked) == 2


async def test_a_key_that_google_withdrew_is_no_good_any_more(house: House, site: Site):
    lasting = token(exp=int(NOON.timestamp()) + 10**6)
    assert await caller(house, lasting) == EVENT
    site.says({"key-2": certificate("key-2")})
    house.clock.later(20_000)
    assert await is_wrong(house, lasting)


@pytest.mark.parametrize("status", [203, 302, 404])
async def test_keys_that_come_with_an_error_are_none(house: House, site: Site, status: int):
    site.says({"key-1": certificate("key-1")}, status)
    assert (await problem(house, token())).code == "check_unavailable"


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, b"{}"), (404, b"{}"), (429, b"{}"), (200, b"<html>"), (200, b"[]"), (200, b"{}"), (302, b"{}")],
)
async def test_while_google_does_not_answer_nobody_is_called_wrong(house: House, site: Site, status: int, body: bytes):
    site.answer = lambda: (status, {}, body)
    said = await problem(house, token())
    assert (said.code, said.headers["Retry-After"]) == ("check_unavailable", "5")
    site.says({"key-1": certificate("key-1")})
    assert await caller(house, token()) == EVENT
    assert '"severity": "ERROR"' in house.lines.getvalue()


async def test_a_google_that_cannot_be_reached_is_no_answer_either(http: httpx.AsyncClient):
    nowhere = Site()
    nowhere.url = "http://127.0.0.1:9/"
    house = House(settings=settings(nowhere, public=True), http=http)
    assert (await problem(house, token())).code == "check_unavailable"

"""Google's public keys: fetched when needed, cached, and never taken from an error response."""

import httpx
import pytest

from tests.trigger.google import EVENT, caller, certificate, is_invalid, jwk, problem, settings, token
from tests.trigger.stand_ins import NOON, Instance, StubServer, serving


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

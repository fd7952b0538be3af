"""Browsers: which origins may call, CORS headers and preflights, the honeypot, and client addresses."""

import pytest
from starlette.datastructures import Headers

from functions.trigger.auth import client_address
from functions.trigger.auth.caller import Caller, CallerKind
from functions.trigger.auth.cors import cors_headers, options_response
from functions.trigger.auth.form_admission import fills_honeypot
from shared.auth_settings import AuthSettings
from shared.problems import Problem
from tests.trigger.stand_ins import Instance, identify, request

SHOP, BLOG = "https://shop.example", "https://blog.example:8443"
SETTINGS = AuthSettings(origins=(SHOP, BLOG), public=True, on_cloud_run=True)
FORM = Caller(CallerKind.FORM, f"form:{SHOP}")
FOREIGN = ["https://evil.example", "null", "", "https://shop.example.evil.example", "http://shop.example", SHOP.upper()]


def headers_of(origin: str | None, vary: str | None = None) -> dict[str, str]:
    headers = {} if origin is None else {"Origin": origin}
    return cors_headers(request(headers=headers), SETTINGS, vary)


# --- who may call ----------------------------------------------------------------------------------------------------


async def test_a_page_of_an_allowed_origin_needs_no_credential():
    authenticator = Instance(settings=SETTINGS).authenticator
    caller = await identify(authenticator, request(headers={"Origin": BLOG}, peer="203.0.113.9"), b"{}", None)
    assert caller == Caller(CallerKind.FORM, f"form:{BLOG}")
    assert caller.browser
    assert not caller.private
    assert not caller.may_send_batches


@pytest.mark.parametrize("origin", FOREIGN)
async def test_a_page_of_any_other_origin_is_rejected(origin: str):
    with pytest.raises(Problem) as caught:
        await identify(Instance(settings=SETTINGS).authenticator, request(headers={"Origin": origin}), b"{}", None)
    assert caught.value.code == "unauthorized"


async def test_two_origins_are_none():
    twice = request(headers=[("Origin", SHOP), ("Origin", SHOP)])
    with pytest.raises(Problem):
        await identify(Instance(settings=SETTINGS).authenticator, twice, b"{}", None)


async def test_an_origin_is_not_a_credential_for_reading():
    assert await Instance(settings=SETTINGS).authenticator.reader(request("GET", "/jobs", {"Origin": SHOP})) is None


# --- CORS ------------------------------------------------------------------------------------------------------------


def test_an_allowed_origin_is_echoed_exactly_and_may_read_our_headers():
    assert headers_of(SHOP) == {
        "Vary": "Origin",
        "Access-Control-Allow-Origin": SHOP,
        "Access-Control-Expose-Headers": "Location, Retry-After, ETag, Idempotent-Replayed, Preference-Applied, "
        "RateLimit, RateLimit-Policy",
    }


@pytest.mark.parametrize("origin", [*FOREIGN, None])
def test_any_other_origin_gets_only_vary(origin: str | None):
    assert headers_of(origin) == {"Vary": "Origin"}


def test_an_existing_vary_header_is_kept():
    assert headers_of(SHOP, "Accept")["Vary"] == "Accept, Origin"


def test_without_origins_there_are_no_cors_headers():
    assert cors_headers(request(headers={"Origin": SHOP}), AuthSettings(), "Accept") == {}


def preflight(origin: str, settings: AuthSettings = SETTINGS, **headers: str) -> Headers:
    sent = {"Origin": origin, "Access-Control-Request-Method": "POST", **headers}
    response = options_response(request("OPTIONS", headers=sent), settings, ["POST"])
    assert (response.status_code, response.body) == (204, b"")
    return response.headers


def test_a_preflight_lists_methods_and_headers():
    headers = preflight(SHOP)
    assert headers["Access-Control-Allow-Methods"] == "POST"
    names = headers["Access-Control-Allow-Headers"].split(", ")
    assert {"Content-Type", "Idempotency-Key", "Prefer", "Accept", "If-None-Match"} <= set(names)
    assert headers["Access-Control-Max-Age"] == "600"


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.parametrize("settings", [SETTINGS, AuthSettings()])
def test_a_preflight_of_any_other_origin_is_forbidden(origin: str, settings: AuthSettings):
    with pytest.raises(Problem) as caught:
        preflight(origin, settings)
    assert caught.value.code == "forbidden"


def test_options_that_is_not_a_preflight_is_empty():
    for headers in ({}, {"Origin": SHOP}, {"Access-Control-Request-Method": "POST"}):
        response = options_response(request("OPTIONS", headers=headers), SETTINGS, ["GET", "HEAD"])
        assert (response.status_code, response.body, "access-control-allow-methods" in response.headers) == (
            204,
            b"",
            False,
        )


def test_a_sender_of_events_may_perform_the_handshake():
    event = AuthSettings(event_account="a@b.example", event_audience="https://c.example", origins=(SHOP,))
    sent = request("OPTIONS", headers={"WebHook-Request-Origin": "events.example", "WebHook-Request-Rate": "120"})
    response = options_response(sent, event, ["POST"])
    assert response.status_code == 200
    assert response.headers["WebHook-Allowed-Origin"] == "events.example"
    assert response.headers["WebHook-Allowed-Rate"] == "*"
    assert response.headers["Allow"] == "POST"


@pytest.mark.parametrize(
    ("settings", "methods"),
    [(SETTINGS, ["POST"]), (AuthSettings(), ["POST"]), (AuthSettings(event_account="a", event_audience="b"), ["GET"])],
)
def test_without_events_the_handshake_is_rejected(settings: AuthSettings, methods: list[str]):
    sent = request("OPTIONS", headers={"WebHook-Request-Origin": "events.example"})
    with pytest.raises(Problem) as caught:
        options_response(sent, settings, methods)
    assert caught.value.code == "method_not_allowed"


def test_only_the_route_that_takes_events_performs_the_handshake():
    event = AuthSettings(event_account="a@b.example", event_audience="https://c.example")
    sent = request("OPTIONS", headers={"WebHook-Request-Origin": "events.example"}, path="/jobs/actions")
    with pytest.raises(Problem):
        options_response(sent, event, ["POST"])


# --- the honeypot ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("website", ["https://spam.example", ["a"], 1, False])
def test_a_browser_that_sends_the_hidden_field_fills_the_honeypot(website: object):
    assert fills_honeypot(FORM, website)
    assert not fills_honeypot(Caller(CallerKind.TOKEN, "zapier"), website)
    assert not fills_honeypot(Caller(CallerKind.OPEN), website)


@pytest.mark.parametrize("website", [None, "", "  "])
def test_a_honeypot_may_be_left_empty(website: object):
    assert not fills_honeypot(FORM, website)


# --- addresses -------------------------------------------------------------------------------------------------------


def address(forwarded: list[str], *, cloud: bool = True, proxies: int = 0, peer: str | None = "169.254.8.129") -> str:
    settings = AuthSettings(on_cloud_run=cloud, trusted_proxies=proxies)
    headers = [("X-Forwarded-For", line) for line in forwarded]
    return client_address.client_address(request(headers=headers, peer=peer), settings)


@pytest.mark.parametrize(
    ("forwarded", "proxies", "expected"),
    [
        (["203.0.113.9"], 0, "203.0.113.9"),
        (["1.1.1.1, 2.2.2.2,203.0.113.9"], 0, "203.0.113.9"),
        (["1.1.1.1", "203.0.113.9"], 0, "203.0.113.9"),
        (["1.1.1.1, 203.0.113.9, 10.0.0.1"], 1, "203.0.113.9"),
        (["203.0.113.9, 10.0.0.1"], 5, "203.0.113.9"),
        ([], 0, "169.254.8.129"),
        ([" , "], 1, "169.254.8.129"),
    ],
)
def test_on_cloud_run_the_address_is_the_last_that_cannot_be_forged(forwarded: list[str], proxies: int, expected: str):
    assert address(forwarded, proxies=proxies) == expected


def test_elsewhere_the_header_may_be_forged():
    assert address(["203.0.113.9"], cloud=False, peer="198.51.100.7") == "198.51.100.7"
    assert address(["203.0.113.9"], cloud=False, peer=None) == ""


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("203.0.113.9", "203.0.113.10", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", True),
        ("2001:db8:1:2::1", "2001:DB8:1:3::1", False),
        ("::ffff:203.0.113.9", "203.0.113.9", True),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("unknown", "unknown", True),
    ],
)
def test_an_ipv6_customer_is_limited_as_one(one: str, other: str, together: bool):
    assert (client_address.rate_limit_key(one) == client_address.rate_limit_key(other)) is together

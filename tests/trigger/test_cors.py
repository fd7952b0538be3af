"""Browsers: which pages may call, what they are told, and what a form must bring."""

import pytest
from starlette.datastructures import Headers

from functions.trigger.auth import client_address
from functions.trigger.auth.caller import Caller, CallerKind, springs_honeypot
from shared.auth_settings import AuthSettings
from shared.problems import Problem
from tests.trigger.stand_ins import House, request

SHOP, BLOG = "https://shop.example", "https://blog.example:8443"
SETTINGS = AuthSettings(origins=(SHOP, BLOG), public=True, on_cloud_run=True)
FORM = Caller(CallerKind.FORM, f"form:{SHOP}")
FOREIGN = ["https://evil.example", "null", "", "https://shop.example.evil.example", "http://shop.example", SHOP.upper()]


def headers_of(origin: str | None, vary: str | None = None) -> dict[str, str]:
    headers = {} if origin is None else {"Origin": origin}
    return House(settings=SETTINGS).auth.cors(request(headers=headers), vary)


# --- who may call ----------------------------------------------------------------------------------------------------


async def test_a_page_of_an_allowed_origin_comes_in_without_a_credential():
    auth = House(settings=SETTINGS).auth
    caller = await auth.identify(request(headers={"Origin": BLOG}, peer="203.0.113.9"), b"{}", None)
    assert caller == Caller(CallerKind.FORM, f"form:{BLOG}")
    assert caller.browser
    assert not caller.private
    assert not caller.may_send_batches


@pytest.mark.parametrize("origin", FOREIGN)
async def test_a_page_of_any_other_origin_does_not(origin: str):
    with pytest.raises(Problem) as caught:
        await House(settings=SETTINGS).auth.identify(request(headers={"Origin": origin}), b"{}", None)
    assert caught.value.code == "unauthorized"


async def test_of_two_origins_none_counts():
    twice = request(headers=[("Origin", SHOP), ("Origin", SHOP)])
    with pytest.raises(Problem):
        await House(settings=SETTINGS).auth.identify(twice, b"{}", None)


async def test_an_origin_alone_is_no_credential_for_reading():
    assert await House(settings=SETTINGS).auth.reader(request("GET", "/jobs", {"Origin": SHOP})) is None


# --- CORS ------------------------------------------------------------------------------------------------------------


def test_an_allowed_origin_is_echoed_exactly_and_may_read_our_headers():
    assert headers_of(SHOP) == {
        "Vary": "Origin",
        "Access-Control-Allow-Origin": SHOP,
        "Access-Control-Expose-Headers": "Location, Retry-After, ETag, Idempotent-Replayed, Preference-Applied, "
        "RateLimit, RateLimit-Policy",
    }


@pytest.mark.parametrize("origin", [*FOREIGN, None])
def test_everybody_else_is_told_only_that_answers_vary(origin: str | None):
    assert headers_of(origin) == {"Vary": "Origin"}


def test_what_an_answer_varies_by_already_stays():
    assert headers_of(SHOP, "Accept")["Vary"] == "Accept, Origin"


def test_without_origins_nothing_is_said():
    assert House(settings=AuthSettings()).auth.cors(request(headers={"Origin": SHOP}), "Accept") == {}


def preflight(origin: str, settings: AuthSettings = SETTINGS, **headers: str) -> Headers:
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST", **headers}
    answer = House(settings=settings).auth.options(request("OPTIONS", headers=asked), ["POST"])
    assert (answer.status_code, answer.body) == (204, b"")
    return answer.headers


def test_a_preflight_says_what_a_page_may_send():
    said = preflight(SHOP)
    assert said["Access-Control-Allow-Methods"] == "POST"
    names = said["Access-Control-Allow-Headers"].split(", ")
    assert {"Content-Type", "Idempotency-Key", "Prefer", "Accept", "If-None-Match"} <= set(names)
    assert said["Access-Control-Max-Age"] == "600"


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.parametrize("settings", [SETTINGS, AuthSettings()])
def test_a_preflight_of_any_other_origin_is_forbidden(origin: str, settings: AuthSettings):
    with pytest.raises(Problem) as caught:
        preflight(origin, settings)
    assert caught.value.code == "forbidden"


def test_options_without_a_question_tells_nothing():
    for headers in ({}, {"Origin": SHOP}, {"Access-Control-Request-Method": "POST"}):
        answer = House(settings=SETTINGS).auth.options(request("OPTIONS", headers=headers), ["GET", "HEAD"])
        assert (answer.status_code, answer.body, "access-control-allow-methods" in answer.headers) == (204, b"", False)


def test_a_sender_of_events_may_ask_whether_it_may():
    event = AuthSettings(event_account="a@b.example", event_audience="https://c.example", origins=(SHOP,))
    asked = request("OPTIONS", headers={"WebHook-Request-Origin": "events.example", "WebHook-Request-Rate": "120"})
    answer = House(settings=event).auth.options(asked, ["POST"])
    assert answer.status_code == 200
    assert answer.headers["WebHook-Allowed-Origin"] == "events.example"
    assert answer.headers["WebHook-Allowed-Rate"] == "*"
    assert answer.headers["Allow"] == "POST"


@pytest.mark.parametrize(
    ("settings", "methods"),
    [(SETTINGS, ["POST"]), (AuthSettings(), ["POST"]), (AuthSettings(event_account="a", event_audience="b"), ["GET"])],
)
def test_where_no_events_are_taken_a_sender_is_told_so(settings: AuthSettings, methods: list[str]):
    asked = request("OPTIONS", headers={"WebHook-Request-Origin": "events.example"})
    with pytest.raises(Problem) as caught:
        House(settings=settings).auth.options(asked, methods)
    assert caught.value.code == "method_not_allowed"


# --- the honeypot ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("website", "sprung"), [("https://spam.example", True), (["a"], True), (1, True), (False, True)]
)
def test_a_honeypot_is_sprung_by_what_fills_it_in(website: object, sprung: bool):
    assert springs_honeypot(FORM, website) is sprung
    assert not springs_honeypot(Caller(CallerKind.TOKEN, "zapier"), website)
    assert not springs_honeypot(Caller(CallerKind.OPEN), website)


@pytest.mark.parametrize("website", [None, "", "  "])
def test_a_honeypot_that_is_left_alone_is_not_sprung(website: object):
    assert not springs_honeypot(FORM, website)


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
def test_on_cloud_run_the_address_is_the_last_that_cannot_be_made_up(forwarded: list[str], proxies: int, expected: str):
    assert address(forwarded, proxies=proxies) == expected


def test_elsewhere_the_header_may_be_made_up():
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
def test_an_ipv6_customer_counts_as_one(one: str, other: str, together: bool):
    assert (client_address.counted_as(one) == client_address.counted_as(other)) is together

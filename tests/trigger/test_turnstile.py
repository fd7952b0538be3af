"""Turnstile: a valid response admits one job; while Cloudflare is unavailable, the caller may retry."""

import asyncio
import json

import httpx
import pytest

from shared.auth_settings import AuthSettings
from shared.problems import Problem
from tests.harness import virtual_time
from tests.trigger.stand_ins import Instance, request

SHOP = "https://shop.example"
FIELD = "cf-turnstile-response"
JOB = "0123456789abcdef0123456789abcdef"


class Cloudflare:
    """Accepts a response once, and again with the same idempotency key."""

    def __init__(self) -> None:
        self.received: list[httpx.QueryParams] = []
        self.redeemed: dict[str, str] = {}
        self.page: dict[str, object] = {"hostname": "shop.example", "action": ""}  # that has the widget
        self.fault: httpx.Response | Exception | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        fields = httpx.QueryParams(request.content.decode())
        self.received.append(fields)
        if isinstance(self.fault, Exception):
            raise self.fault
        if self.fault:
            return self.fault
        if not fields["response"].startswith("good"):
            return httpx.Response(200, json={"success": False, "error-codes": ["invalid-input-response"]})
        if self.redeemed.setdefault(fields["response"], fields["idempotency_key"]) != fields["idempotency_key"]:
            return httpx.Response(200, json={"success": False, "error-codes": ["timeout-or-duplicate"]})
        return httpx.Response(200, json={"success": True, "error-codes": [], **self.page})


def protected(cloudflare: Cloudflare) -> Instance:
    settings = AuthSettings(
        origins=(SHOP, "http://localhost:3000"), turnstile_secret="0x4AAA-secret", form_per_minute=0, form_per_hour=0
    )
    return Instance(settings=settings, http=httpx.AsyncClient(transport=httpx.MockTransport(cloudflare)))


async def admitted(instance: Instance, response: object, job_id: str = JOB, origin: str = SHOP) -> str:
    """The code of the problem, or nothing."""
    rejection: Problem | None = None
    try:
        await instance.forms.admit(request(headers={"Origin": origin}, peer="203.0.113.9"), job_id, response)
    except Problem as problem:
        rejection = problem
    if rejection is None:
        return ""
    assert (rejection.field == FIELD) is (rejection.code == "challenge_failed")
    assert "0x4AAA" not in json.dumps(rejection.document()) + instance.lines.getvalue()
    return f"{rejection.code} {rejection.headers.get('Retry-After', '')}".strip()


async def test_a_valid_response_admits_a_job():
    cloudflare = Cloudflare()
    assert await admitted(protected(cloudflare), "good") == ""
    (sent,) = cloudflare.received
    assert (sent["secret"], sent["response"], sent["remoteip"]) == ("0x4AAA-secret", "good", "203.0.113.9")
    assert JOB not in sent["idempotency_key"].replace("-", "")


async def test_a_response_admits_the_same_job_again_but_no_other():
    instance = protected(Cloudflare())
    for _ in range(3):
        assert await admitted(instance, "good") == ""
    assert await admitted(instance, "good", "f" * 32) == "challenge_failed"
    assert await admitted(instance, "good too", JOB) == ""


async def test_each_response_has_its_own_idempotency_key():
    cloudflare = Cloudflare()
    instance = protected(cloudflare)
    assert [await admitted(instance, response) for response in ("good", "good too", "good")] == ["", "", ""]
    first, second, third = [sent["idempotency_key"] for sent in cloudflare.received]
    assert first == third != second


@pytest.mark.parametrize("response", [None, "", "x" * 2_049, "ä", "\ud800", 7, ["good"]])
async def test_a_malformed_response_is_not_sent_to_cloudflare(response: object):
    cloudflare = Cloudflare()
    assert await admitted(protected(cloudflare), response) == "challenge_failed"
    assert cloudflare.received == []


async def test_an_invalid_response_is_rejected():
    assert await admitted(protected(Cloudflare()), "bad") == "challenge_failed"


@pytest.mark.parametrize(
    "page",
    [
        {"hostname": "shop.example"},
        {"hostname": "Shop.Example", "action": None},
        {"hostname": "shop.example", "action": "wireflow-images"},
    ],
)
async def test_a_challenge_is_passed_on_a_page_of_the_origin(page: dict[str, object]):
    cloudflare = Cloudflare()
    cloudflare.page = page
    assert await admitted(protected(cloudflare), "good") == ""


@pytest.mark.parametrize(
    "page",
    [
        {},
        {"hostname": None},
        {"hostname": "evil.example"},
        {"hostname": "shop.example.evil.example"},
        {"hostname": "www.shop.example"},
        {"hostname": "https://shop.example"},
        {"hostname": ["shop.example"]},
        {"hostname": "shop.example", "action": "login"},
        {"hostname": "shop.example", "action": ["wireflow-images"]},
    ],
)
async def test_a_challenge_of_another_page_or_purpose_is_rejected(page: dict[str, object]):
    cloudflare = Cloudflare()
    cloudflare.page = page
    assert await admitted(protected(cloudflare), "good") == "challenge_failed"


async def test_a_challenge_counts_for_the_origin_whose_page_sent_it():
    cloudflare = Cloudflare()
    cloudflare.page = {"hostname": "localhost"}
    assert await admitted(protected(cloudflare), "good", origin="http://localhost:3000") == ""
    assert await admitted(protected(cloudflare), "good", origin=SHOP) == "challenge_failed"


@pytest.mark.parametrize("result", [{}, {"success": "true"}, {"success": 1}, {"success": False, "error-codes": 7}])
async def test_only_success_true_admits_a_job(result: dict[str, object]):
    cloudflare = Cloudflare()
    cloudflare.fault = httpx.Response(200, json=result)
    assert await admitted(protected(cloudflare), "good") == "challenge_failed"


@pytest.mark.parametrize(
    "fault",
    [
        httpx.ConnectError("no"),
        httpx.ReadTimeout("late"),
        httpx.Response(500, json={"success": True}),
        httpx.Response(429, json={"success": True}),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[]),
        httpx.Response(302, headers={"Location": "https://evil.example"}),
        httpx.Response(200, json={"success": False, "error-codes": ["internal-error"]}),
        httpx.Response(200, json={"success": False, "error-codes": ["invalid-input-secret"]}),
    ],
)
async def test_while_cloudflare_is_unavailable_the_caller_may_retry(fault: httpx.Response | Exception):
    cloudflare = Cloudflare()
    cloudflare.fault = fault
    instance = protected(cloudflare)
    assert await admitted(instance, "good") == "check_unavailable 5"
    assert '"severity": "ERROR"' in instance.lines.getvalue()
    cloudflare.fault = None
    assert await admitted(instance, "good") == ""


def test_cloudflare_has_five_seconds_to_respond():
    async def silence(_request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(3_600)
        raise AssertionError

    async def post() -> float:
        http = httpx.AsyncClient(transport=httpx.MockTransport(silence))
        settings = AuthSettings(origins=("https://shop.example",), turnstile_secret="secret")
        assert await admitted(Instance(settings=settings, http=http), "good") == "check_unavailable 5"
        return asyncio.get_running_loop().time()

    assert virtual_time.run(post()) == pytest.approx(5)

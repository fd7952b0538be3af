"""Turnstile: a person passes, once for each job; while Cloudflare cannot tell, nobody is let in or called wrong."""

import asyncio
import json

import httpx
import pytest

from shared.auth_settings import AuthSettings
from shared.problems import Problem
from tests.harness import virtual_time
from tests.trigger.stand_ins import House, request

FIELD = "cf-turnstile-response"
JOB = "0123456789abcdef0123456789abcdef"


class Checker:
    """As Cloudflare does: a response is good once, and for the same idempotency key again."""

    def __init__(self) -> None:
        self.asked: list[httpx.QueryParams] = []
        self.redeemed: dict[str, str] = {}
        self.fault: httpx.Response | Exception | None = None

    def __call__(self, asked: httpx.Request) -> httpx.Response:
        fields = httpx.QueryParams(asked.content.decode())
        self.asked.append(fields)
        if isinstance(self.fault, Exception):
            raise self.fault
        if self.fault:
            return self.fault
        if not fields["response"].startswith("good"):
            return httpx.Response(200, json={"success": False, "error-codes": ["invalid-input-response"]})
        if self.redeemed.setdefault(fields["response"], fields["idempotency_key"]) != fields["idempotency_key"]:
            return httpx.Response(200, json={"success": False, "error-codes": ["timeout-or-duplicate"]})
        return httpx.Response(200, json={"success": True, "error-codes": []})


def guarded(checker: Checker) -> House:
    settings = AuthSettings(
        origins=("https://shop.example",), turnstile_secret="0x4AAA-secret", form_per_minute=0, form_per_hour=0
    )
    return House(settings=settings, http=httpx.AsyncClient(transport=httpx.MockTransport(checker)))


async def admitted(house: House, response: object, job_id: str = JOB) -> str:
    """The code of the problem, or nothing."""
    met: Problem | None = None
    try:
        await house.auth.admit(request(peer="203.0.113.9"), job_id, response)
    except Problem as problem:
        met = problem
    if met is None:
        return ""
    assert (met.field == FIELD) is (met.code == "challenge_failed")
    assert "0x4AAA" not in json.dumps(met.document()) + house.lines.getvalue()
    return f"{met.code} {met.headers.get('Retry-After', '')}".strip()


async def test_a_person_passes_turnstile():
    checker = Checker()
    assert await admitted(guarded(checker), "good") == ""
    (asked,) = checker.asked
    assert (asked["secret"], asked["response"], asked["remoteip"]) == ("0x4AAA-secret", "good", "203.0.113.9")
    assert JOB not in asked["idempotency_key"].replace("-", "")


async def test_a_repeat_of_the_same_job_passes_again_and_another_job_does_not():
    house = guarded(Checker())
    for _ in range(3):
        assert await admitted(house, "good") == ""
    assert await admitted(house, "good", "f" * 32) == "challenge_failed"
    assert await admitted(house, "good too", JOB) == ""


async def test_another_response_for_the_same_job_is_another_question():
    checker = Checker()
    house = guarded(checker)
    assert [await admitted(house, response) for response in ("good", "good too", "good")] == ["", "", ""]
    first, second, third = [asked["idempotency_key"] for asked in checker.asked]
    assert first == third != second


@pytest.mark.parametrize("response", [None, "", "x" * 2_049, "ä", "\ud800", 7, ["good"]])
async def test_without_a_response_cloudflare_is_not_even_asked(response: object):
    checker = Checker()
    assert await admitted(guarded(checker), response) == "challenge_failed"
    assert checker.asked == []


async def test_a_wrong_response_is_refused():
    assert await admitted(guarded(Checker()), "bad") == "challenge_failed"


@pytest.mark.parametrize("answer", [{}, {"success": "true"}, {"success": 1}, {"success": False, "error-codes": 7}])
async def test_only_a_clear_yes_lets_in(answer: dict[str, object]):
    checker = Checker()
    checker.fault = httpx.Response(200, json=answer)
    assert await admitted(guarded(checker), "good") == "challenge_failed"


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
async def test_while_cloudflare_cannot_tell_the_caller_may_try_again(fault: httpx.Response | Exception):
    checker = Checker()
    checker.fault = fault
    house = guarded(checker)
    assert await admitted(house, "good") == "check_unavailable 5"
    assert '"severity": "ERROR"' in house.lines.getvalue()
    checker.fault = None
    assert await admitted(house, "good") == ""


def test_a_cloudflare_that_never_answers_is_waited_for_five_seconds():
    async def silence(_asked: httpx.Request) -> httpx.Response:
        await asyncio.sleep(3_600)
        raise AssertionError

    async def post() -> float:
        http = httpx.AsyncClient(transport=httpx.MockTransport(silence))
        settings = AuthSettings(origins=("https://shop.example",), turnstile_secret="secret")
        assert await admitted(House(settings=settings, http=http), "good") == "check_unavailable 5"
        return asyncio.get_running_loop().time()

    assert virtual_time.run(post()) == pytest.approx(5)

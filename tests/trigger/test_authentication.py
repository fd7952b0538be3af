"""Authentication and authorization together: precedence of credentials, and access to jobs."""

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from functions.trigger.auth.authorize import (
    UNKNOWN_JOB,
    check_may_cancel,
    check_may_list,
    check_may_list_workflows,
    check_may_read,
    check_may_send_batches,
)
from functions.trigger.auth.caller import Caller, CallerKind, preferred
from shared.auth_settings import AuthSettings, SigningSecret, Token
from shared.job import Job
from shared.job_states import Status
from shared.problems import Problem
from tests.trigger.stand_ins import NOON, Instance, code, identify, request

SECRET = "whsec_" + "A" * 32
SETTINGS = AuthSettings(
    tokens=(Token("zapier", hashlib.sha256(b"T").hexdigest()),),
    signing_secrets=(SigningSecret("bank", (SECRET,)),),
    origins=("https://shop.example",),
    public=True,
)
ZAPIER, BANK = Caller(CallerKind.TOKEN, "zapier"), Caller(CallerKind.SIGNATURE, "bank")
EVENT, FORM, OPEN = (
    Caller(CallerKind.EVENT, "event"),
    Caller(CallerKind.FORM, "form:https://shop.example"),
    Caller(CallerKind.OPEN),
)
CI = Caller(CallerKind.TOKEN, "ci")
ADMIN = Caller(CallerKind.TOKEN, "admin", admin=True)


def signed(body: str = "{}") -> dict[str, str]:
    seconds = str(int(NOON.timestamp()))
    signature = Webhook(SECRET).sign("1", NOON, body)
    return {"webhook-id": "1", "webhook-timestamp": seconds, "webhook-signature": signature}


# --- several credentials ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (SETTINGS, ["TRIGGER_TOKENS", "TRIGGER_SIGNING_SECRETS"]),
        (replace(SETTINGS, tokens=()), ["TRIGGER_SIGNING_SECRETS"]),
        (replace(SETTINGS, signing_secrets=()), ["TRIGGER_TOKENS"]),
        (AuthSettings(event_account="a@b.iam.gserviceaccount.com"), ["EVENT_SERVICE_ACCOUNT"]),
        (AuthSettings(origins=SETTINGS.origins), ["The operator can set TRIGGER_TOKENS"]),
    ],
)
def test_a_request_without_a_credential_is_told_the_kinds_that_are_configured(
    settings: AuthSettings, words: list[str]
) -> None:
    detail = Instance(settings=settings).authenticator.missing_credential(request()).detail
    every = ("TRIGGER_TOKENS", "TRIGGER_SIGNING_SECRETS", "EVENT_SERVICE_ACCOUNT")
    assert all(word in detail for word in words)
    assert [word for word in every if word in detail] == [word for word in every if word in " ".join(words)]


def test_a_listing_names_no_token_if_none_is_configured() -> None:
    for settings, start in ((SETTINGS, "Send a token"), (replace(SETTINGS, tokens=()), "This service accepts")):
        with pytest.raises(Problem) as caught:
            check_may_list(None, settings)
        assert caught.value.detail.startswith(start)


async def test_a_token_takes_precedence_over_a_signature():
    authenticator = Instance(settings=SETTINGS).authenticator
    assert await identify(authenticator, request(headers=signed()), b"{}", None) == BANK
    both = request(headers={**signed(), "Authorization": "Bearer T", "Origin": "https://shop.example"})
    assert await identify(authenticator, both, b"{}", None) == ZAPIER


def test_the_kind_of_a_credential_decides_and_the_first_of_equals():
    assert preferred(None, FORM, EVENT, None, BANK, ADMIN, ZAPIER) == ADMIN
    assert preferred(EVENT, BANK) == BANK
    assert preferred(None) is preferred() is None


async def test_each_step_ignores_what_is_not_there():
    authenticator = Instance(settings=SETTINGS).authenticator
    assert await authenticator.headers(request(headers=signed())) is None
    assert authenticator.signature(request(headers={"webhook-id": "1"}), b"{}") is None
    assert authenticator.body_token("T") == ZAPIER


async def test_an_invalid_credential_outweighs_a_valid_one():
    authenticator = Instance(settings=SETTINGS).authenticator
    for headers, body, token in [
        ({**signed(), "Authorization": "Bearer U"}, b"{}", None),
        ({**signed(), "Authorization": "Bearer T"}, b"changed", None),
        (signed(), b"{}", "U"),
        ({"Authorization": "Bearer T", "webhook-signature": "v1,x"}, b"{}", None),
    ]:
        assert await code(identify(authenticator, request(headers=headers), body, token)) == "unauthorized"


@pytest.mark.parametrize("header", ["T", "Token T", 'Bearer "T"', "Bearer 'T'", "Bearer", "Basic T"])
async def test_a_malformed_authorization_header_says_how_it_must_be(header: str):
    authenticator = Instance(settings=SETTINGS).authenticator
    with pytest.raises(Problem, match="must be `Bearer TOKEN`, without quotation marks"):
        await authenticator.headers(request(headers={"Authorization": header}))
    with pytest.raises(Problem, match="The token is unknown"):
        await authenticator.headers(request(headers={"Authorization": "Bearer U"}))


async def test_a_reader_is_identified_by_the_same_credentials():
    authenticator = Instance(settings=SETTINGS).authenticator
    assert await authenticator.reader(request("GET", "/jobs", {"Authorization": "Bearer T"})) == ZAPIER
    assert await authenticator.reader(request("GET", "/jobs")) is None
    assert (
        await code(authenticator.reader(request("DELETE", "/jobs/1", {"Authorization": "Bearer U"}))) == "unauthorized"
    )


# --- authorization ---------------------------------------------------------------------------------------------------


def job(caller: str | None, *, private: bool) -> Job:
    return Job(
        id="0" * 32,
        status=Status.QUEUED,
        prompt="a cat",
        input="{}",
        caller=caller,
        private=private,
        created_at=NOON,
        expire_at=NOON,
        give_up_at=NOON,
    )


def rejection(job: Job, caller: Caller | None) -> str:
    try:
        check_may_read(job, caller)
    except Problem as problem:
        return problem.code
    return ""


def test_another_callers_job_is_reported_as_one_that_does_not_exist():
    with pytest.raises(Problem) as caught:
        check_may_read(job("zapier", private=True), CI)
    assert caught.value.detail == UNKNOWN_JOB


def test_a_private_job_is_read_by_its_caller_and_admins():
    private = job("zapier", private=True)
    for caller in (ZAPIER, ADMIN):
        assert rejection(private, caller) == ""
    assert rejection(private, CI) == "not_found"
    assert {rejection(private, caller) for caller in (None, OPEN, BANK, EVENT)} == {"unauthorized"}


def test_a_name_alone_gives_no_access():
    assert rejection(job("event", private=True), EVENT) == "unauthorized"
    assert rejection(job("zapier", private=True), Caller(CallerKind.SIGNATURE, "zapier")) == "unauthorized"
    assert rejection(job(None, private=True), ZAPIER) == "not_found"


def cancellation(job: Job, caller: Caller | None, settings: AuthSettings) -> str:
    try:
        check_may_cancel(job, caller, settings)
    except Problem as problem:
        return problem.code
    return ""


@pytest.mark.parametrize("caller", ["bank", "event", None])
def test_a_token_is_needed_to_cancel_a_job_that_anyone_may_read(caller: str | None):
    readable = job(caller, private=False)
    assert {cancellation(readable, one, SETTINGS) for one in (None, BANK, EVENT, FORM)} == {"unauthorized"}
    assert cancellation(readable, ZAPIER, SETTINGS) == "forbidden"
    assert cancellation(readable, ADMIN, SETTINGS) == ""


def test_a_token_cancels_the_signed_jobs_of_its_name():
    assert cancellation(job("bank", private=False), Caller(CallerKind.TOKEN, "bank"), SETTINGS) == ""


def test_a_visitor_cancels_its_job_by_id():
    assert cancellation(job("form:https://shop.example", private=False), None, SETTINGS) == ""


def test_without_authentication_only_this_machine_cancels_a_job():
    readable = job(None, private=False)
    assert cancellation(readable, None, AuthSettings()) == "forbidden"
    assert cancellation(readable, OPEN, AuthSettings()) == ""


@pytest.mark.parametrize("caller", [None, ZAPIER, BANK, ADMIN, EVENT, OPEN])
def test_any_other_job_is_read_by_anyone_who_has_its_id(caller: Caller | None):
    assert rejection(job("form:https://shop.example", private=False), caller) == ""


def test_only_tokens_may_list_where_authentication_is_configured():
    for caller in (ZAPIER, ADMIN, OPEN):
        assert check_may_list(caller, SETTINGS) == caller
    for caller in (None, EVENT, BANK, FORM):
        with pytest.raises(Problem) as caught:
            check_may_list(caller, SETTINGS)
        assert caught.value.code == "unauthorized"


def test_tokens_and_signatures_may_list_the_workflows():
    for caller in (ZAPIER, ADMIN, OPEN, BANK):
        check_may_list_workflows(caller, SETTINGS)
    for settings, expected in ((SETTINGS, "unauthorized"), (AuthSettings(), "forbidden")):
        for caller in (None, EVENT, FORM):
            with pytest.raises(Problem) as caught:
                check_may_list_workflows(caller, settings)
            assert caught.value.code == expected


def test_a_batch_needs_a_credential():
    for caller in (ZAPIER, BANK, EVENT):
        check_may_send_batches(caller)
    for caller in (FORM, OPEN):
        with pytest.raises(Problem) as caught:
            check_may_send_batches(caller)
        assert caught.value.code == "forbidden"


# --- cold start ------------------------------------------------------------------------------------------------------


def test_verifiers_that_are_not_configured_cost_no_import():
    code = "import sys, functions.trigger.context; print([m for m in NAMES if m in sys.modules])"
    names = ["httpx", "google.auth", "cryptography", "standardwebhooks", "requests"]
    root = Path(__file__).parents[2]
    ran = subprocess.run(
        [sys.executable, "-c", f"NAMES = {names}; {code}"], cwd=root, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"

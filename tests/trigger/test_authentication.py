"""Authentication and authorization together: precedence of credentials, access to jobs, and no authentication."""

import hashlib
import subprocess
import sys
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
from tests.trigger.stand_ins import NOON, Instance, identify, request

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


async def code(caller: object) -> str:
    """Return the code of the problem, or the kind of the caller."""
    try:
        return str((await caller).kind)  # type: ignore[attr-defined] - a coroutine
    except Problem as problem:
        return problem.code


# --- several credentials ---------------------------------------------------------------------------------------------


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
    for settings, code in ((SETTINGS, "unauthorized"), (AuthSettings(), "forbidden")):
        for caller in (None, EVENT, FORM):
            with pytest.raises(Problem) as caught:
                check_may_list_workflows(caller, settings)
            assert caught.value.code == code


def test_a_batch_needs_a_credential():
    for caller in (ZAPIER, BANK, EVENT):
        check_may_send_batches(caller)
    for caller in (FORM, OPEN):
        with pytest.raises(Problem) as caught:
            check_may_send_batches(caller)
        assert caught.value.code == "forbidden"


# --- no authentication -----------------------------------------------------------------------------------------------


async def unauthenticated(
    peer: str | None = "127.0.0.1",
    origin: str | None = None,
    *,
    host: str = "127.0.0.1:8080",
    public_url: str | None = None,
    **settings: bool,
) -> str:
    sent = request(headers={} if origin is None else {"Origin": origin}, peer=peer, host=host)
    authenticator = Instance(settings=AuthSettings(**settings), public_url=public_url).authenticator
    return await code(identify(authenticator, sent, b"{}", None))


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
async def test_without_authentication_this_machine_is_accepted(peer: str):
    assert await unauthenticated(peer) == "open"


@pytest.mark.parametrize("peer", ["203.0.113.9", "10.0.0.1", "0.0.0.0", "::", "testclient", "localhost", "", None])
async def test_without_authentication_other_machines_are_rejected(peer: str | None):
    assert await unauthenticated(peer) == "forbidden"
    assert await unauthenticated(peer, public=True) == "forbidden"


async def test_without_authentication_cloud_run_rejects_every_caller():
    assert await unauthenticated("169.254.8.129", on_cloud_run=True) == "forbidden"


async def test_on_a_private_deployment_callers_that_iam_authenticated_are_accepted():
    private = {"public": False, "on_cloud_run": True}
    assert await unauthenticated("169.254.8.129", **private) == "open"
    assert await unauthenticated("169.254.8.129", "https://evil.example", **private) == "forbidden"


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("http://localhost:8080", "localhost:8080"),
        ("http://[::1]:8080", "[::1]:8080"),
        ("http://localhost", "localhost"),
        ("https://images.localhost", "images.localhost"),
        ("https://images.example", "127.0.0.1:8080"),
    ],
)
async def test_without_authentication_our_own_pages_may_call(origin: str, host: str):
    assert await unauthenticated(origin=origin, host=host, public_url="https://images.example/") == "open"


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://evil.example", "127.0.0.1:8080"),
        ("null", "127.0.0.1:8080"),
        ("", "127.0.0.1:8080"),
        ("http://localhost:3000", "localhost:8080"),
        ("http://localhost:8080", "127.0.0.1:8080"),
        ("http://evil.example:8080", "evil.example:8080"),  # a name that resolves to this machine
        ("http://localhost.evil.example", "localhost.evil.example"),
    ],
)
async def test_without_authentication_foreign_pages_are_rejected(origin: str, host: str):
    assert await unauthenticated(origin=origin, host=host) == "forbidden"


async def test_without_authentication_credentials_are_ignored():
    headers = {"Authorization": "Bearer whatever", "webhook-signature": "v1,x"}
    authenticator = Instance(settings=AuthSettings()).authenticator
    assert await code(identify(authenticator, request(headers=headers), b"", "x")) == "open"


async def test_without_authentication_only_this_machine_may_list():
    settings = AuthSettings()
    authenticator = Instance(settings=settings, public_url="https://images.example").authenticator
    for host in ("127.0.0.1:8080", "localhost:8080", "[::1]"):
        assert check_may_list(await authenticator.reader(request("GET", "/jobs", host=host)), settings) == OPEN
    for foreign in (
        request("GET", "/jobs", peer="203.0.113.9"),
        request("GET", "/jobs", host="evil.example:8080"),
        request("GET", "/jobs", host="images.example"),
        request("GET", "/jobs", {"Via": "1.1 proxy"}),
    ):
        with pytest.raises(Problem) as caught:
            check_may_list(await authenticator.reader(foreign), settings)
        assert caught.value.code == "forbidden"


@pytest.mark.parametrize(
    "name",
    [
        *("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Anything"),
        *("X-Real-IP", "Via", "CF-Connecting-IP", "CF-Ray", "True-Client-IP", "X-Client-IP", "X-Cluster-Client-IP"),
        *("Fastly-Client-IP", "Fly-Client-IP", "X-Original-Host", "X-Envoy-External-Address", "CDN-Loop"),
        *("X-Azure-ClientIP", "Ngrok-Trace-Id", "Tailscale-User-Login", "Client-IP", "X-Remote-Addr"),
    ],
)
async def test_without_authentication_a_forwarded_request_is_rejected(name: str):
    settings = AuthSettings()
    authenticator = Instance(settings=settings).authenticator
    assert await code(identify(authenticator, request(headers={name: "127.0.0.1"}), b"{}", None)) == "forbidden"
    assert await authenticator.reader(request("GET", "/jobs", {name: "127.0.0.1"})) is None


@pytest.mark.parametrize(
    "host", ["trigger.example", "localhost.example", "10.0.0.1:8080", "", "localhost@evil.example"]
)
async def test_without_authentication_the_host_must_be_this_machine(host: str):
    assert await unauthenticated(host=host) == "forbidden"
    assert await unauthenticated(host=host, public_url="https://trigger.example") == "forbidden"


async def test_without_authentication_two_hosts_are_rejected():
    twice = request(headers=[("Host", "localhost:8080")], host="evil.example")
    assert await code(identify(Instance(settings=AuthSettings()).authenticator, twice, b"{}", None)) == "forbidden"


async def test_headers_of_browsers_and_clients_are_not_taken_for_a_proxys():
    headers = dict.fromkeys(
        ["Accept", "User-Agent", "Sec-Fetch-Site", "X-Client-Data", "Origin-Agent-Cluster", "X-Request-Id"], "x"
    )
    sent = request(headers=headers)
    assert await code(identify(Instance(settings=AuthSettings()).authenticator, sent, b"{}", None)) == "open"


async def test_on_a_private_deployment_callers_that_iam_authenticated_may_list():
    settings = AuthSettings(public=False, on_cloud_run=True)
    sent = request("GET", "/jobs", peer="169.254.8.129", host="trigger.run.app")
    assert check_may_list(await Instance(settings=settings).authenticator.reader(sent), settings) == OPEN


# --- cold start ------------------------------------------------------------------------------------------------------


def test_verifiers_that_are_not_configured_cost_no_import():
    code = "import sys, functions.trigger.context; print([m for m in NAMES if m in sys.modules])"
    names = ["httpx", "google.auth", "cryptography", "standardwebhooks", "requests"]
    root = Path(__file__).parents[2]
    ran = subprocess.run(
        [sys.executable, "-c", f"NAMES = {names}; {code}"], cwd=root, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"

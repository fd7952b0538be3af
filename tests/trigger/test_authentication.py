"""The auth together: who comes in by which, who reads whose jobs, and what holds while there is no door."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from functions.trigger.auth.auth import UNKNOWN_JOB
from functions.trigger.auth.caller import Caller, CallerKind, check_may_send_batches
from shared.auth_settings import AuthSettings, SigningSecret, Token
from shared.job import Job, Status
from shared.problems import Problem
from tests.trigger.stand_ins import NOON, House, request

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
BOSS = Caller(CallerKind.TOKEN, "boss", admin=True)


def signed(body: str = "{}") -> dict[str, str]:
    seconds = str(int(NOON.timestamp()))
    signature = Webhook(SECRET).sign("1", NOON, body)
    return {"webhook-id": "1", "webhook-timestamp": seconds, "webhook-signature": signature}


async def code(caller: object) -> str:
    """The code of the problem, or the door."""
    try:
        return str((await caller).door)  # type: ignore[attr-defined] - a coroutine
    except Problem as problem:
        return problem.code


# --- several credentials ---------------------------------------------------------------------------------------------


async def test_a_token_counts_before_a_signature():
    auth = House(settings=SETTINGS).auth
    assert await auth.identify(request(headers=signed()), b"{}", None) == BANK
    both = request(headers={**signed(), "Authorization": "Bearer T", "Origin": "https://shop.example"})
    assert await auth.identify(both, b"{}", None) == ZAPIER


async def test_a_right_credential_does_not_make_up_for_a_wrong_one():
    auth = House(settings=SETTINGS).auth
    for headers, body, token in [
        ({**signed(), "Authorization": "Bearer U"}, b"{}", None),
        ({**signed(), "Authorization": "Bearer T"}, b"changed", None),
        (signed(), b"{}", "U"),
        ({"Authorization": "Bearer T", "webhook-signature": "v1,x"}, b"{}", None),
    ]:
        assert await code(auth.identify(request(headers=headers), body, token)) == "unauthorized"


async def test_a_reader_is_known_by_the_same_credentials():
    auth = House(settings=SETTINGS).auth
    assert await auth.reader(request("GET", "/jobs", {"Authorization": "Bearer T"})) == ZAPIER
    assert await auth.reader(request("GET", "/jobs")) is None
    assert await code(auth.reader(request("DELETE", "/jobs/1", {"Authorization": "Bearer U"}))) == "unauthorized"


# --- whose jobs ------------------------------------------------------------------------------------------------------


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


def refusal(job: Job, caller: Caller | None) -> str:
    try:
        House(settings=SETTINGS).auth.may_read(job, caller)
    except Problem as problem:
        return problem.code
    return ""


def test_another_callers_job_is_spoken_of_as_one_that_is_not_there():
    with pytest.raises(Problem) as caught:
        House(settings=SETTINGS).auth.may_read(job("zapier", private=True), BANK)
    assert caught.value.detail == UNKNOWN_JOB


def test_a_private_job_is_its_callers_and_an_admins():
    private = job("zapier", private=True)
    assert [refusal(private, caller) for caller in (ZAPIER, Caller(CallerKind.SIGNATURE, "zapier"), BOSS)] == [
        "",
        "",
        "",
    ]
    assert [refusal(private, caller) for caller in (BANK, EVENT)] == ["not_found", "not_found"]
    assert [refusal(private, caller) for caller in (None, OPEN)] == ["unauthorized", "unauthorized"]


def test_a_name_alone_opens_nothing():
    assert refusal(job("event", private=True), EVENT) == "not_found"
    assert refusal(job(None, private=True), EVENT) == "not_found"


@pytest.mark.parametrize("caller", [None, ZAPIER, BANK, BOSS, EVENT, OPEN])
def test_any_other_job_is_whoevers_who_holds_its_id(caller: Caller | None):
    assert refusal(job("form:https://shop.example", private=False), caller) == ""


def test_lists_are_for_tokens_and_signatures_or_for_all_where_there_is_no_door():
    auth = House(settings=SETTINGS).auth
    assert [auth.may_list(caller) for caller in (ZAPIER, BANK, BOSS, OPEN)] == [ZAPIER, BANK, BOSS, OPEN]
    for caller in (None, EVENT):
        with pytest.raises(Problem) as caught:
            auth.may_list(caller)
        assert caught.value.code == "unauthorized"


def test_arrays_need_a_credential():
    for caller in (ZAPIER, BANK, EVENT):
        check_may_send_batches(caller)
    for caller in (FORM, OPEN):
        with pytest.raises(Problem) as caught:
            check_may_send_batches(caller)
        assert caught.value.code == "forbidden"


# --- no door ---------------------------------------------------------------------------------------------------------


async def without_doors(
    peer: str | None = "127.0.0.1",
    origin: str | None = None,
    *,
    host: str = "127.0.0.1:8080",
    public_url: str | None = None,
    **settings: bool,
) -> str:
    asked = request(headers={} if origin is None else {"Origin": origin}, peer=peer, host=host)
    auth = House(settings=AuthSettings(**settings), public_url=public_url).auth
    return await code(auth.identify(asked, b"{}", None))


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
async def test_without_a_door_this_machine_comes_in(peer: str):
    assert await without_doors(peer) == "open"


@pytest.mark.parametrize("peer", ["203.0.113.9", "10.0.0.1", "0.0.0.0", "::", "testclient", "localhost", "", None])
async def test_without_a_door_nobody_else_does(peer: str | None):
    assert await without_doors(peer) == "forbidden"
    assert await without_doors(peer, public=True) == "forbidden"


async def test_on_cloud_run_a_stranger_stays_one():
    assert await without_doors("169.254.8.129", on_cloud_run=True) == "forbidden"


async def test_on_a_private_deployment_whom_iam_let_in_comes_in():
    assert await without_doors("169.254.8.129", public=False, on_cloud_run=True) == "open"
    assert await without_doors("169.254.8.129", "https://evil.example", public=False, on_cloud_run=True) == "forbidden"


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
async def test_without_a_door_our_own_pages_may_call(origin: str, host: str):
    assert await without_doors(origin=origin, host=host, public_url="https://images.example/") == "open"


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://evil.example", "127.0.0.1:8080"),
        ("null", "127.0.0.1:8080"),
        ("", "127.0.0.1:8080"),
        ("http://localhost:3000", "localhost:8080"),
        ("http://localhost:8080", "127.0.0.1:8080"),
        ("http://evil.example:8080", "evil.example:8080"),  # its name was made to lead here
        ("http://localhost.evil.example", "localhost.evil.example"),
    ],
)
async def test_without_a_door_no_foreign_page_may(origin: str, host: str):
    assert await without_doors(origin=origin, host=host) == "forbidden"


async def test_without_a_door_credentials_are_not_looked_at():
    headers = {"Authorization": "Bearer whatever", "webhook-signature": "v1,x"}
    assert await code(House(settings=AuthSettings()).auth.identify(request(headers=headers), b"", "x")) == "open"


async def test_without_a_door_this_machine_may_list_and_nobody_else():
    auth = House(settings=AuthSettings(), public_url="https://images.example").auth
    for host in ("127.0.0.1:8080", "localhost:8080", "images.example"):
        assert auth.may_list(await auth.reader(request("GET", "/jobs", host=host))) == OPEN
    for stranger in (request("GET", "/jobs", peer="203.0.113.9"), request("GET", "/jobs", host="evil.example:8080")):
        with pytest.raises(Problem) as caught:
            auth.may_list(await auth.reader(stranger))
        assert caught.value.code == "forbidden"
    private = House(settings=AuthSettings(public=False, on_cloud_run=True)).auth
    asked = request("GET", "/jobs", peer="169.254.8.129", host="trigger.run.app")
    assert private.may_list(await private.reader(asked)) == OPEN


# --- what they cost --------------------------------------------------------------------------------------------------


def test_doors_that_nobody_uses_cost_no_import():
    code = "import sys; import functions.trigger.auth.auth as d; print([m for m in NAMES if m in sys.modules])"
    names = ["httpx", "google.auth", "cryptography", "standardwebhooks", "requests"]
    root = Path(__file__).parents[2]
    ran = subprocess.run(
        [sys.executable, "-c", f"NAMES = {names}; {code}"], cwd=root, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"

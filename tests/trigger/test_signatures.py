"""Signatures: those of the standardwebhooks library are accepted; changed, old, and foreign ones are rejected."""

from datetime import datetime, timedelta

import pytest
from standardwebhooks import Webhook

from functions.trigger.auth.caller import Caller, CallerKind
from shared.auth_settings import AuthSettings, SigningSecret
from shared.problems import Problem
from tests.trigger.stand_ins import NOON, Instance, identify, request

OLD, NEW, OTHER = ("whsec_" + letter * 32 for letter in "ABC")
SETTINGS = AuthSettings(
    signing_secrets=(SigningSecret("shop", (OLD, NEW)), SigningSecret("bank", (OTHER,))), public=True
)
BODY = '{"prompt": "ein Käfer"}'


def signed(secret: str = NEW, body: str = BODY, at: datetime = NOON, message_id: str = "msg_1") -> dict[str, str]:
    # The library treats any time as UTC; NOON is in UTC.
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, at, body),
    }


async def caller(headers: dict[str, str], body: bytes = BODY.encode()) -> Caller:
    return await identify(Instance(settings=SETTINGS).authenticator, request(headers=headers), body, None)


async def is_rejected(headers: dict[str, str], body: bytes = BODY.encode()) -> bool:
    with pytest.raises(Problem) as caught:
        await caller(headers, body)
    return caught.value.code == "unauthorized" and "invalid_token" in caught.value.headers["WWW-Authenticate"]


@pytest.mark.parametrize("secret", [OLD, NEW])
async def test_a_signature_of_the_library_is_accepted_with_either_secret(secret: str):
    assert await caller(signed(secret)) == Caller(CallerKind.SIGNATURE, "shop")


async def test_each_caller_has_its_own_secret():
    assert await caller(signed(OTHER)) == Caller(CallerKind.SIGNATURE, "bank")
    assert not (await caller(signed(OTHER))).private
    assert await is_rejected(signed("whsec_" + "D" * 32))


async def test_one_valid_signature_of_several_is_enough():
    headers = signed()
    headers["webhook-signature"] = f"v1a,xyz {Webhook(OLD).sign('msg_2', NOON, BODY)} {headers['webhook-signature']}"
    assert (await caller(headers)).name == "shop"


@pytest.mark.parametrize("seconds", [-300, 300])
async def test_a_timestamp_may_be_five_minutes_off(seconds: int):
    assert (await caller(signed(at=NOON + timedelta(seconds=seconds)))).name == "shop"


@pytest.mark.parametrize("seconds", [-301, 301, -86_400])
async def test_an_old_or_a_future_signature_is_rejected(seconds: int):
    assert await is_rejected(signed(at=NOON + timedelta(seconds=seconds)))


async def test_a_changed_request_is_rejected():
    assert await is_rejected(signed(), BODY.replace("K", "L").encode())
    assert await is_rejected(signed() | {"webhook-id": "msg_2"})
    assert await is_rejected(signed() | {"webhook-timestamp": str(int(NOON.timestamp()) + 1)})


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-signature": ""},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,\xe4"},
        {"webhook-id": ""},
        {"webhook-timestamp": ""},
        {"webhook-timestamp": "now"},
        {"webhook-timestamp": "1e9"},
        {"webhook-timestamp": f"{NOON.timestamp()}"},
        {"webhook-timestamp": f"0{int(NOON.timestamp())}"},
        {"webhook-timestamp": "9" * 11},
        {"webhook-timestamp": "9" * 4_000},
        {"webhook-timestamp": "-1"},
    ],
)
async def test_malformed_headers_are_rejected(change: dict[str, str]):
    assert await is_rejected(signed() | change)


async def test_a_missing_or_repeated_header_is_rejected():
    for name in ("webhook-id", "webhook-timestamp"):
        assert await is_rejected({key: value for key, value in signed().items() if key != name})
    twice = request(headers=[*signed().items(), ("webhook-id", "msg_2")])
    with pytest.raises(Problem):
        await identify(Instance(settings=SETTINGS).authenticator, twice, BODY.encode(), None)


async def test_a_body_that_is_not_utf8_is_rejected():
    assert await is_rejected(signed(), b"\xff" + BODY.encode())


async def test_a_webhook_id_alone_is_not_a_credential():
    with pytest.raises(Problem) as caught:
        await caller({"webhook-id": "msg_1"})
    assert "error" not in caught.value.headers["WWW-Authenticate"]


async def test_a_get_is_signed_over_an_empty_body():
    authenticator = Instance(settings=SETTINGS).authenticator
    assert await authenticator.reader(request("GET", "/jobs", signed(body=""))) == Caller(CallerKind.SIGNATURE, "shop")
    with pytest.raises(Problem):
        await authenticator.reader(request("GET", "/jobs", signed()))

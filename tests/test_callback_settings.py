"""The settings of notifications: who signs, and that no receiver can send its message back as a request."""

import base64
import hashlib
import json

import pytest

from shared.callback_settings import parse_callback_secrets
from shared.config import ConfigurationError
from tests.test_config import load


def secret(number: int, size: int = 24) -> str:
    return "whsec_" + base64.b64encode(bytes([number] * size)).decode()


def sha256(text: str) -> str:
    return hashlib.sha256(text.rstrip("=").encode()).hexdigest()


def faults(**settings: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(**settings)
    return caught.value.faults


def test_a_caller_has_its_own_secrets_or_those_of_everyone():
    text = json.dumps({"zap": [secret(1), secret(2)], "*": [secret(3)], "event": [secret(4)]})
    settings = load(CALLBACK_SIGNING_SECRETS=text).callbacks
    assert settings.secrets_of("zap") == (secret(1), secret(2))
    assert settings.secrets_of("event") == (secret(4),)
    assert settings.secrets_of("shop") == settings.secrets_of(None) == (secret(3),)
    assert load().callbacks.secrets_of("zap") == ()
    assert secret(1)[:12] not in repr(settings)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (secret(1), "a list"),
        ([], "a list"),
        ([secret(1), secret(2), secret(3)], "at most 2"),
        ([secret(1, 23)], "24 to 64 bytes"),
        ([secret(1, 65)], "24 to 64 bytes"),
        (["whsec_" + "ä" * 32], "base64"),
        ([secret(1).removeprefix("whsec_")], "whsec_"),
        (["whsec_" + "A" * 42 + "B"], "base64"),  # several texts stand for these bytes
        ({}, "a list"),
        (None, "a list"),
    ],
)
def test_a_fault_names_the_caller_and_not_the_secret(entry: object, words: str):
    with pytest.raises(ValueError, match="zap: ") as caught:
        parse_callback_secrets(json.dumps({"zap": entry}))
    assert words in str(caught.value)
    assert secret(1)[6:] not in str(caught.value)


@pytest.mark.parametrize("padded", [True, False])
def test_a_secret_that_signs_requests_and_messages_stops_the_start(padded: bool):
    shared = secret(1, 25) if padded else secret(1, 25).rstrip("=")
    requests, messages = json.dumps({"shop": [secret(2), shared]}), json.dumps({"*": [secret(1, 25), secret(3)]})
    (fault,) = faults(TRIGGER_SIGNING_SECRETS=requests, CALLBACK_SIGNING_SECRETS=messages)
    assert "CALLBACK_SIGNING_SECRETS" in fault
    assert "TRIGGER_SIGNING_SECRETS" in fault
    assert shared[6:] not in fault


def test_each_function_knows_the_secrets_of_the_other_by_their_sha_256():
    requests, messages = json.dumps({"shop": [secret(1)]}), json.dumps({"*": [secret(2), secret(1)]})
    known = f"{sha256(secret(9))}, {sha256(secret(1))}"
    assert len(faults(TRIGGER_SIGNING_SECRETS=requests, CALLBACK_SIGNING_SECRETS_SHA256=known)) == 1
    assert len(faults(CALLBACK_SIGNING_SECRETS=messages, TRIGGER_SIGNING_SECRETS_SHA256=known)) == 1
    load(TRIGGER_SIGNING_SECRETS=requests, CALLBACK_SIGNING_SECRETS_SHA256=sha256(secret(9)))
    load(CALLBACK_SIGNING_SECRETS=messages, TRIGGER_SIGNING_SECRETS_SHA256=sha256(secret(9)))


def test_another_spelling_of_a_secret_is_recognized():
    """The last character of a secret in base64 may have bits that no byte has."""
    shared = secret(1, 25)
    spelled = shared.rstrip("=")[:-1] + chr(ord(shared.rstrip("=")[-1]) + 1)
    assert base64.b64decode(spelled[6:] + "==") == base64.b64decode(shared[6:])
    requests, messages = json.dumps({"shop": [spelled]}), json.dumps({"*": [shared]})
    assert len(faults(TRIGGER_SIGNING_SECRETS=requests, CALLBACK_SIGNING_SECRETS=messages)) == 1
    assert len(faults(TRIGGER_SIGNING_SECRETS=requests, CALLBACK_SIGNING_SECRETS_SHA256=sha256(shared))) == 1


@pytest.mark.parametrize("text", ["x", "a" * 63, f"{'a' * 64},", f"{'A' * 64}", secret(1)])
def test_a_digest_is_64_hex_digits(text: str):
    (fault,) = faults(TRIGGER_SIGNING_SECRETS_SHA256=text)
    assert fault.startswith("TRIGGER_SIGNING_SECRETS_SHA256: ")


def test_the_hosts_of_receivers_are_written_like_those_of_images():
    assert load(CALLBACK_HOSTS=" Receiver.test, localhost:8090").callbacks.hosts == ("receiver.test", "localhost:8090")
    assert faults(CALLBACK_HOSTS="https://receiver.test")[0].startswith("CALLBACK_HOSTS: ")

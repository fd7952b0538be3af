"""Authentication settings: a mistake must not open the trigger, and no secret appears in a message."""

import base64
import hashlib
import json

import pytest

from shared.auth_settings import origin_of, parse_origins, parse_signing_secrets, parse_tokens
from shared.config import ConfigurationError
from tests.test_config import load

HASH = hashlib.sha256(b"a token").hexdigest()
OTHER = hashlib.sha256(b"another token").hexdigest()
SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()


def message(parse, value: object) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the test checks the message
        parse(value if isinstance(value, str) else json.dumps(value))
    return str(caught.value)


def test_a_token_has_a_name_and_a_hash():
    zapier, admin = parse_tokens(json.dumps({"zapier": HASH, "the.admin-1": {"sha256": OTHER, "admin": True}}))
    assert (zapier.name, zapier.sha256, zapier.admin) == ("zapier", HASH, False)
    assert (admin.name, admin.sha256, admin.admin) == ("the.admin-1", OTHER, True)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (HASH.upper(), "lower-case"),
        (HASH[:-1], "64"),
        ("a token", "not the token itself"),
        (None, "64"),
        ({"admin": True}, "64"),
        ({"sha256": HASH, "admin": "yes"}, "admin"),
        ({"sha256": HASH, "adm1n": True}, "admin"),
    ],
)
def test_a_fault_names_the_entry_and_never_the_hash(entry: object, words: str):
    fault = message(parse_tokens, {"good": OTHER, "zapier": entry})
    assert fault.startswith("zapier: ")
    assert words in fault
    assert HASH[:20] not in fault.lower()
    assert "good" not in fault


@pytest.mark.parametrize("name", ["", "a" * 32, "zap ier", "zäpier", "a/b", "event", "form:x"])
def test_a_name_is_short_plain_and_not_reserved(name: str):
    assert message(parse_tokens, {name: HASH})
    assert message(parse_signing_secrets, {name: [SECRET]})


def test_a_secret_in_place_of_a_name_does_not_appear_in_the_message():
    assert message(parse_tokens, {HASH: "zapier"}).startswith("entry 1: ")
    unpadded = "whsec_" + "a" * 32
    assert unpadded not in message(parse_signing_secrets, {"shop": [SECRET], unpadded: ["shop"]})


def test_the_message_names_all_invalid_entries():
    fault = message(parse_tokens, {"one": "x", "two": HASH, "three": "y"})
    assert "one: " in fault
    assert "three: " in fault
    assert "two: " not in fault


def test_a_name_that_appears_twice_is_a_fault():
    assert "twice" in message(parse_tokens, f'{{"zapier": "{HASH}", "zapier": "{OTHER}"}}')


def test_two_callers_do_not_share_a_secret():
    assert "a and b have the same secret" in message(parse_tokens, {"a": HASH, "b": HASH})
    assert "a and b have the same secret" in message(parse_signing_secrets, {"a": [SECRET], "b": [SECRET]})


@pytest.mark.parametrize("text", ["{}", "[]", '"x"', "{", "zapier=" + HASH, "[" * 100_000])
def test_an_empty_or_broken_setting_does_not_turn_authentication_off(text: str):
    for parse in (parse_tokens, parse_signing_secrets):
        assert "JSON object" in message(parse, text)


def test_a_signing_caller_has_a_list_of_secrets_padded_or_not():
    rotating = ["whsec_" + base64.b64encode(bytes(size)).decode() for size in (16, 32)] + ["whsec_" + "a" * 43]
    assert parse_signing_secrets(json.dumps({"shop": rotating}))[0].secrets == tuple(rotating)


@pytest.mark.parametrize(
    "entry",
    [
        SECRET,
        [],
        {},
        [7],
        [SECRET[6:]],
        ["whsec_"],
        ["whsec_" + "a" * 20],
        ["whsec_" + "ä" * 32],
        ["whsec_!!!!" + "a" * 32],
    ],
)
def test_a_signing_secret_is_whsec_and_at_least_16_bytes(entry: object):
    fault = message(parse_signing_secrets, {"shop": entry})
    assert fault.startswith("shop: ")
    assert SECRET[6:] not in fault


@pytest.mark.parametrize(
    ("written", "origin"),
    [
        ("https://www.example.com", "https://www.example.com"),
        ("HTTPS://WWW.Example.COM:443", "https://www.example.com"),
        ("http://localhost:80", "http://localhost"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("https://example.com:80", "https://example.com:80"),
        ("http://[0:0:0:0:0:0:0:1]:8080", "http://[::1]:8080"),
    ],
)
def test_an_origin_is_written_as_browsers_send_it(written: str, origin: str):
    assert parse_origins(f" {written} , https://b.example") == (origin, "https://b.example")
    assert origin_of(f"{written}/path?query=https://c.example#x") == origin


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "https://*.example.com",
        "null",
        "example.com",
        "https://example.com/",
        "https://example.com/form",
        "https://user@example.com",
        "https://example.com?x",
        "https://example.com:0",
        "https://example.com:65536",
        "https://example.com:",
        "https://",
        "https://[::zz]",
        "https://bücher.example",
        "ftp://example.com",
        "file://",
        "https://a.example https://b.example",
        ",",
    ],
)
def test_anything_but_an_origin_is_a_fault(text: str):
    assert message(parse_origins, text)


def test_a_repeated_origin_is_kept_once():
    assert parse_origins("https://a.example,https://A.example:443") == ("https://a.example",)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example\\@shop.example/",
        "https://shop.example@evil.example/",
        "https://evil.example\t.shop.example/",
        "https:shop.example",
        "https:///shop.example",
        " https://shop.example/",
        "//shop.example/",
        "javascript:alert(1)//https://shop.example",
        "/jobs",
        "",
    ],
)
def test_a_url_that_browsers_may_read_differently_has_no_origin(url: str):
    assert origin_of(url) is None


def test_configuration_errors_and_settings_show_no_secret():
    with pytest.raises(ConfigurationError) as caught:
        load(TRIGGER_TOKENS=json.dumps({"zapier": HASH[1:]}), FORM_ORIGINS="*", TRIGGER_SIGNING_SECRETS="{}")
    assert [fault.split(":")[0] for fault in caught.value.faults] == [
        "TRIGGER_TOKENS",
        "TRIGGER_SIGNING_SECRETS",
        "FORM_ORIGINS",
    ]
    assert HASH[1:] not in str(caught.value)
    loaded = load(TRIGGER_TOKENS=json.dumps({"zapier": HASH}), TRIGGER_SIGNING_SECRETS=json.dumps({"shop": [SECRET]}))
    assert HASH not in repr(loaded)
    assert SECRET not in repr(loaded)

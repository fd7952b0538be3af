"""`token` prints a new token, on standard output only, and the value of TRIGGER_TOKENS that accepts it."""

import hashlib
import json

import pytest

from shared.auth_settings import parse_tokens
from tests.cli.command import Command


def test_the_first_line_is_the_token_and_the_second_the_setting_that_accepts_it(command: Command):
    result = command.run("token", "zapier")
    assert result.code == 0
    token, setting = result.out.splitlines()
    assert len(token) >= 43  # 32 bytes
    assert json.loads(setting) == {"zapier": hashlib.sha256(token.encode()).hexdigest()}
    assert "TRIGGER_TOKENS" in result.err
    assert token not in result.err


def test_the_functions_know_an_admin_as_one(command: Command):
    token, setting = command.run("token", "ops", "--admin").out.splitlines()
    (known,) = parse_tokens(setting)
    assert (known.name, known.admin) == ("ops", True)
    assert known.sha256 == hashlib.sha256(token.encode()).hexdigest()


def test_no_two_tokens_are_the_same(command: Command):
    assert command.run("token", "zapier").out != command.run("token", "zapier").out


@pytest.mark.parametrize("name", ["", "a b", "event", "form:https://a.example", "x" * 65, "whsec_a", "0" * 64])
def test_a_name_that_the_functions_would_not_accept_is_rejected(command: Command, name: str):
    result = command.run("token", name)
    assert (result.code, result.out) == (2, "")
    assert "Error: NAME: " in result.err

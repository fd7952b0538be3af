"""`token` makes what TRIGGER_TOKENS takes, and says the token itself once, on standard output alone."""

import hashlib
import json

import pytest

from shared.auth_settings import parse_tokens
from tests.cli.command import Command


def test_the_first_line_is_the_token_and_the_second_lets_its_holder_in(command: Command):
    ended = command.run("token", "zapier")
    assert ended.code == 0
    token, setting = ended.out.splitlines()
    assert len(token) >= 43  # 32 bytes
    assert json.loads(setting) == {"zapier": hashlib.sha256(token.encode()).hexdigest()}
    assert "TRIGGER_TOKENS" in ended.err
    assert token not in ended.err


def test_an_admin_is_one_for_the_functions_too(command: Command):
    token, setting = command.run("token", "ops", "--admin").out.splitlines()
    (known,) = parse_tokens(setting)
    assert (known.name, known.admin) == ("ops", True)
    assert known.sha256 == hashlib.sha256(token.encode()).hexdigest()


def test_no_two_tokens_are_the_same(command: Command):
    assert command.run("token", "zapier").out != command.run("token", "zapier").out


@pytest.mark.parametrize("name", ["", "a b", "event", "form:https://a.example", "x" * 65, "whsec_a", "0" * 64])
def test_a_name_that_the_functions_would_not_take_is_refused(command: Command, name: str):
    ended = command.run("token", name)
    assert (ended.code, ended.out) == (2, "")
    assert "Error: NAME: " in ended.err

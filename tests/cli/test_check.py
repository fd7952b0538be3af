"""`check` says what works at Wireflow and what does not, and spends nothing."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.cli.command import Command
from tests.simulator.real import running

GOOD = {"WIREFLOW_WEBHOOK_ID": "demo-webhook", "WIREFLOW_API_KEY": "sk-simulator"}


@pytest.fixture(scope="module")
def wireflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("simulator") / "log") as (url, _):
        yield url


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path)


def settings(wireflow: str, **changes: str) -> dict[str, str]:
    return {"WIREFLOW_BASE_URL": f"{wireflow}/api/v1", "ALLOW_PRIVATE_NETWORK": "true", **GOOD, **changes}


def test_a_webhook_and_a_key_that_work_are_said_to_work_and_nothing_is_paid(command: Command, wireflow: str):
    ended = command.run("check", **settings(wireflow))
    assert (ended.code, ended.out.count("works")) == (0, 2)
    assert httpx.get(f"{wireflow}/_stats").json()["paidRuns"] == 0


def test_a_key_that_is_refused_is_named_with_its_cure(command: Command, wireflow: str):
    ended = command.run("check", **settings(wireflow, WIREFLOW_API_KEY="sk-old"), COLUMNS="300")
    assert ended.code == 2
    assert "key_refused" in ended.out
    assert "must set a valid WIREFLOW_API_KEY" in ended.out
    assert "sk-old" not in ended.out + ended.err


def test_a_webhook_that_does_not_exist_is_named_with_its_cure(command: Command, wireflow: str):
    ended = command.run("check", **settings(wireflow, WIREFLOW_WEBHOOK_ID="no-such-hook"), COLUMNS="300")
    assert ended.code == 2
    assert "workflow_not_found" in ended.out
    assert "no-such-hook" not in ended.out + ended.err


def test_settings_that_are_missing_are_named(command: Command):
    ended = command.run("check")
    assert ended.code == 2
    assert "WIREFLOW_API_KEY" in ended.err

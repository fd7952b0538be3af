"""`check` says what works at Wireflow and what does not, and spends nothing."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from tests.cli.command import Command
from tests.simulator.real import running

GOOD = {"WIREFLOW_WEBHOOK_ID": "demo-webhook", "WIREFLOW_API_KEY": "sk-simulator"}


@pytest.fixture(scope="module")
def wireflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("simulator") / "log") as (url, _):
        yield url


class Chatty(BaseHTTPRequestHandler):
    """A Wireflow that quotes what it was asked for, and has one workflow that takes no text."""

    def do_GET(self) -> None:
        found = "no-text" in self.path
        inputs = [{"nodeId": "image-1", "label": "Reference", "type": "image"}]
        said = {"data": {"inputs": inputs}} if found else {"error": f"nothing at {self.path}"}
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(json.dumps(said).encode())

    def log_message(self, *_arguments: Any) -> None:
        """Silent."""


@pytest.fixture
def chatty() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Chatty) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path)


# The ids are such that no word of an answer could be one of them by chance.
PRO = {"mode": "execute", "id": "id-of-pro-4711", "model": "nano_banana_pro"}


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


def test_every_workflow_is_asked_as_far_as_that_is_free(command: Command, wireflow: str):
    workflows = {
        "default": PRO,  # the webhook is asked all the same: it tells whether Wireflow is well
        "saved": {"mode": "run", "id": "demo-saved"},
        "hook": {"mode": "webhook", "id": "demo-webhook"},
    }
    named = settings(wireflow, WIREFLOW_WORKFLOWS=json.dumps(workflows))
    ended = command.run("check", **named, COLUMNS="300")
    assert ended.code == 0, ended.err
    assert ended.out.count("works") == 3
    assert "works; it takes prompt, image1, Style, Aspect" in ended.out
    assert "the workflow default (execute)" in ended.out
    assert "not asked; its settings are well-formed" in ended.out
    assert all(entry["id"] not in ended.out + ended.err for entry in workflows.values())
    assert httpx.get(f"{wireflow}/_stats").json()["paidRuns"] == 0


def test_each_workflow_that_does_not_exist_is_named_with_its_cure(command: Command, wireflow: str):
    workflows = {mode: {"mode": mode, "id": f"id-of-{mode}-4711"} for mode in ("run", "webhook")}
    named = settings(wireflow, WIREFLOW_WORKFLOWS=json.dumps(workflows))
    ended = command.run("check", **named, COLUMNS="400")
    assert ended.code == 2
    assert "2 of 4 do not work" in ended.err
    assert ended.out.count("workflow_not_found") == ended.out.count("Set its id in WIREFLOW_WORKFLOWS") == 2
    assert "4711" not in ended.out + ended.err


def test_no_id_is_shown_where_wireflow_quotes_it(command: Command, chatty: str):
    workflows = {mode: {"mode": mode, "id": f"id-of-{mode}-4711"} for mode in ("run", "webhook")}
    named = settings(chatty, WIREFLOW_WEBHOOK_ID="hook-4711", WIREFLOW_WORKFLOWS=json.dumps(workflows))
    ended = command.run("check", **named, COLUMNS="400")
    assert ended.code == 2
    assert ended.out.count("nothing at /api/v1/workflow") == 3
    assert "4711" not in ended.out + ended.err


def test_a_saved_workflow_that_takes_no_prompt_is_named_with_its_cure(command: Command, chatty: str):
    workflows = json.dumps({"saved": {"mode": "run", "id": "no-text"}})
    ended = command.run("check", **settings(chatty, WIREFLOW_WORKFLOWS=workflows), COLUMNS="400")
    assert ended.code == 2
    assert "it has no text input" in ended.out
    assert "Give it a text input in Wireflow" in ended.out


def test_settings_that_are_missing_are_named(command: Command):
    ended = command.run("check")
    assert ended.code == 2
    assert "WIREFLOW_API_KEY" in ended.err

"""`check` reports what works at Wireflow and what does not, and nothing is charged."""

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


class Verbose(BaseHTTPRequestHandler):
    """A Wireflow that quotes requests in its errors, and has one workflow without a text input."""

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
def verbose() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Verbose) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path)


# These IDs do not occur by chance in any text of Wireflow.
PRO = {"mode": "execute", "id": "id-of-pro-4711", "model": "nano_banana_pro"}


def settings(wireflow: str, **changes: str) -> dict[str, str]:
    return {"WIREFLOW_BASE_URL": f"{wireflow}/api/v1", "ALLOW_PRIVATE_NETWORK": "true", **GOOD, **changes}


def test_a_valid_webhook_and_key_work_and_nothing_is_charged(command: Command, wireflow: str):
    result = command.run("check", **settings(wireflow))
    assert (result.code, result.out.count("works")) == (0, 2)
    assert httpx.get(f"{wireflow}/_stats").json()["paidRuns"] == 0


def test_a_rejected_key_is_reported_with_what_to_do(command: Command, wireflow: str):
    result = command.run("check", **settings(wireflow, WIREFLOW_API_KEY="sk-old"), COLUMNS="300")
    assert result.code == 2
    assert "key_refused" in result.out
    assert "must set a valid WIREFLOW_API_KEY" in result.out
    assert "sk-old" not in result.out + result.err


def test_an_unknown_webhook_is_reported_with_what_to_do(command: Command, wireflow: str):
    result = command.run("check", **settings(wireflow, WIREFLOW_WEBHOOK_ID="no-such-hook"), COLUMNS="300")
    assert result.code == 2
    assert "workflow_not_found" in result.out
    assert "no-such-hook" not in result.out + result.err


def test_every_workflow_is_checked_as_far_as_that_is_free(command: Command, wireflow: str):
    workflows = {
        "default": PRO,  # the webhook is checked as well: it shows whether Wireflow is up
        "saved": {"mode": "run", "id": "demo-saved"},
        "hook": {"mode": "webhook", "id": "demo-webhook"},
    }
    named = settings(wireflow, WIREFLOW_WORKFLOWS=json.dumps(workflows))
    result = command.run("check", **named, COLUMNS="300")
    assert result.code == 0, result.err
    assert result.out.count("works") == 3
    assert "works; its fields are prompt, image1, Style, Aspect" in result.out
    assert "the workflow default (execute)" in result.out
    assert "not checked; its settings are valid" in result.out
    assert all(entry["id"] not in result.out + result.err for entry in workflows.values())
    assert httpx.get(f"{wireflow}/_stats").json()["paidRuns"] == 0


def test_a_deprecated_or_retired_model_is_a_warning_that_names_its_successor(command: Command, wireflow: str):
    models = ("nano_banana", "nano_banana_2", "nano_banana_2_1")
    workflows = json.dumps({f"with-{model}": PRO | {"model": model} for model in models})
    result = command.run("check", **settings(wireflow, WIREFLOW_WORKFLOWS=workflows), COLUMNS="400")
    assert result.code == 0, "its jobs may still succeed"
    assert "The model nano_banana is retired. Set model to nano_banana_2_lite in WIREFLOW_WORKFLOWS." in result.out
    assert "The model nano_banana_2 is deprecated. Set model to nano_banana_2_1 in WIREFLOW_WORKFLOWS." in result.out
    assert result.out.count("the model of the workflow with-") == 2
    assert "$0.20, the 20 credits of nano_banana_2_1" in result.out


def test_the_price_of_each_workflow_is_shown(command: Command, wireflow: str):
    workflows = {
        "hook": {"mode": "webhook", "id": "demo-webhook", "pricePerImage": 0.13},
        "saved": {"mode": "run", "id": "demo-saved", "pricePerImage": {"2K": 0.2, "4K": 0.24}},
    }
    named = settings(wireflow, WIREFLOW_WORKFLOWS=json.dumps(workflows))
    shown = [line for line in command.run("check", **named, COLUMNS="400").out.splitlines() if "the price per" in line]
    expected = {"default": "not known", "hook": "$0.13 ", "saved": "$0.20 (2K), $0.24 (4K)"}
    assert len(shown) == len(expected)
    assert all(any(f"workflow {name} " in line and price in line for line in shown) for name, price in expected.items())


def test_each_unknown_workflow_is_reported_with_what_to_do(command: Command, wireflow: str):
    workflows = {mode: {"mode": mode, "id": f"id-of-{mode}-4711"} for mode in ("run", "webhook")}
    named = settings(wireflow, WIREFLOW_WORKFLOWS=json.dumps(workflows))
    result = command.run("check", **named, COLUMNS="400")
    assert result.code == 2
    assert "2 checks failed" in result.err
    assert result.out.count("workflow_not_found") == result.out.count("Set its id in WIREFLOW_WORKFLOWS") == 2
    assert "4711" not in result.out + result.err


def test_no_id_is_printed_where_wireflow_quotes_it(command: Command, verbose: str):
    workflows = {mode: {"mode": mode, "id": f"id-of-{mode}-4711"} for mode in ("run", "webhook")}
    named = settings(verbose, WIREFLOW_WEBHOOK_ID="hook-4711", WIREFLOW_WORKFLOWS=json.dumps(workflows))
    result = command.run("check", **named, COLUMNS="400")
    assert result.code == 2
    assert result.out.count("nothing at /api/v1/workflow") == 3
    assert "4711" not in result.out + result.err


def test_a_saved_workflow_without_a_text_input_is_reported_with_what_to_do(command: Command, verbose: str):
    workflows = json.dumps({"saved": {"mode": "run", "id": "no-text"}})
    result = command.run("check", **settings(verbose, WIREFLOW_WORKFLOWS=workflows), COLUMNS="400")
    assert result.code == 2
    assert "it has no text input" in result.out
    assert "Add a text input to the workflow in Wireflow" in result.out


def test_missing_settings_are_named(command: Command):
    result = command.run("check")
    assert result.code == 2
    assert "WIREFLOW_API_KEY" in result.err


def test_a_secret_that_signs_requests_and_messages_is_named_by_its_settings_only(command: Command):
    shared = "whsec_" + "c2hhcmVkLXNlY3JldC1vZi1ib3RoLWtpbmRz"
    secrets = {"TRIGGER_SIGNING_SECRETS": {"shop": [shared]}, "CALLBACK_SIGNING_SECRETS": {"*": [shared]}}
    result = command.run("check", **GOOD, **{name: json.dumps(value) for name, value in secrets.items()})
    assert result.code == 2
    assert all(name in result.err for name in secrets)
    assert shared[6:] not in result.out + result.err

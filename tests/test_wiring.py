"""What a function does when it starts."""

import json
import subprocess
import sys
from typing import Any

import pytest

from shared import wiring
from tests.processes.function import ROOT

SETTINGS = {
    "WIREFLOW_WEBHOOK_ID": "hook-4711",
    "WIREFLOW_API_KEY": "sk-4711",
    "JOBS_URL": "sqlite:///jobs.db",
    "IMAGES_URL": "file:///images",
}


def started(models: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[Any]:
    """What is logged at the start with one workflow of each model."""
    workflows = {f"with-{model}": {"mode": "execute", "id": "id-4711", "model": model} for model in models}
    for name, value in (SETTINGS | {"WIREFLOW_WORKFLOWS": json.dumps(workflows)}).items():
        monkeypatch.setenv(name, value)
    assert len(wiring.configuration().workflows) == len(models) + 1
    out = capsys.readouterr().out
    assert "4711" not in out
    return [json.loads(line) for line in out.splitlines()]


def test_a_deprecated_or_retired_model_is_logged_with_its_successor(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    retired, deprecated = started(["nano_banana", "nano_banana_2", "nano_banana_2_1"], monkeypatch, capsys)
    assert deprecated == {
        "severity": "WARNING",
        "message": "Workflow with-nano_banana_2: The model nano_banana_2 is deprecated. "
        "Set model to nano_banana_2_1 in WIREFLOW_WORKFLOWS.",
        "event": "configuration",
        "workflow": "with-nano_banana_2",
        "model": "nano_banana_2",
        "modelStatus": "deprecated",
        "modelSuccessor": "nano_banana_2_1",
    }
    assert (retired["modelStatus"], retired["modelSuccessor"]) == ("retired", "nano_banana_2_lite")


def test_an_active_model_is_not_logged(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert started(["nano_banana_2_1", "nano_banana_2_lite", "nano_banana_pro"], monkeypatch, capsys) == []


@pytest.mark.parametrize("function", ["trigger._context", "poller._poller"])
def test_what_a_function_imports_is_left_out_of_garbage_collection(function: str) -> None:
    module, build = function.split(".")
    code = f"import gc; from functions.{module} import main; main.{build}(); print(gc.get_freeze_count())"
    done = subprocess.run(
        [sys.executable, "-c", code], env=SETTINGS, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert int(done.stdout.splitlines()[-1]) > 50_000

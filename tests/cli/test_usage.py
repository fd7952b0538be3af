"""Invalid usage is reported before anything is started, with exit code 2 and nothing on standard output."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import ROOT, Command
from tests.servers.process import free_port

LIVE = {"WIREFLOW_WEBHOOK_ID": "hook", "WIREFLOW_API_KEY": "sk-1"}


@pytest.mark.parametrize(
    ("arguments", "environ", "words"),
    [
        (["run"], {}, "Missing argument 'PROMPT'"),
        (["run", "a cat", "--timeout", "soon"], {}, "'--timeout'"),
        (["run", "a cat", "--out", "a-file"], {}, "'--out'"),
        (["run", "a cat", "--out", "a-file/below"], {}, "Cannot create the folder a-file/below"),
        (["run", "a cat", "--live"], {}, "--live uses the real Wireflow: set WIREFLOW_WEBHOOK_ID"),
        (["run", "a cat", "--live"], LIVE | {"WIREFLOW_BASE_URL": "http://127.0.0.1"}, "WIREFLOW_BASE_URL"),
        (["run", "a cat"], {"MAX_IMAGE_BYTES": "0", "ON_UNKNOWN": "maybe"}, "MAX_IMAGE_BYTES"),
        (["run", "a cat"], {"MAX_IMAGE_BYTES": "0", "ON_UNKNOWN": "maybe"}, "ON_UNKNOWN"),
        (["run", "a cat", "--image", "a-cat.png"], {}, "'a-cat.png' is not an existing file, a URL, or a job ID"),
        (["run", "a cat", "--image", "a-file"], {}, "is not an image of a supported type"),
        (
            ["run", "a cat", "--image", "0" * 32],
            {},
            "without --live, `run` starts with empty state and has no earlier jobs",
        ),
        (["run", "a cat", "--live"], LIVE | {"WIREFLOW_WORKFLOWS": "{"}, "WIREFLOW_WORKFLOWS"),
        (["serve", "--port", str(free_port())], {"TRIGGER_TOKENS": "zapier"}, "TRIGGER_TOKENS"),
        (["token"], {}, "Missing argument 'NAME'"),
        (["simulate", "--port", "0"], {}, "'--port'"),
        (["simulate"], {"SIMULATOR_PLAN": "gold"}, "SIMULATOR_PLAN"),
        (["jobs", "erase", "0" * 32, "--until", "2026-01-01"], {}, "Name a job or choose jobs, not both."),
        (["jobs", "erase"], {}, "Name a job, or choose jobs by --caller"),
        (["usage", "--from", "1/2/2026"], {}, "'1/2/2026' is not a day such as 2026-02-01"),
    ],
)
def test_invalid_usage_is_named(command: Command, arguments: list[str], environ: dict[str, str], words: str):
    (command.folder / "a-file").touch()
    result = command.run(*arguments, **environ)
    assert (result.code, result.out) == (2, "")
    assert words in result.err


@pytest.mark.parametrize("name", ["serve", "simulate"])
def test_a_port_in_use_is_named(command: Command, name: str):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = command.run(name, "--port", str(port))
    assert result.code == 2
    assert f"port {port} of 127.0.0.1: Address already in use" in result.err


def test_without_the_packages_the_command_that_installs_them_is_named(tmp_path: Path):
    result = subprocess.run(
        [sys.executable, "-S", "-m", "functions", "run", "a cat"],  # -S: without what is installed
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert "-m pip install -r " in result.stderr
    assert os.path.relpath(ROOT / "functions/cli/requirements.txt", tmp_path) in result.stderr

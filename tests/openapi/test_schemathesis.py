"""Requests made up from the description, right ones and wrong ones, get the answers that it promises.

With 2,000 examples a route it takes half an hour; README, "Tests", has the command.
"""

import subprocess
import sysconfig
from pathlib import Path

import httpx

from tests.cli.command import Command, eventually
from tests.servers.process import free_port

TOOL = Path(sysconfig.get_path("scripts")) / "schemathesis"
EXAMPLES = ["--max-examples", "15", "--generation-deterministic"]


def test_schemathesis_finds_nothing(tmp_path: Path):
    command = Command(tmp_path)
    url = f"http://127.0.0.1:{(port := free_port())}"
    with command.started("serve", "--port", str(port)):
        eventually(lambda: is_up(url))
        check = [TOOL, "run", f"{url}/openapi.json", "--checks", "all", *EXAMPLES]
        found = subprocess.run(check, cwd=tmp_path, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout


def is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health").is_success
    except httpx.TransportError:
        return False

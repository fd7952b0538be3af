"""Requests made up from the description, right ones and wrong ones, get the answers that it promises.

With 2,000 examples a route it takes half an hour; README, "Tests", has the command.
"""

import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.cli.command import Command, eventually
from tests.servers.process import free_port

TOOL = Path(sysconfig.get_path("scripts")) / "schemathesis"
EXAMPLES = ["--max-examples", "15", "--generation-deterministic"]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where `serve` serves."""
    command = Command(tmp_path_factory.mktemp("serve"))
    url = f"http://127.0.0.1:{(port := free_port())}"
    with command.started("serve", "--port", str(port)):
        eventually(lambda: is_up(url))
        yield url


def is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health").is_success
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("path", ["/%0A", "/jobs/a%0A", "/jobs/%0D%0A/image"])
def test_a_path_with_a_line_break_is_not_found(url: str, path: str):
    """The framework's router does not match it and responds in plain text."""
    assert httpx.get(f"{url}{path}").status_code == 404


def test_schemathesis_finds_nothing(url: str, tmp_path: Path):
    check = [TOOL, "run", f"{url}/openapi.json", "--checks", "all", *EXAMPLES]
    found = subprocess.run(check, cwd=tmp_path, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout

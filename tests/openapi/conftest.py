"""A local product for these tests: `python -m functions serve` on a free port."""

import sysconfig
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.cli.command import Command, eventually
from tests.servers.process import free_port

Serve = Callable[..., str]

SCRIPTS = Path(sysconfig.get_path("scripts"))  # the folder of the installed command line tools


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Starts a product with these settings and returns its URL once it is up. It ends with the module's tests."""
    with ExitStack() as running:

        def start(**settings: str) -> str:
            command = Command(tmp_path_factory.mktemp("serve"))
            url = f"http://127.0.0.1:{(port := free_port())}"
            running.enter_context(command.in_background("serve", "--port", str(port), **settings))
            eventually(lambda: is_up(url))
            return url

        yield start


def is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health").is_success
    except httpx.TransportError:
        return False

"""A command line in a folder of its own."""

from pathlib import Path

import pytest

from tests.cli.command import Command


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option is known when pytest is given this folder."""
    parser.addoption("--all-faults", action="store_true", help="try every fault of the simulator, not only a few")

"""A pytest plugin: lines that tests have measured, at the end of the output, from all workers of pytest-xdist."""

from typing import Any

import pytest

TITLE = "measurements"
_LINES = pytest.StashKey[list[str]]()


def note(config: pytest.Config, line: str) -> None:
    """Show `line` in the summary."""
    config.stash.setdefault(_LINES, []).append(line)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand a worker's lines to the main process."""
    config: Any = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput[TITLE] = config.stash.get(_LINES, [])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Collect a worker's lines; a worker that crashed has none."""
    for line in getattr(node, "workeroutput", {}).get(TITLE, []):
        note(node.config, line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Write the lines."""
    if lines := config.stash.get(_LINES, []):
        terminalreporter.section(TITLE)
        for line in lines:
            terminalreporter.write_line(line)

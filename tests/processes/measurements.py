"""What a test has measured, at the end of pytest's output."""

from dataclasses import dataclass, field

import pytest

NAME = "measurements of the tests"


@dataclass
class _Lines:
    lines: list[str] = field(default_factory=list)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section(NAME)
        for line in self.lines:
            terminalreporter.write_line(line)


def note(config: pytest.Config, line: str) -> None:
    """Show `line` in the summary."""
    if not config.pluginmanager.has_plugin(NAME):
        config.pluginmanager.register(_Lines(), NAME)
    plugin = config.pluginmanager.get_plugin(NAME)
    assert isinstance(plugin, _Lines)
    plugin.lines.append(line)

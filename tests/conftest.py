"""For every test: the command-line options, a clean environment, and no silent skip on CI."""

import os
from pathlib import Path

import pytest

pytest_plugins = ["tests.harness.measurements", "tests.servers.firestore", "tests.servers.storage"]

OURS = (
    *("WIREFLOW_", "SIMULATOR_", "JOBS_URL", "IMAGES_URL", "PUBLIC_URL", "GOOGLE_", "K_SERVICE", "LOG_EXECUTION_ID"),
    *("TRIGGER_", "EVENT_", "FORM_", "TURNSTILE_", "TRUSTED_", "FORWARDED_"),
)
TESTS = Path(__file__).parent
TOGETHER = {"terraform"}  # takes longest, so it begins first


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the sizes of the long suites. Each replaces the suite's own sizes, short and long."""
    sizes = parser.getgroup("sizes of the long suites")
    sizes.addoption("--kills", type=int, help="tests/crash: SIGKILLs per case (3, and 8 with -m slow)")
    sizes.addoption("--seed", type=int, default=1, help="tests/crash: seed of the moments and victims of the kills")
    sizes.addoption("--chaos-jobs", type=int, help="tests/chaos: jobs per case (12, and 60 with -m slow)")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tell pytest-xdist what one worker must run: a file, or a folder whose tests share costly fixtures."""
    for item in items:
        together = item.path.parent if item.path.parent.name in TOGETHER else item.path
        item.add_marker(pytest.mark.xdist_group(str(together.relative_to(TESTS))))
    items.sort(key=lambda item: item.path.parent.name not in TOGETHER)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove what the developer's shell has set."""
    for name in list(os.environ):
        if name.startswith(OURS):
            monkeypatch.delenv(name)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """Turn a skip into a failure on CI: a missing server must not go unnoticed."""
    report = (yield).get_result()
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"

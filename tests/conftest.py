"""For every test: the command-line options, a clean environment, and no silent skip on CI."""

import os
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

pytest_plugins = ["tests.harness.measurements", "tests.servers.firestore", "tests.servers.storage"]

OURS = (
    *("WIREFLOW_", "SIMULATOR_", "JOBS_URL", "IMAGES_URL", "PUBLIC_URL", "GOOGLE_", "K_SERVICE", "LOG_EXECUTION_ID"),
    *("TRIGGER_", "EVENT_", "FORM_", "TURNSTILE_", "TRUSTED_", "FORWARDED_", "PLAYGROUND"),
)
# One worker runs all of such a folder: one Terraform module, one Firestore emulator.
TOGETHER = ("tests/terraform/", "tests/jobs/")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the sizes of the long suites. Each replaces the suite's own sizes, short and long."""
    sizes = parser.getgroup("sizes of the long suites")
    sizes.addoption("--kills", type=int, help="tests/crash: SIGKILLs per case (4, and 8 with -m slow)")
    sizes.addoption("--seed", type=int, default=1, help="tests/crash: seed of the moments and victims of the kills")
    sizes.addoption("--chaos-jobs", type=int, help="tests/chaos: jobs per case (12, and 60 with -m slow)")


def pytest_xdist_auto_num_workers() -> int:
    """Return the number of workers: more than cores, because many tests wait for processes."""
    return (os.cpu_count() or 1) + 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""
    items.sort(key=lambda item: not item.nodeid.startswith(TOGETHER))


class _Scheduler(LoadScopeScheduling):
    """Gives one worker a whole file, or a whole folder of tests that share costly fixtures."""

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in TOGETHER if nodeid.startswith(folder)), nodeid.partition("::")[0])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _Scheduler:
    """Use our scheduler, whatever --dist says: loadgroup of pytest-xdist 3.8.0 has no effect with pytest 9.2."""
    return _Scheduler(config, log)


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

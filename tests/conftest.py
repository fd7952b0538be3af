"""What holds for every test: a clean environment, and servers that must be there on CI."""

import os

import pytest

pytest_plugins = ["tests.servers.firestore", "tests.servers.storage"]

OURS = (
    *("WIREFLOW_", "SIMULATOR_", "JOBS_URL", "IMAGES_URL", "PUBLIC_URL", "GOOGLE_", "K_SERVICE", "LOG_EXECUTION_ID"),
    *("TRIGGER_", "EVENT_", "FORM_", "TURNSTILE_", "TRUSTED_", "FORWARDED_"),
)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees what the developer's shell has set."""
    for name in list(os.environ):
        if name.startswith(OURS):
            monkeypatch.delenv(name)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """Under CI a skipped test is a failed one: a server that is missing must not go unnoticed."""
    report = (yield).get_result()
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"

"""A wrong configuration stops the start, and one message names everything that is wrong with it."""

from pathlib import Path

import pytest

from tests.processes.function import ROOT, Function

WRONG = {
    "WIREFLOW_WEBHOOK_ID": "a/b",
    "WIREFLOW_PLAN": "gold",
    "LEASE_SECONDS": "5",
    "JOBS_URL": "postgres://nowhere",
    "K_SERVICE": "trigger",
    "ALLOW_PRIVATE_NETWORK": "true",
}
NAMED = ("WIREFLOW_API_KEY", "IMAGES_URL", *(name for name in WRONG if name != "K_SERVICE"))


@pytest.mark.parametrize("name", ["trigger", "poller"])
def test_a_wrong_configuration_stops_the_start(name: str, tmp_path: Path):
    environ = {"PYTHONPATH": str(ROOT), **WRONG}
    function = Function(name, tmp_path, environ, source=f"functions/{name}/main.py")
    try:
        exit_code = function.launch().wait(30)
    finally:
        function.kill()
    assert exit_code != 0
    message = function.err.read_text()
    assert message.count("Invalid configuration:") == 1
    assert [fault for fault in NAMED if f"  {fault}: " in message] == list(NAMED)
    assert "Traceback" not in message

"""Google's Firestore emulator: one per worker of pytest-xdist; tests use different project ids."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.servers.process import answers, end, free_port, start

READY_SECONDS = 60.0
DOCUMENTS = "projects/warm-up/databases/(default)/documents"
FIND = {"from": [{"collectionId": "jobs"}], "limit": 1}
COUNT = {"structuredQuery": FIND, "aggregations": [{"count": {}}]}
# The kinds of calls of our store, through the emulator's REST interface.
# https://cloud.google.com/firestore/docs/reference/rest
FIRST_CALLS = {
    "commit": {"writes": [{"update": {"name": f"{DOCUMENTS}/jobs/1"}}]},
    "batchGet": {"documents": [f"{DOCUMENTS}/jobs/1"]},
    "runQuery": {"structuredQuery": FIND},
    "runAggregationQuery": {"structuredAggregationQuery": COUNT},
}


@pytest.fixture(scope="session")
def firestore_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return `host:port` of the emulator: FIRESTORE_EMULATOR_HOST, or one started for the session."""
    running = os.environ.get("FIRESTORE_EMULATOR_HOST")
    if running:
        if not answers(f"http://{running}/"):
            pytest.skip(f"nothing responds at FIRESTORE_EMULATOR_HOST={running}")
        yield running
        return
    missing = [name for name in ("gcloud", "java") if not shutil.which(name)]
    if missing:
        pytest.skip(f"the Firestore emulator needs {' and '.join(missing)}")
    log = tmp_path_factory.mktemp("firestore") / "emulator.log"
    with ExitStack() as stack:
        try:
            address = stack.enter_context(running_emulator(log))
        except RuntimeError as error:
            pytest.skip(f"the Firestore emulator did not start: {error}\n{log.read_text()[-2000:]}")
        yield address


@contextmanager
def running_emulator(log: Path) -> Iterator[str]:
    """Start an emulator and provide its `host:port` once it is fast. RuntimeError if it does not start."""
    address = f"127.0.0.1:{free_port()}"
    command = ["gcloud", "emulators", "firestore", "start", f"--host-port={address}", "--quiet"]
    process = start(command, None, f"http://{address}/", READY_SECONDS, log)
    try:
        _make_first_calls(address)
        yield address
    finally:
        end(process)


def _make_first_calls(address: str) -> None:
    """Call the emulator once: its first calls load classes for seconds, which on a busy machine outlast our limits."""
    with httpx.Client(timeout=READY_SECONDS, trust_env=False) as http:
        for method, body in FIRST_CALLS.items():
            http.post(f"http://{address}/v1/{DOCUMENTS}:{method}", json=body).raise_for_status()

"""Google's Firestore emulator: one per worker of pytest-xdist; tests use different project ids."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.servers.process import answers, end, free_port, start

READY_SECONDS = 60.0


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
    """Start an emulator and provide its `host:port`. RuntimeError if it does not start."""
    address = f"127.0.0.1:{free_port()}"
    command = ["gcloud", "emulators", "firestore", "start", f"--host-port={address}", "--quiet"]
    process = start(command, None, f"http://{address}/", READY_SECONDS, log)
    try:
        yield address
    finally:
        end(process)

"""fake-gcs-server, a Cloud Storage server: one per worker of pytest-xdist, one bucket per test.

Version 1.56.1 enforces preconditions; older ones let all of sixteen concurrent writers create the same object.
"""

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.servers.process import answers, end, free_port, start

SERVER = "github.com/fsouza/fake-gcs-server@v1.56.1"
READY_SECONDS = 20.0
INSTALL_SECONDS = 600.0


@pytest.fixture(scope="session")
def storage_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL of the server: STORAGE_EMULATOR_HOST, or one started for the session."""
    running = os.environ.get("STORAGE_EMULATOR_HOST")
    if running:
        url = running if "://" in running else f"http://{running}"
        if not answers(_ready(url)):
            pytest.skip(f"nothing responds at STORAGE_EMULATOR_HOST={running}")
        yield url
        return
    log = tmp_path_factory.mktemp("storage") / "server.log"
    with ExitStack() as stack:
        try:
            url = stack.enter_context(running_storage(log))
        except RuntimeError as error:
            pytest.skip(str(error))
        yield url


@contextmanager
def running_storage(log: Path) -> Iterator[str]:
    """Start a server and provide its URL; install it with Go if it is missing. RuntimeError if that fails."""
    executable = _executable()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [executable, "-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "memory"]
    # Without -public-host it responds to signed URLs with 404.
    command += ["-external-url", url, "-public-host", f"127.0.0.1:{port}", "-log-level", "error"]
    try:
        process = start(command, {"GOMEMLIMIT": "600MiB"}, _ready(url), READY_SECONDS, log)
    except RuntimeError as error:
        message = f"the Cloud Storage server did not start: {error}\n{log.read_text()[-2000:]}"
        raise RuntimeError(message) from error
    try:
        yield url
    finally:
        end(process)


@pytest.fixture
def bucket(storage_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Create a bucket, point Google's client at the server, and return the bucket's name."""
    name = f"test-{uuid.uuid4().hex}"
    httpx.post(f"{storage_server}/storage/v1/b", json={"name": name}).raise_for_status()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", storage_server)
    # Otherwise the client reads the bucket's metadata in a background thread (google-cloud-storage 3.17.1).
    monkeypatch.setenv("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
    return name


def _ready(url: str) -> str:
    return f"{url}/storage/v1/b"


def _executable() -> str:
    """Return the path of fake-gcs-server; install it with Go beside the interpreter if it is missing."""
    ours = Path(sys.executable).parent
    places = [str(ours), os.environ.get("PATH", os.defpath)]
    go = shutil.which("go", path=os.pathsep.join(places))
    if go:
        places.append(str(Path(_run(go, "env", "GOPATH")) / "bin"))
    found = shutil.which("fake-gcs-server", path=os.pathsep.join(places))
    return found or _install(go, ours)


def _install(go: str | None, place: Path) -> str:
    if go is None:
        message = f"fake-gcs-server is missing; with Go: go install {SERVER}"
        raise RuntimeError(message)
    try:
        _run(go, "install", SERVER, GOBIN=str(place), GOFLAGS="-modcacherw")
    except (subprocess.SubprocessError, OSError) as error:
        message = f"go install {SERVER} failed: {error}"
        raise RuntimeError(message) from error
    return str(place / "fake-gcs-server")


def _run(*command: str, **env: str) -> str:
    done = subprocess.run(
        command, env=os.environ | env, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS
    )
    return done.stdout.strip()

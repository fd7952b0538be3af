"""The simulator as a separate process under functions-framework."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.process import free_port, start

ROOT = Path(__file__).parents[2]
READY_SECONDS = 60.0


@contextmanager
def running(log: Path, port: int | None = None, **environ: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Yield its URL and its process, and kill it with its workers at the end."""
    url = f"http://127.0.0.1:{port or (port := free_port())}"
    command = [sys.executable, "-m", "functions_framework", "--source", str(ROOT / "functions/simulator/main.py")]
    command += ["--target", "simulator", "--host", "127.0.0.1", "--port", str(port)]
    process = start(command, {"PYTHONPATH": str(ROOT), **environ}, f"{url}/_stats", READY_SECONDS, log)
    try:
        yield url, process
    finally:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Send SIGKILL to the process and its workers."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)

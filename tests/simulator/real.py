"""The simulator as a process of its own under functions-framework."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(log: Path, port: int | None = None, **environ: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Its address and its process; ended, with its workers, whatever happens."""
    port = port or free_port()
    command = [sys.executable, "-m", "functions_framework", "--source", "functions/simulator/main.py"]
    command += ["--target", "simulator", "--host", "127.0.0.1", "--port", str(port)]
    settings = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environ}
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, env=settings, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield _ready(f"http://127.0.0.1:{port}", process, log), process
    finally:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to the process and its workers."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)


def _ready(url: str, process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        try:
            httpx.get(f"{url}/_stats", timeout=1)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return url
    raise RuntimeError(f"the simulator did not start:\n{log.read_text()}")

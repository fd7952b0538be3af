"""Servers that tests start: on a free port, in a process group of their own, so that no process survives the test."""

import os
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import httpx

GRACE_SECONDS = 5.0
# For clients. The servers close a connection that was idle for 5 s; with its default, also 5 s, httpx may send a
# request at that moment.
IDLE_LIMITS = httpx.Limits(keepalive_expiry=1.0)
# Below the ports that systems give to outgoing connections: one of those could take the port of a server that is down
# for a moment. Each worker of pytest-xdist (gw0, gw1, …) has ports of its own.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
PORTS = range(20_000, 32_000)[_WORKER::64]

_random = random.SystemRandom()  # hypothesis seeds the other one
_given: set[int] = set()


def free_port() -> int:
    """Return a port of 127.0.0.1 that is free and that this test run has not used before."""
    while True:
        port = _random.choice(PORTS)
        if port not in _given and is_free(port):
            _given.add(port)
            return port


def is_free(port: int) -> bool:
    """Return whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def start(
    command: list[str], env: dict[str, str] | None, ready_url: str, seconds: float, log: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start a server and return once `ready_url` responds with 200. Its output goes to `log`, if given.

    `env` is added to the environment. RuntimeError, with the process killed, if the server exits or `seconds` pass
    first.
    """
    with log.open("ab") if log else open(os.devnull, "wb") as output:  # noqa: PTH123, devnull is no path of ours
        process = subprocess.Popen(
            command,
            env=os.environ | (env or {}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_ready(process, ready_url, seconds)
    except BaseException:
        end(process)
        raise
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    """Terminate the whole process group: a wrapper such as `gcloud` does not pass signals on to its server."""
    if _signal(process, signal.SIGTERM):
        _wait_for_group(process, GRACE_SECONDS)
        _signal(process, signal.SIGKILL)
    process.wait()


def answers(url: str) -> bool:
    """Return whether `url` responds with 200 within a second; ignores proxies of the environment."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with suppress(urllib.error.URLError, OSError), opener.open(url, timeout=1) as answer:
        return bool(answer.status == 200)
    return False


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not answers(url):
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} exited with {process.returncode}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"{process.args!r} did not respond at {url} within {seconds} s")
        time.sleep(0.05)


def _wait_for_group(process: subprocess.Popen[bytes], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        process.poll()  # reap the leader: a zombie still counts as a member of its group
        if not _signal(process, 0):
            return
        time.sleep(0.05)


def _signal(process: subprocess.Popen[bytes], number: int) -> bool:
    """Return whether the process group exists."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return False
    return True

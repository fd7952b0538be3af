"""Servers that tests start: a free port, a process group of their own, and an end that leaves nothing behind."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

GRACE_SECONDS = 5.0


def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(
    command: list[str], env: dict[str, str] | None, ready_url: str, seconds: float, log: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start a server and return once `ready_url` answers 200; its output goes to `log`, if given.

    `env` is added to the environment. RuntimeError, and no process left, if the server ends or `seconds` pass before.
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
    """End the whole process group: a wrapper such as `gcloud` leaves its server behind if it alone is told."""
    if _signal(process, signal.SIGTERM):
        _wait_for_group(process, GRACE_SECONDS)
        _signal(process, signal.SIGKILL)
    process.wait()


def answers(url: str) -> bool:
    """Whether `url` answers 200 within a second, without any proxy of the environment."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with suppress(urllib.error.URLError, OSError), opener.open(url, timeout=1) as answer:
        return bool(answer.status == 200)
    return False


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not answers(url):
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"{process.args!r} did not answer at {url} within {seconds} s")
        time.sleep(0.05)


def _wait_for_group(process: subprocess.Popen[bytes], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        process.poll()  # reap the leader: a zombie still counts as a member of its group
        if not _signal(process, 0):
            return
        time.sleep(0.05)


def _signal(process: subprocess.Popen[bytes], number: int) -> bool:
    """Whether the process group was there to be told."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return False
    return True

"""A function under functions-framework is killed with all its processes, and a failed start is reported."""

import subprocess
from pathlib import Path

import httpx
import pytest

from tests.cli.command import eventually
from tests.processes.function import Function, is_free

# A function whose framework does not end when it is told to, and that starts a process of its own.
STUBBORN = """
import signal, subprocess, sys
import functions_framework.aio

signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])

@functions_framework.aio.http
async def stubborn(request):
    return "ok"
"""


def stubborn(folder: Path, source: str = STUBBORN) -> Function:
    (folder / "main.py").write_text(source)
    return Function("stubborn", folder, {}, folder=folder, ready="/")


def members(group: int) -> list[str]:
    """Return the running processes of a group; zombies do not count."""
    table = subprocess.run(["ps", "-A", "-o", "pgid=,pid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = (line.split() for line in table.splitlines())
    return [pid for pgid, pid, state in rows if int(pgid) == group and not state.startswith("Z")]


def test_a_function_is_killed_with_its_children(tmp_path: Path):
    function = stubborn(tmp_path)
    group = function.launch().pid
    eventually(lambda: not is_free(function.port))
    assert len(members(group)) >= 2
    function.kill()
    eventually(lambda: members(group) == [])
    assert is_free(function.port)


def test_children_are_killed_when_their_leader_is_gone(tmp_path: Path):
    function = stubborn(tmp_path)
    leader = function.launch()
    eventually(lambda: not is_free(function.port))
    leader.kill()
    leader.wait()
    assert members(leader.pid)
    function.kill()
    eventually(lambda: members(leader.pid) == [])


def test_a_failed_start_is_reported_with_the_last_output(tmp_path: Path):
    with pytest.raises(RuntimeError, match="no such luck"):
        stubborn(tmp_path, "raise SystemExit('no such luck')").start()


def test_killing_a_function_that_does_not_run_is_harmless(tmp_path: Path):
    stubborn(tmp_path).kill()


MORTAL = """
import os, signal
import functions_framework.aio

@functions_framework.aio.http
async def mortal(request):
    if request.url.path == "/die":
        os.kill(os.getpid(), signal.SIGSEGV)
    return "ok"
"""


def test_a_worker_that_died_is_told(tmp_path: Path):
    (tmp_path / "main.py").write_text(MORTAL)
    function = Function("mortal", tmp_path, {}, folder=tmp_path, ready="/").start()
    try:
        assert function.lost_workers() == []
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{function.url}/die", trust_env=False)
        eventually(lambda: any("SIGSEGV" in line for line in function.lost_workers()))
    finally:
        function.kill()

"""The command line as people start it: a process in a folder of its own, with an environment that the test names."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
SECONDS = 60.0


class Ended(NamedTuple):
    code: int
    out: str
    err: str


class Command:
    """`python -m functions …` in `folder`; its temporary files go to a folder that a test can look into."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.temporary = folder / "temporary"
        self.temporary.mkdir()

    def run(self, *arguments: str, **environ: str) -> Ended:
        with self.started(*arguments, **environ) as process:
            return ended(process)

    @contextmanager
    def started(self, *arguments: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(
            [sys.executable, "-m", "functions", *arguments],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TMPDIR": str(self.temporary), **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=SECONDS)


def ended(process: subprocess.Popen[str]) -> Ended:
    out, err = process.communicate(timeout=SECONDS)
    return Ended(process.returncode, out, err)


def groups(process: subprocess.Popen[str]) -> set[int]:
    """The process groups of its children."""
    return {group for _, parent, group, _ in _processes() if parent == process.pid}


def alive(groups: set[int]) -> list[int]:
    """The processes that still run in these groups; one that only waits to be reaped does not."""
    return [pid for pid, _, group, state in _processes() if group in groups and not state.startswith("Z")]


def eventually(happened: Callable[[], bool], seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.1)


def _processes() -> list[tuple[int, int, int, str]]:
    table = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,pgid=,stat="], capture_output=True, text=True, check=True
    ).stdout
    rows = (line.split() for line in table.splitlines())
    return [(int(pid), int(parent), int(group), state) for pid, parent, group, state in rows]

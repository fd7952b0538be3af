"""The command line, in a folder of its own and with an environment that the test defines: a subprocess, or faster."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from click.testing import CliRunner

from functions.cli.commands import cli
from functions.cli.tasks import SIGNALS

ROOT = Path(__file__).parents[2]
SECONDS = 60.0


class Result(NamedTuple):
    code: int
    out: str
    err: str


class Command:
    """`python -m functions …` in `folder`. Its temporary files go to `temporary`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.temporary = folder / "temporary"
        self.temporary.mkdir()

    def run(self, *arguments: str, **environ: str) -> Result:
        with self.started(*arguments, **environ) as process:
            return result_of(process)

    def invoke(self, *arguments: str, **environ: str) -> Result:
        """Do the same in this process, which is much faster: for commands that start no server and ask nothing."""
        handlers = {number: signal.getsignal(number) for number in SIGNALS}
        try:
            with chdir(self.folder):
                result = CliRunner().invoke(cli, arguments, env={"COLUMNS": "80", **environ})
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Result(result.exit_code, result.stdout, result.stderr)

    def run_script(self, script: str, **environ: str) -> Result:
        """Run Python code instead of a command."""
        with self._process("-c", script, **environ) as process:
            return result_of(process)

    @contextmanager
    def started(self, *arguments: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
        with self._process("-m", "functions", *arguments, **environ) as process:
            yield process

    @contextmanager
    def in_background(self, *arguments: str, **environ: str) -> Iterator[None]:
        """Run a command for as long as needed. What it prints goes to a file: a full pipe would stop it."""
        file = self.folder / "output.txt"
        with file.open("w") as output, self._process("-m", "functions", *arguments, output=output, **environ):
            yield

    @contextmanager
    def _process(
        self, *arguments: str, output: int | IO[str] = subprocess.PIPE, **environ: str
    ) -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TMPDIR": str(self.temporary), **environ},
            stdout=output,
            stderr=output,
            text=True,
        )
        try:
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=SECONDS)


def result_of(process: subprocess.Popen[str]) -> Result:
    """Wait for the process to end."""
    out, err = process.communicate(timeout=SECONDS)
    return Result(process.returncode, out, err)


def read_until(process: subprocess.Popen[str], words: str) -> str:
    """Read standard output up to the line with these words."""
    assert process.stdout is not None
    text = ""
    while words not in text:
        line = process.stdout.readline()
        assert line, result_of(process).err
        text += line
    return text


def children(process: subprocess.Popen[str]) -> list[str]:
    """Return the IDs of its child processes."""
    table = subprocess.run(["ps", "-A", "-o", "ppid=,pid="], capture_output=True, text=True, check=True).stdout
    rows = (line.split() for line in table.splitlines())
    return [child for parent, child in rows if int(parent) == process.pid]


def eventually(happened: Callable[[], bool], seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.1)

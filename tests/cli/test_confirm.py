"""Nothing is paid without an answer, and Ctrl-C interrupts the question."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.cli.command import ROOT, Command

ASK = """
import sys
from functions.cli.confirm import confirm
from functions.cli.tasks import run_until_interrupted
import click

try:
    run_until_interrupted(confirm("Pay?"))
except click.Abort:
    sys.exit(7)
except click.ClickException as error:
    error.show()
    sys.exit(error.exit_code)
print("paid")
"""


@contextmanager
def asked() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Ask on a terminal; yield the process and the terminal's other end."""
    ours, theirs = pty.openpty()
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", ASK], stdin=theirs, stdout=pipe, stderr=pipe, text=True, env=environ
    ) as process:
        os.close(theirs)
        assert process.stderr is not None
        assert process.stderr.read(11) == "Pay? [y/N] "
        try:
            yield process, ours
        finally:
            process.kill()
            os.close(ours)


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("YES", 0), ("n", 7), ("", 7), ("yes please", 7)])
def test_only_yes_is_an_agreement(answer: str, code: int):
    with asked() as (process, terminal):
        os.write(terminal, f"{answer}\n".encode())
        assert (process.wait(30), process.stdout.read() if process.stdout else "") == (code, "" if code else "paid\n")
        assert process.stderr is not None
        assert ("Nothing was started." in process.stderr.read()) == bool(code)


def test_an_interrupt_ends_the_question():
    with asked() as (process, _):
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130


def test_without_a_terminal_it_must_be_agreed_by_an_option(command: Command):
    result = command.run_script(ASK)
    assert (result.code, result.out) == (2, "")
    assert "Add --yes" in result.err

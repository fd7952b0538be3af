"""Starts the command line, or says what has to be installed first; every way to end has its exit code here.

Nothing that has to be installed is imported before it is known to be there.
"""

import io
import os
import signal
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

REQUIREMENTS = Path(__file__).parent / "requirements.txt"
NEEDED = ("click", "rich", "PIL", "httpx", "functions_framework", "google_crc32c")  # by the names of their modules
WRONG_SETUP, INTERRUPTED = 2, 130


def main() -> None:
    """Run the command of the process's arguments and end with its exit code."""
    signal.signal(signal.SIGINT, _quit)
    missing = [module for module in NEEDED if find_spec(module) is None]
    if missing:
        install = f"{sys.executable} -m pip install -r {os.path.relpath(REQUIREMENTS)}"
        sys.stderr.write(f"Error: not installed: {', '.join(missing)}. What is needed comes with\n\n    {install}\n\n")
        sys.exit(WRONG_SETUP)
    _never_fail_to_print()
    sys.exit(_command())


def _command() -> int:
    """The exit code of the command. click would end an interrupted one with 1."""
    import click

    from functions.cli.commands import cli

    try:
        cli.main(prog_name="python -m functions", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return INTERRUPTED
    return 0


def _quit(*_signal: object) -> NoReturn:
    """Ctrl-C while packages are imported: there is nothing to clean up, and a stack trace would help nobody."""
    os._exit(INTERRUPTED)


def _never_fail_to_print() -> None:
    """A terminal that cannot show a character of the prompt shows another one."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")

"""The entry point of the command line. It reports missing packages before it imports any of them."""

import io
import os
import signal
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

REQUIREMENTS = Path(__file__).parent / "requirements.txt"
NEEDED = ("click", "rich", "PIL", "httpx", "functions_framework", "google_crc32c")  # module names
SETUP_ERROR, INTERRUPTED = 2, 130


def main() -> None:
    """Run the command in `sys.argv` and exit with its exit code."""
    signal.signal(signal.SIGINT, _quit)
    missing = [module for module in NEEDED if find_spec(module) is None]
    if missing:
        install = f"{sys.executable} -m pip install -r {os.path.relpath(REQUIREMENTS)}"
        sys.stderr.write(
            f"Error: These packages are not installed: {', '.join(missing)}. Install them with\n\n    {install}\n\n"
        )
        sys.exit(SETUP_ERROR)
    _replace_unprintable_characters()
    _exit(_command())


def _command() -> int:
    """Run the command and return its exit code. click itself would exit with 1 after an interruption."""
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
    """Exit on Ctrl-C while packages are imported: there is nothing to clean up yet."""
    os._exit(INTERRUPTED)


def _exit(code: int) -> NoReturn:
    """Exit without waiting for threads: one may still download an image, which can take minutes."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code)


def _replace_unprintable_characters() -> None:
    """Let a terminal that cannot show a character of the prompt show a replacement instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")

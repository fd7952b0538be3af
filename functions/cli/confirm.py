"""A question that must be answered before something is paid or erased."""

import asyncio
import sys

import click

from functions.cli.errors import SetupError


async def confirm(question: str, declined: str = "Nothing was started.") -> None:
    """Ask on standard error and wait for the answer, which Ctrl-C interrupts like anything else.

    `declined`: what is said unless the answer is yes. Raises click.Abort then, and SetupError if no person can answer.
    """
    if not sys.stdin.isatty():
        raise SetupError(f"{question} Add --yes to agree: standard input is not a terminal.")
    click.echo(f"{question} [y/N] ", nl=False, err=True)
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sys.stdin, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(sys.stdin)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        click.echo(declined, err=True)
        raise click.Abort

"""Running a command until it ends or is interrupted, and tasks that end together."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

import click

from functions.cli.errors import Interrupted

T = TypeVar("T")

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_until_interrupted(work: Coroutine[Any, Any, T]) -> T:
    """Return the result of `work`. Raises Interrupted after Ctrl-C or another signal, when `work` has cleaned up.

    The first signal cancels `work`. Later ones are ignored: cleaning up takes seconds and must not be interrupted.
    """
    try:
        return asyncio.run(_cancel_on_signal(work))
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # only the exit code is left to be set


def serve_until_interrupted(servers: Coroutine[Any, Any, None]) -> None:
    """Run servers until a signal, which is their normal end."""
    try:
        run_until_interrupted(servers)
    except Interrupted:
        click.echo("Stopped.", err=True)


async def _cancel_on_signal(work: Coroutine[Any, Any, T]) -> T:
    task = asyncio.ensure_future(work)
    signals: list[int] = []

    def interrupt(number: int) -> None:
        if not signals:
            task.cancel()
        signals.append(number)

    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, interrupt, number)
    try:
        return await task
    except asyncio.CancelledError:
        raise Interrupted from None


async def first_completed(*works: Coroutine[Any, Any, T]) -> T:
    """Return or raise what the first completed coroutine does. The others are canceled and awaited."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(task for task in tasks if task in done).result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

"""Work that can be interrupted at any moment and still cleans up, and tasks that end together."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

from functions.cli.errors import Interrupted

T = TypeVar("T")

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_until_interrupted(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`; Interrupted once it has cleaned up after Ctrl-C, or a signal to end.

    A signal becomes a cancellation: it arrives only where the work waits, never between starting a process and
    knowing of it. Only the first one does: cleaning up must not be interrupted, and takes seconds at most.
    """
    try:
        return asyncio.run(_cancelled_by_signals(work))
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # all that is left to do is to end with the right exit code


async def _cancelled_by_signals(work: Coroutine[Any, Any, T]) -> T:
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


async def first(*works: Coroutine[Any, Any, T]) -> T:
    """What the work that ends first returns or raises; the others are cancelled and waited for."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(task for task in tasks if task in done).result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

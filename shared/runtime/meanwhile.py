"""Do two things at the same time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from shared.log import Log
from shared.ports import Clock

T = TypeVar("T")


async def meanwhile(work: Awaitable[T], other: Callable[[], Awaitable[object]] | None, clock: Clock, log: Log) -> T:
    """Await `work`, and do the other thing, if there is one, meanwhile. Both are over when this returns or raises.

    If the other thing fails, that is logged, and the result is still that of the work.
    """
    if other is None:
        return await work
    doing = asyncio.create_task(_after_a_turn(other, clock))
    try:
        return await work
    finally:
        if not doing.done():
            await asyncio.wait([doing])
        if not doing.cancelled() and (error := doing.exception()):
            log.internal_error(error, "What was done meanwhile failed")


async def _after_a_turn(other: Callable[[], Awaitable[object]], clock: Clock) -> None:
    """Let the work send its request first: then it waits for the network while this uses the processor."""
    await clock.sleep(0)
    await other()

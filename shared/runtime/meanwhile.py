"""Do two things at the same time."""

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

from shared.ports import Clock

T = TypeVar("T")


async def meanwhile(work: Awaitable[T], other: Coroutine[Any, Any, object] | None, clock: Clock) -> T:
    """Await `work`, and do the other thing, if there is one, meanwhile. Both are over when this returns or raises."""
    if other is None:
        return await work
    doing = asyncio.create_task(_after_a_turn(other, clock))
    try:
        return await work
    finally:
        await doing


async def _after_a_turn(other: Coroutine[Any, Any, object], clock: Clock) -> None:
    """Let the work send its request first: then it waits for the network while this uses the processor."""
    await clock.sleep(0)
    await other

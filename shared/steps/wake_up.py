"""Let the poller be called in time, while a request does something else."""

import asyncio
from collections.abc import Awaitable
from datetime import datetime
from typing import TypeVar

from shared.runtime.dependencies import Deps

T = TypeVar("T")


async def wake_up_meanwhile(work: Awaitable[T], moment: datetime, deps: Deps) -> T:
    """Await `work`, and meanwhile let the poller be called at `moment`. Both are over when this returns or raises."""
    if not deps.wake_up.interval:
        return await work
    waking = asyncio.create_task(deps.wake_up.at(moment))
    try:
        return await work
    finally:
        await waking

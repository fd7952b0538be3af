"""Let the poller be called in time, while a request does something else."""

from collections.abc import Awaitable
from datetime import datetime
from functools import partial
from typing import TypeVar

from shared.runtime.dependencies import Deps
from shared.runtime.meanwhile import meanwhile

T = TypeVar("T")


async def wake_up_meanwhile(work: Awaitable[T], moment: datetime, deps: Deps) -> T:
    """Await `work`, and meanwhile let the poller be called at `moment`. Both are over when this returns or raises."""
    wake_up = partial(deps.wake_up.at, moment) if deps.wake_up.interval else None
    return await meanwhile(work, wake_up, deps.clock, deps.log)

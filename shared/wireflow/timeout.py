"""A timeout for calls whose response must not be lost because something else blocked the event loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.ports import Clock

STEP_SECONDS = 0.5


@asynccontextmanager
async def responsive_timeout(seconds: float, clock: Clock) -> AsyncIterator[None]:
    """Raise TimeoutError after `seconds` in which the event loop was responsive.

    A response that arrives while the loop is blocked is read afterwards; `asyncio.timeout` would expire before that.
    """
    async with asyncio.timeout(None) as timeout:
        timer = asyncio.create_task(_expire(timeout, seconds, clock))
        try:
            yield
        finally:
            timer.cancel()


async def _expire(call: asyncio.Timeout, seconds: float, clock: Clock) -> None:
    """Let the timeout of a call expire. Each step counts once, however late it ends, and the last one must end on time.

    If no step ever ends on time, the timeout expires after twice as many of them.
    """
    loop, remaining, is_late = asyncio.get_running_loop(), seconds, False
    while remaining > 0 or (is_late and remaining > -seconds):
        step = min(STEP_SECONDS, remaining) if remaining > 0 else STEP_SECONDS
        due = loop.time() + step
        await clock.sleep(step)
        is_late = loop.time() - due > STEP_SECONDS
        remaining -= step
    call.reschedule(loop.time())

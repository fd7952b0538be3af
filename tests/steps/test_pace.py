"""Polls of the product: how long runs took is remembered, and which request goes first when there is room for one."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from shared.runtime.request_limiter import RequestLimiter
from shared.runtime.slots import WindowEnd
from tests.harness.virtual_time import VirtualClock
from tests.steps.conftest import OpenWorld

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
RUN_SECONDS = 30.0


async def test_how_long_runs_took_survives_a_restart(open_world: OpenWorld) -> None:
    async with open_world(run_seconds=(RUN_SECONDS, RUN_SECONDS)) as before:
        await before.end_of(*[await before.accepted(f"prompt {number}") for number in range(10)])
        async with open_world(simulator=before.simulator, wake_ups=True) as after:
            job_id = await after.accepted()
            began = after.clock.now()
            await after.clock.sleep(2 * RUN_SECONDS)
            assert (await after.record(job_id)).finished
            polls = [(at - began).total_seconds() for at in after.vendor.times("poll")]
            assert polls[0] > RUN_SECONDS / 2, "the guide's schedule begins after a second"
            assert len(polls) <= 4


@pytest.mark.parametrize("overdue_last", [True, False])
async def test_a_run_that_was_not_polled_for_a_minute_goes_first(overdue_last: bool) -> None:
    clock = VirtualClock(NOON)
    window = WindowEnd(clock)
    window.set(300.0)
    limiter = RequestLimiter(1, clock, window)
    limiter.record()
    order: list[str] = []

    async def poll(name: str, *, overdue: bool = False) -> None:
        async with limiter.acquire(overdue=overdue):
            order.append(name)

    polls = [poll("one"), poll("another"), poll("overdue", overdue=True)]
    await asyncio.gather(*(polls if overdue_last else reversed(polls)))
    assert order[0] == "overdue"
    assert clock.now() - NOON > timedelta(minutes=3) - timedelta(seconds=1)

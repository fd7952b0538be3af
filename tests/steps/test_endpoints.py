"""Endpoints of receivers: how many deliveries are under way at each, and when the others are made."""

import asyncio
from datetime import timedelta

import pytest

from shared.runtime.endpoints import (
    FAILURES,
    MAX_DELIVERIES,
    MAX_POSTPONED,
    PER_ENDPOINT,
    PER_HOST,
    Endpoints,
    Postponed,
)
from tests.harness.virtual_time import VirtualClock

LIVE, DEAD = "https://hooks.test/live", "https://hooks.test/dead"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def endpoints(clock: VirtualClock) -> Endpoints:
    return Endpoints(clock, lambda: 0.5)


async def deliver(
    endpoints: Endpoints, url: str, seconds: float = 15.0, *, works: bool = False, share: str = "zap"
) -> float:
    """Deliver a message; return the time at which it was sent. Raise Postponed."""
    async with endpoints.acquire(url, share):
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(seconds)
        (endpoints.succeeded if works else endpoints.failed)(url)
    return began


async def outcomes(
    endpoints: Endpoints, *urls: str, seconds: float = 15.0, works: bool = False
) -> list[float | BaseException]:
    calls = (deliver(endpoints, url, seconds, works=works) for url in urls)
    return await asyncio.gather(*calls, return_exceptions=True)


def postponed(results: list[float | BaseException]) -> list[Postponed]:
    return [result for result in results if isinstance(result, Postponed)]


async def test_a_few_deliveries_to_an_endpoint_are_under_way_at_once(endpoints: Endpoints) -> None:
    results = await outcomes(endpoints, *[LIVE] * 10)
    assert len(postponed(results)) == 10 - PER_ENDPOINT


async def test_a_healthy_endpoint_takes_many_without_postponing_any(endpoints: Endpoints) -> None:
    assert not postponed(await outcomes(endpoints, *[LIVE] * 100, seconds=0.03, works=True))


async def test_after_repeated_failures_one_is_tried_at_a_time(endpoints: Endpoints) -> None:
    await outcomes(endpoints, *[DEAD] * FAILURES)
    assert len(postponed(await outcomes(endpoints, *[DEAD] * 10))) == 9
    await deliver(endpoints, DEAD, works=True)
    assert len(postponed(await outcomes(endpoints, *[DEAD] * PER_ENDPOINT))) == 0


async def test_a_dead_endpoint_delays_no_other_of_its_host(endpoints: Endpoints) -> None:
    await outcomes(endpoints, *[DEAD] * FAILURES)
    endpoints.throttled(DEAD, 600)
    began = asyncio.get_running_loop().time()
    dead = asyncio.create_task(outcomes(endpoints, *[DEAD] * 50))
    sent = await asyncio.gather(*(deliver(endpoints, LIVE, 0.01, works=True) for _ in range(50)))
    assert max(sent) - began < 1
    await dead


async def test_the_query_is_no_part_of_an_endpoint(endpoints: Endpoints) -> None:
    results = await outcomes(endpoints, *(f"{DEAD}?job={number}" for number in range(10)))
    assert len(postponed(results)) == 10 - PER_ENDPOINT


async def test_a_dead_host_with_a_url_for_each_job_leaves_room_for_others(endpoints: Endpoints) -> None:
    dead = asyncio.create_task(outcomes(endpoints, *(f"{DEAD}/{number}" for number in range(200))))
    await asyncio.sleep(5)
    began = asyncio.get_running_loop().time()
    assert await deliver(endpoints, "https://other.test/", 0.01, works=True) == began
    assert len(postponed(await dead)) == 200 - PER_HOST


async def test_a_caller_whose_receivers_are_all_dead_leaves_room_for_others(endpoints: Endpoints) -> None:
    dead = asyncio.create_task(outcomes(endpoints, *(f"https://dead{number}.test/" for number in range(200))))
    await asyncio.sleep(5)
    began = asyncio.get_running_loop().time()
    assert await deliver(endpoints, LIVE, 0.01, works=True, share="shop") == began
    assert len(postponed(await dead)) == 200 - MAX_DELIVERIES // 2


async def test_postponed_deliveries_follow_each_other_as_the_endpoint_responds(
    endpoints: Endpoints, clock: VirtualClock
) -> None:
    await outcomes(endpoints, *[DEAD] * FAILURES)
    now = clock.now()
    times = [one.at - now for one in postponed(await outcomes(endpoints, *[DEAD] * 200))]
    assert times[:3] == [timedelta(seconds=seconds) for seconds in (16, 31, 46)]
    assert max(times) <= timedelta(seconds=MAX_POSTPONED + 1)


async def test_a_receiver_that_throttles_is_left_alone(endpoints: Endpoints, clock: VirtualClock) -> None:
    endpoints.throttled(LIVE, 60)
    (one,) = postponed(await outcomes(endpoints, LIVE))
    assert one.at >= clock.now() + timedelta(seconds=60)
    await asyncio.sleep(60)
    assert not postponed(await outcomes(endpoints, LIVE))

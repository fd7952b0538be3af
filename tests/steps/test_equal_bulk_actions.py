"""Equal retries of many jobs at the same time have one result: what one of them has retried is done for both."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from shared.ports import JobStore
from tests.steps.conftest import OpenWorld
from tests.steps.test_bulk_actions import failed_jobs, retry_all


class Slow:
    """A store whose calls take a random time, once `delay` is set."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self.delay: Callable[[], Awaitable[None]] | None = None

    def __getattr__(self, name: str) -> Any:
        async def call(*args: Any, **options: Any) -> Any:
            if self.delay:
                await self.delay()
            return await getattr(self._store, name)(*args, **options)

        return call


@pytest.mark.parametrize("seed", [0, 2])
async def test_a_job_that_an_equal_request_retried_meanwhile_is_done_and_not_skipped(
    open_world: OpenWorld, seed: int
) -> None:
    stores: list[Slow] = []

    def wrap(store: JobStore) -> Any:
        stores.append(Slow(store))
        return stores[-1]

    async with open_world(wrap=wrap) as world:
        ids = await failed_jobs(world, 8)
        chance = random.Random(seed)
        stores[0].delay = lambda: world.clock.sleep(chance.uniform(0, 0.3))
        responses = await asyncio.gather(retry_all(world), retry_all(world))
        results = [response.json() for response in (*responses, await retry_all(world))]
        assert [(result["matched"], result["done"], result["skipped"]) for result in results] == [(8, 8, 0)] * 3
        assert [result["jobs"] for result in results] == [ids] * 3
        stores[0].delay = None
        await world.end_of(*ids)
        assert world.paid == 16

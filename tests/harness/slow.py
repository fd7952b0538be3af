"""A job store with latency, so that the calls of two workers interleave in many ways."""

import random
from typing import Any

from shared.ports import Clock, JobStore


class SlowJobs:
    """Each call takes up to `seconds` each way, most of them a tenth of that. The same seed gives the same order."""

    def __init__(self, inner: JobStore, clock: Clock, seconds: float = 4.0, seed: int = 1) -> None:
        self._inner = inner
        self._clock = clock
        self._seconds = seconds
        self._chance = random.Random(seed)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)

        async def late(*args: Any, **kwargs: Any) -> Any:
            await self._clock.sleep(self._latency())
            try:
                return await method(*args, **kwargs)
            finally:
                await self._clock.sleep(self._latency())

        return late

    def _latency(self) -> float:
        return self._chance.uniform(0, self._seconds) / self._chance.choice([1, 10, 10, 10])

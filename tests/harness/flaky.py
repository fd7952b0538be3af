"""A job store that is unavailable at random, before it has done anything."""

import random
from collections.abc import Collection
from typing import Any

from shared.ports import JobStore
from shared.store_errors import StoreUnavailable


class FlakyJobs:
    """Raises StoreUnavailable in a `share` of the calls: of all methods, or of those in `only`.

    A test may change both. The same seed gives the same outages.
    """

    def __init__(self, inner: JobStore, share: float = 0.0, seed: int = 1) -> None:
        self.share = share
        self.only: Collection[str] = ()
        self._inner = inner
        self._chance = random.Random(seed)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)

        async def perhaps(*args: Any, **kwargs: Any) -> Any:
            if name != "close" and name in (self.only or [name]) and self._chance.random() < self.share:
                raise StoreUnavailable(f"{name}: the store is unavailable")
            return await method(*args, **kwargs)

        return perhaps

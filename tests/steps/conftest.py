"""Facts about the product, in virtual time."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.harness.virtual_time import VirtualLoop
from tests.harness.world import World, world

Open = Callable[..., AbstractAsyncContextManager[World]]


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, type[VirtualLoop]]:
    return {"virtual": VirtualLoop}


@pytest.fixture
def open_world(tmp_path: Path) -> Open:
    """Opens a world with these settings; twice in one test: on the same store and images."""

    def opened(**settings: Any) -> AbstractAsyncContextManager[World]:
        return world(tmp_path, **settings)

    return opened


@pytest.fixture
async def here(open_world: Open) -> AsyncIterator[World]:
    """A world without limits on either side."""
    async with open_world() as made:
        yield made

"""Fixtures of the tests of the steps: both functions and the simulator in virtual time."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.harness import world as harness
from tests.harness.virtual_time import VirtualLoop
from tests.harness.world import World

OpenWorld = Callable[..., AbstractAsyncContextManager[World]]


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, type[VirtualLoop]]:
    return {"virtual": VirtualLoop}


@pytest.fixture
def open_world(tmp_path: Path) -> OpenWorld:
    """Return a function that opens a world with given settings. All worlds of a test share the store and the images."""

    def open_with(**settings: Any) -> AbstractAsyncContextManager[World]:
        return harness.world(tmp_path, **settings)

    return open_with


@pytest.fixture
async def world(open_world: OpenWorld) -> AsyncIterator[World]:
    """A world without rate limits, in the product and in the simulator."""
    async with open_world() as opened:
        yield opened

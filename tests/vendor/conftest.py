"""The vendor's faults and shapes, in virtual time where time passes."""

import pytest

from tests.harness.virtual_time import VirtualLoop


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, type[VirtualLoop]]:
    return {"virtual": VirtualLoop}

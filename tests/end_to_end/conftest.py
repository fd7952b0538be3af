"""One product on both emulators for all of these tests."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from tests.processes.product import Caller, Places, Product


@dataclass(frozen=True)
class Running:
    """The processes, and somebody who calls them."""

    product: Product
    caller: Caller
    storage: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(
    firestore_emulator: str, storage_server: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    """Short windows, so that a test can wait for the end of one."""
    places = Places.cloud(firestore_emulator, storage_server)
    settings = {"POLL_WINDOW_SECONDS": "4", "EXECUTIONS_PER_MINUTE": "0", "DAILY_EXECUTIONS": "0"}
    folder = tmp_path_factory.mktemp("end_to_end")
    product = Product(folder, places, settings=settings, simulator={"SIMULATOR_RUN_SECONDS": "2"})
    async with product.running() as caller:
        yield Running(product, caller, storage_server)

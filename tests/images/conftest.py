"""The sites that downloads are tested against, and a clock for them."""

from collections.abc import Iterator

import httpx
import pytest

from shared import egress
from shared.images.download import Downloader
from tests.images.fetching import MAX_BYTES
from tests.images.site import Site, answer


class Watch:
    """Seconds that pass when told to."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def cdn() -> Iterator[Site]:
    """Where the images are."""
    with Site() as site:
        yield site


@pytest.fixture
def wireflow() -> Iterator[Site]:
    """Where the download proxy is, which has nothing."""
    with Site() as site:
        site.put("/api/download", answer(404))
        yield site


@pytest.fixture
def client(cdn: Site, wireflow: Site) -> Iterator[httpx.Client]:
    with egress.client([cdn.host, wireflow.host], allow_private=True) as client:
        yield client


@pytest.fixture
def downloads(client: httpx.Client, wireflow: Site, watch: Watch) -> Downloader:
    """Images of at most MAX_BYTES."""
    return Downloader(client, base_url=f"{wireflow.url}/api/v1", max_bytes=MAX_BYTES, monotonic=watch)

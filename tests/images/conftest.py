"""Fixtures: the web servers that downloads are tested against, and their clock."""

from collections.abc import Iterator

import httpx
import pytest

from shared import egress
from shared.images.download import Downloader
from tests.images.fetching import MAX_BYTES
from tests.images.site import Site, response


class Watch:
    """A clock in seconds that tests set."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def cdn() -> Iterator[Site]:
    """The server of the images."""
    with Site() as site:
        yield site


@pytest.fixture
def wireflow() -> Iterator[Site]:
    """The server of the download proxy, which has no images by default."""
    with Site() as site:
        site.put("/api/download", response(404))
        yield site


@pytest.fixture
def client(cdn: Site, wireflow: Site) -> Iterator[httpx.Client]:
    with egress.client([cdn.host, wireflow.host], allow_private=True) as client:
        yield client


@pytest.fixture
def downloads(client: httpx.Client, wireflow: Site, watch: Watch) -> Downloader:
    """A downloader for images of at most MAX_BYTES."""
    return Downloader(client, base_url=f"{wireflow.url}/api/v1", max_bytes=MAX_BYTES, monotonic=watch)

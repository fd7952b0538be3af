"""The internet of a world: downloads and receivers as in production, except for the sockets."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import httpx

from shared import config, egress, wiring
from shared.images.download import COPY_SECONDS, Downloader
from shared.notifications.receivers import HttpReceivers
from shared.ports import INPUT_SECONDS
from tests.harness.vendor import Vendor
from tests.harness.virtual_time import ForThreads, VirtualLoop
from tests.simulator.in_process import InProcessSync

PUBLIC_ADDRESS = "93.184.216.34"  # every name resolves to it; nothing connects
PRIVATE_ADDRESS = "10.0.0.7"  # for names that contain "private"


def downloader(settings: config.Config, vendor: Vendor, *, inputs: bool = False) -> Downloader:
    """Create a downloader as in production, except for the sockets."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    client = httpx.Client(transport=_Internet(settings, vendor, loop, inputs=inputs), timeout=egress.TIMEOUT)
    base_url = None if inputs else settings.wireflow_base_url
    limit = wiring.MAX_INPUT_BYTES if inputs else settings.max_image_bytes
    seconds = INPUT_SECONDS if inputs else COPY_SECONDS
    return Downloader(client, base_url=base_url, max_bytes=limit, seconds=seconds, monotonic=loop.time)


def receivers(settings: config.Config, vendor: Vendor) -> HttpReceivers:
    """Create the receivers as in production, except for the sockets: they are `vendor.sites`."""
    made = HttpReceivers(
        settings.callbacks.hosts,
        ThreadPoolExecutor(1),  # of which the virtual loop makes no thread
        allow_private=settings.allow_private_network,
        resolve=lambda host, _port: [host if host[0].isdigit() else _address_of(host)],
    )
    made.transport.__dict__["_transport"] = vendor  # instead of its sockets
    return made


def _address_of(host: str) -> str:
    return PRIVATE_ADDRESS if "private" in host else PUBLIC_ADDRESS


class _Internet(egress.Egress):
    """Checks all that `Egress` checks, then connects to the simulator or to a site of the test."""

    def __init__(self, settings: config.Config, vendor: Vendor, loop: VirtualLoop, *, inputs: bool) -> None:
        super().__init__(
            settings.image_hosts,
            allow_private=False,
            any_public=inputs,
            resolve=lambda host, _port: [_address_of(host)],
        )
        self._transport = _Connections(vendor, ForThreads(loop))  # instead of its sockets


class _Connections(InProcessSync):
    """A worker thread's transport to `vendor`."""

    def __init__(self, vendor: Vendor, loop: ForThreads) -> None:
        self._inner = vendor
        self._loop = loop

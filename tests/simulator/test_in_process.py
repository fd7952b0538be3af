"""The transport without sockets behaves like a real connection, for async and threaded clients."""

import asyncio

import httpx
import pytest

from tests.simulator.conftest import START, Open, Vendor
from tests.simulator.in_process import InProcessSync


async def in_thread(vendor: Vendor, url: str) -> tuple[int, bytes]:
    """Download with a synchronous client in a worker thread."""
    loop = asyncio.get_running_loop()

    def download() -> tuple[int, bytes]:
        with (
            httpx.Client(transport=InProcessSync(vendor.simulator, loop), timeout=8) as http,
            http.stream("GET", url) as response,
        ):
            return response.status_code, b"".join(response.iter_raw())

    return await asyncio.to_thread(download)


async def image_url(vendor: Vendor, prompt: str) -> str:
    return f"http://wireflow.test/cdn/{await vendor.start(prompt)}/0.png"


async def test_a_thread_downloads_the_image(vendor: Vendor) -> None:
    url = await image_url(vendor, "a cat")
    status, body = await in_thread(vendor, url)
    assert (status, body) == (200, (await vendor.http.get(url)).content)


async def test_a_thread_downloads_a_body_without_a_length(open_vendor: Open) -> None:
    async with open_vendor(large_bytes=1_000_000) as vendor:
        url = await image_url(vendor, "a cat [fault:image_too_large_unannounced]")
        assert len((await in_thread(vendor, url))[1]) == 1_000_000


@pytest.mark.parametrize("fault", ["cut_in_body", "wrong_content_length", "cut_in_header"])
async def test_a_thread_sees_a_lost_connection(vendor: Vendor, fault: str) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await in_thread(vendor, await image_url(vendor, f"a cat [fault:{fault}@cdn]"))


async def test_waiting_uses_the_simulators_clock(vendor: Vendor) -> None:
    url = await image_url(vendor, "a cat [fault:hang@cdn][fault:trickle]")
    with pytest.raises(httpx.ReadTimeout):
        await in_thread(vendor, url)
    assert (vendor.clock.now() - START).total_seconds() == 8
    await in_thread(vendor, url)
    assert (vendor.clock.now() - START).total_seconds() == pytest.approx(38, abs=1.6)

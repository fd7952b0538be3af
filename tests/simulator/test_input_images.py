"""Input images must be on the simulator's own hosts, and generated images show that they arrived."""

import asyncio
import hashlib
import io
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from PIL import Image

from functions.simulator.api import PAID, Endpoint
from functions.simulator.images import IMAGE_DESCRIPTION, THUMBNAIL_SIDE, InputImage, render
from tests.simulator.bodies import image_file
from tests.simulator.conftest import Open, Vendor

ELSEWHERE = "https://elsewhere.test/a.png"


async def paid_call(vendor: Vendor, endpoint: Endpoint, url: object, key: str | None = None) -> int:
    """Make a paid call with this input image; return the status."""
    ways: dict[Endpoint, Callable[[], Awaitable]] = {
        Endpoint.TRIGGER: lambda: vendor.trigger("a cat", key, image1=url),
        Endpoint.RUN: lambda: vendor.run(key, prompt="a cat", image=url),
        Endpoint.EXECUTE: lambda: vendor.execute("a cat", key, image1=url),
    }
    return (await ways[endpoint]()).status_code


async def drawn(vendor: Vendor) -> Image.Image:
    url = (await vendor.runs())[-1]["pictures"][0]["url"]
    return Image.open(io.BytesIO((await vendor.http.get(url)).content))


@pytest.mark.parametrize("endpoint", PAID)
async def test_a_generated_image_shows_the_input_image_and_names_its_hash(vendor: Vendor, endpoint: Endpoint) -> None:
    content = image_file("red")
    assert await paid_call(vendor, endpoint, await vendor.hosted(content)) in (201, 202)
    sha256 = hashlib.sha256(content).hexdigest()
    assert (await vendor.runs())[0]["input"] == sha256
    image = await drawn(vendor)
    assert image.getexif()[IMAGE_DESCRIPTION] == f"input sha256 {sha256}"
    red, green, blue = image.getpixel((image.width - 100, image.height - 100))
    assert (red > 240, green < 15, blue < 15) == (True, True, True)


@pytest.mark.parametrize("image_format", ["png", "jpeg", "webp"])
async def test_it_does_so_in_every_format(vendor: Vendor, image_format: str) -> None:
    url = await vendor.hosted(image_file("red", (600, 200)))
    await vendor.start(image1=url, format=image_format)
    image = await drawn(vendor)
    assert image.format == image_format.upper()
    assert "input sha256" in image.getexif()[IMAGE_DESCRIPTION]
    red, green, blue = image.convert("RGB").getpixel((image.width - 20, image.height - 20))
    assert (red > 200, green < 60, blue < 60) == (True, True, True)


async def test_without_an_input_image_none_is_shown(vendor: Vendor) -> None:
    for nothing in (None, ""):
        await vendor.start(image1=nothing)
        assert (await vendor.runs())[-1]["input"] is None
        assert IMAGE_DESCRIPTION not in (await drawn(vendor)).getexif()


async def test_the_input_image_is_kept_as_a_thumbnail(vendor: Vendor) -> None:
    runs = vendor.simulator.state.runs
    await vendor.start(image1=await vendor.hosted(image_file("red")))
    await vendor.start(image1=await vendor.hosted(image_file("blue")))
    first, second = (runs.all()[n].input for n in range(2))
    assert first != second
    assert first is not None
    assert max(Image.open(io.BytesIO(first.thumbnail)).size) <= THUMBNAIL_SIDE


@pytest.mark.parametrize("endpoint", PAID)
async def test_an_image_of_an_earlier_run_can_be_the_input_image(vendor: Vendor, endpoint: Endpoint) -> None:
    await vendor.start("first")
    earlier = (await vendor.runs())[0]["pictures"][0]
    await paid_call(vendor, endpoint, earlier["url"])
    assert (await vendor.runs())[1]["input"] == earlier["sha256"]


@pytest.mark.parametrize("url", [ELSEWHERE, "http://cdn.test.evil/a.png", "//wireflow.test/cdn", "http://[::1", "cat"])
@pytest.mark.parametrize("endpoint", [Endpoint.RUN, Endpoint.EXECUTE])
async def test_an_input_image_on_another_host_is_422(vendor: Vendor, endpoint: Endpoint, url: str) -> None:
    assert await paid_call(vendor, endpoint, url) == 422
    assert (await vendor.stats())["paidRuns"] == 0


@pytest.mark.parametrize("image", [ELSEWHERE, 7, ["http://wireflow.test/cdn/uploads/1.png"]])
async def test_a_webhook_accepts_any_body_and_its_run_fails(vendor: Vendor, image: object) -> None:
    run = await vendor.start(image1=image)
    await vendor.clock.sleep(15)
    reported = (await vendor.poll(run)).json()
    assert (reported["status"], "not allowed" in reported["error"]) == ("FAILED", True)
    assert "/cdn/" not in str(reported)


@pytest.mark.parametrize("endpoint", PAID)
async def test_a_missing_input_image_fails_the_run(vendor: Vendor, endpoint: Endpoint) -> None:
    missing = f"http://wireflow.test/cdn/uploads/{32 * '0'}.png"
    assert await paid_call(vendor, endpoint, missing) in (201, 202)
    await vendor.clock.sleep(15)
    reported = (await vendor.poll("exec_00000001")).json()
    assert (reported["status"], reported["error"]) == ("FAILED", "The input image could not be loaded")


async def test_input_images_may_be_on_the_cdn_or_on_the_host_of_the_api(open_vendor: Open) -> None:
    async with open_vendor(cdn_url="http://cdn.test:81") as vendor:
        url = await vendor.hosted(image_file())
        await vendor.start(image1=url)
        await vendor.start(image1=url.replace("cdn.test:81", "wireflow.test"))
        assert [run["input"] is None for run in await vendor.runs()] == [False, False]


async def test_a_new_process_renders_the_same_even_if_the_upload_is_deleted(open_vendor: Open, tmp_path: Path) -> None:
    state = tmp_path / "runs.jsonl"
    async with open_vendor(state=state) as vendor:
        await vendor.start(image1=await vendor.hosted(image_file()))
        before = await vendor.runs()
        vendor.simulator.state.uploads.clear()
    render.cache_clear()
    async with open_vendor(state=state) as vendor:
        assert await vendor.runs() == before


@pytest.mark.parametrize("endpoint", PAID)
async def test_concurrent_calls_with_one_key_and_an_input_image_pay_once(
    open_vendor: Open, tmp_path: Path, endpoint: Endpoint
) -> None:
    async with open_vendor(state=tmp_path / "runs.jsonl") as vendor:
        url = await vendor.hosted(image_file())
        await asyncio.gather(*(paid_call(vendor, endpoint, url, "key-1") for _ in range(8)))
        assert (await vendor.stats())["paidRuns"] == 1


async def test_an_input_image_is_pasted_into_the_narrowest_image(vendor: Vendor) -> None:
    await vendor.start(image1=await vendor.hosted(image_file()), aspect_ratio="400:1")
    assert (await drawn(vendor)).size == (1024, 3)


def test_every_color_mode_becomes_a_thumbnail() -> None:
    for mode in ("RGBA", "P", "L", "LA", "1"):
        file = io.BytesIO()
        Image.new(mode, (300, 10)).save(file, "PNG")
        assert Image.open(io.BytesIO(InputImage.of(file.getvalue()).thumbnail)).size == (96, 3)

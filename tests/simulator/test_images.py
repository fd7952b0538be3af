"""Images are real files of the requested size and format, and the same bytes every time."""

import hashlib
import io
import time

import pytest
from PIL import Image

from functions.simulator.images import GeneratedImage, render
from tests.simulator.conftest import Open, Vendor


@pytest.mark.parametrize("image_format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize(
    ("resolution", "ratio", "size"),
    [
        ("1K", "1:1", (1024, 1024)),
        ("1K", "16:9", (1024, 576)),
        ("2K", "9:16", (1152, 2048)),
        ("4K", "21:9", (4096, 1755)),
    ],
)
async def test_an_image_has_the_requested_size_and_format(
    vendor: Vendor, image_format: str, resolution: str, ratio: str, size: tuple[int, int]
) -> None:
    await vendor.start("a cat", resolution=resolution, aspect_ratio=ratio, format=image_format)
    (reported,) = (await vendor.runs())[0]["pictures"]
    response = await vendor.http.get(reported["url"])
    assert response.headers["content-type"] == reported["contentType"] == f"image/{image_format}"
    assert hashlib.sha256(response.content).hexdigest() == reported["sha256"]
    assert len(response.content) == reported["bytes"]
    image = Image.open(io.BytesIO(response.content))
    image.load()
    assert image.format == image_format.upper()
    assert image.size == (reported["width"], reported["height"]) == size


def test_missing_and_invalid_fields_give_a_1k_square_png() -> None:
    for body in ({}, {"resolution": "9K", "aspect_ratio": "wide", "format": "gif"}):
        image = GeneratedImage.of("exec_1", 0, "a cat", body)
        assert (image.width, image.height, image.format) == (1024, 1024, "png")


def test_prompt_id_and_index_each_change_the_image() -> None:
    images = [
        GeneratedImage.of("exec_1", 0, "a cat", {}),
        GeneratedImage.of("exec_1", 1, "a cat", {}),
        GeneratedImage.of("exec_2", 0, "a cat", {}),
        GeneratedImage.of("exec_1", 0, "a dog", {}),
    ]
    assert len({render(image) for image in images}) == 4
    render.cache_clear()
    assert render(images[0]) == render(GeneratedImage.of("exec_1", 0, "a cat", {}))


@pytest.mark.parametrize("ratio", ["1:1", "16:9", "9:16", "21:9", "8:1"])
def test_every_image_is_marked_as_simulated(ratio: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def corner() -> Image.Image:
        image = Image.open(io.BytesIO(render(GeneratedImage.of("exec_1", 0, "a cat", {"aspect_ratio": ratio}))))
        return image.crop((0, 0, image.width // 4, image.height // 4)).convert("L")

    render.cache_clear()
    marked = corner()
    monkeypatch.setattr("functions.simulator.images.MARK", " " * 14)
    render.cache_clear()
    bright = [sum(image.histogram()[180:]) for image in (marked, corner())]
    assert bright[0] >= bright[1] + 50  # pixels of letters


def test_the_longest_prompt_in_any_script_is_rendered() -> None:
    for prompt in ("x" * 4000, "слово " * 600, "", "猫" * 4000, "a\nb\x00c"):
        assert render(GeneratedImage.of("exec_1", 0, prompt, {"aspect_ratio": "21:9"})).startswith(b"\x89PNG")


def test_a_1k_image_is_rendered_fast() -> None:
    render(GeneratedImage.of("warm", 0, "a cat", {}))
    started = time.process_time()
    for n in range(10):
        render(GeneratedImage.of("exec", n, "a golden retriever in a sunlit meadow", {}))
    assert (time.process_time() - started) / 10 < 0.1


async def test_a_run_has_at_most_four_images(vendor: Vendor) -> None:
    await vendor.start(count=4)
    await vendor.start(count=5)
    await vendor.start(count=True)
    assert [len(run["pictures"]) for run in await vendor.runs()] == [4, 1, 1]


async def test_an_image_is_found_under_its_exact_name_only(vendor: Vendor) -> None:
    run = await vendor.start()
    codes = [(await vendor.http.get(f"/cdn/{run}/{name}")).status_code for name in ("0.png", "0.webp", "1.png")]
    assert codes == [200, 404, 404]


async def test_the_download_proxy_serves_known_hosts_only(open_vendor: Open) -> None:
    async with open_vendor() as vendor:
        await vendor.start()
        url = (await vendor.runs())[0]["pictures"][0]["url"]
        direct = await vendor.http.get(url)
        proxied = await vendor.http.get("/api/download", params={"url": url})
        assert proxied.content == direct.content
        elsewhere = {"url": "https://example.com/cdn/exec_00000001/0.png"}
        assert (await vendor.http.get("/api/download", params=elsewhere)).status_code == 400
        assert (await vendor.http.get("/api/download")).status_code == 400

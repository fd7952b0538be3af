"""Pictures are real files of the asked size and format, and the same bytes every time."""

import hashlib
import io
import time

import pytest
from PIL import Image

from functions.simulator.images import GeneratedImage, render
from tests.simulator.conftest import Open, Vendor


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
@pytest.mark.parametrize(
    ("resolution", "ratio", "size"),
    [
        ("1K", "1:1", (1024, 1024)),
        ("1K", "16:9", (1024, 576)),
        ("2K", "9:16", (1152, 2048)),
        ("4K", "21:9", (4096, 1755)),
    ],
)
async def test_a_picture_is_what_was_asked_for(
    vendor: Vendor, kind: str, resolution: str, ratio: str, size: tuple[int, int]
) -> None:
    await vendor.start("a cat", resolution=resolution, aspect_ratio=ratio, format=kind)
    (told,) = (await vendor.runs())[0]["pictures"]
    answer = await vendor.http.get(told["url"])
    assert answer.headers["content-type"] == told["contentType"] == f"image/{kind}"
    assert hashlib.sha256(answer.content).hexdigest() == told["sha256"]
    assert len(answer.content) == told["bytes"]
    image = Image.open(io.BytesIO(answer.content))
    image.load()
    assert image.format == kind.upper()
    assert image.size == (told["width"], told["height"]) == size


def test_what_is_not_said_or_said_wrongly_is_1k_square_png() -> None:
    for body in ({}, {"resolution": "9K", "aspect_ratio": "wide", "format": "gif"}):
        picture = GeneratedImage.of("exec_1", 0, "a cat", body)
        assert (picture.width, picture.height, picture.format) == (1024, 1024, "png")


def test_prompt_id_and_index_each_make_another_picture() -> None:
    pictures = [
        GeneratedImage.of("exec_1", 0, "a cat", {}),
        GeneratedImage.of("exec_1", 1, "a cat", {}),
        GeneratedImage.of("exec_2", 0, "a cat", {}),
        GeneratedImage.of("exec_1", 0, "a dog", {}),
    ]
    assert len({render(picture) for picture in pictures}) == 4
    render.cache_clear()
    assert render(pictures[0]) == render(GeneratedImage.of("exec_1", 0, "a cat", {}))


def test_the_longest_prompt_in_any_script_is_drawn() -> None:
    for prompt in ("x" * 4000, "слово " * 600, "", "猫" * 4000, "a\nb\x00c"):
        assert render(GeneratedImage.of("exec_1", 0, prompt, {"aspect_ratio": "21:9"})).startswith(b"\x89PNG")


def test_a_1k_picture_costs_little() -> None:
    render(GeneratedImage.of("warm", 0, "a cat", {}))
    begun = time.process_time()
    for n in range(10):
        render(GeneratedImage.of("exec", n, "a golden retriever in a sunlit meadow", {}))
    assert (time.process_time() - begun) / 10 < 0.1


async def test_four_pictures_at_most(vendor: Vendor) -> None:
    await vendor.start(count=4)
    await vendor.start(count=5)
    await vendor.start(count=True)
    assert [len(run["pictures"]) for run in await vendor.runs()] == [4, 1, 1]


async def test_only_the_very_name_of_a_picture_finds_it(vendor: Vendor) -> None:
    run = await vendor.start()
    codes = [(await vendor.http.get(f"/cdn/{run}/{name}")).status_code for name in ("0.png", "0.webp", "1.png")]
    assert codes == [200, 404, 404]


async def test_the_download_proxy_gives_the_same_bytes_for_known_hosts_only(open_vendor: Open) -> None:
    async with open_vendor() as vendor:
        await vendor.start()
        url = (await vendor.runs())[0]["pictures"][0]["url"]
        direct = await vendor.http.get(url)
        proxied = await vendor.http.get("/api/download", params={"url": url})
        assert proxied.content == direct.content
        elsewhere = {"url": "https://example.com/cdn/exec_00000001/0.png"}
        assert (await vendor.http.get("/api/download", params=elsewhere)).status_code == 400
        assert (await vendor.http.get("/api/download")).status_code == 400

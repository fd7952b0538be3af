"""Uploaded images have a URL on the CDN and are kept as long as the paid runs."""

import asyncio
from pathlib import Path

import httpx
import pytest

from functions.simulator.files import MAX_UPLOAD_BYTES
from tests.simulator.bodies import image_file
from tests.simulator.conftest import KEY, UPLOAD, Open, Vendor


@pytest.mark.parametrize("image_format", ["png", "jpeg", "webp", "gif", "avif"])
async def test_a_file_is_served_as_it_was_uploaded(vendor: Vendor, image_format: str) -> None:
    content = image_file(image_format=image_format.upper())
    response = await vendor.upload(content, f"image/{image_format}")
    assert response.status_code == 200
    url = response.json()["data"]["url"]
    assert url.startswith("http://wireflow.test/cdn/uploads/")
    served = await vendor.http.get(url)
    assert (served.content, served.headers["content-type"]) == (content, f"image/{image_format}")
    proxied = await vendor.http.get("/api/download", params={"url": url})
    assert proxied.content == content


async def test_its_url_is_on_the_configured_cdn(open_vendor: Open) -> None:
    async with open_vendor(cdn_url="http://cdn.test:81") as vendor:
        assert (await vendor.hosted(image_file())).startswith("http://cdn.test:81/cdn/uploads/")


async def test_an_image_on_another_host_is_fetched_and_stored(open_vendor: Open) -> None:
    async def fetch(url: str) -> bytes:
        if url != "https://elsewhere.test/a.png":
            raise httpx.ConnectError("connection rejected")
        return image_file("blue")

    async with open_vendor() as vendor:
        vendor.simulator.state.fetch = fetch
        response = await vendor.http.post(UPLOAD, json={"url": "https://elsewhere.test/a.png"}, headers=KEY)
        assert (await vendor.http.get(response.json()["data"]["url"])).content == image_file("blue")
        lost = await vendor.http.post(UPLOAD, json={"url": "https://nowhere.test/a.png"}, headers=KEY)
        assert (lost.status_code, lost.json()) == (400, {"error": "The URL could not be fetched"})


async def test_an_image_on_the_own_host_is_stored_again(vendor: Vendor) -> None:
    url = await vendor.hosted(image_file())
    response = await vendor.http.post(UPLOAD, json={"url": url}, headers=KEY)
    assert response.json()["data"]["url"] == url
    missing = {"url": "http://wireflow.test/cdn/exec_none/0.png"}
    assert (await vendor.http.post(UPLOAD, json=missing, headers=KEY)).status_code == 400


async def test_25_mib_are_stored_and_one_byte_more_is_413(vendor: Vendor) -> None:
    image = image_file()
    whole = image + bytes(MAX_UPLOAD_BYTES - len(image))
    assert (await vendor.upload(whole)).status_code == 200
    assert (await vendor.upload(whole + b"x")).status_code == 413


@pytest.mark.parametrize(
    ("content", "image_format", "status"),
    [
        (b"", "image/png", 400),
        (b"\x89PNG\r\n\x1a\n", "image/png", 400),
        (b"<html></html>", "image/png", 400),
        (image_file(image_format="BMP"), "image/bmp", 400),
        (image_file(), "application/octet-stream", 415),
    ],
)
async def test_other_files_are_rejected(vendor: Vendor, content: bytes, image_format: str, status: int) -> None:
    assert (await vendor.upload(content, image_format)).status_code == status


async def test_a_body_without_a_file_or_url_is_rejected(vendor: Vendor) -> None:
    async def status(**sent: object) -> int:
        return (await vendor.http.post(UPLOAD, **{"headers": KEY, **sent})).status_code

    assert await status(content=image_file(), headers={**KEY, "Content-Type": "image/png"}) == 415
    assert await status() == 415
    assert await status(files={"image": ("a.png", image_file(), "image/png")}) == 400
    assert await status(files={"file": (None, "a text")}) == 400
    assert await status(content=b"no boundary", headers={**KEY, "Content-Type": "multipart/form-data"}) == 400
    assert await status(json={}) == 400
    assert await status(json=["https://elsewhere.test/a.png"]) == 400
    assert await status(json={"url": "ftp://elsewhere.test/a.png"}) == 400
    assert await status(content=b"{no", headers={**KEY, "Content-Type": "application/json"}) == 400


async def test_an_upload_needs_the_api_key(vendor: Vendor) -> None:
    response = await vendor.http.post(UPLOAD, files={"file": ("a.png", image_file(), "image/png")})
    assert (response.status_code, response.json()) == (401, {"error": "Missing Authorization header"})


async def test_uploads_survive_a_restart_and_not_a_reset(open_vendor: Open, tmp_path: Path) -> None:
    state = tmp_path / "runs.jsonl"
    async with open_vendor(state=state) as vendor:
        url = await vendor.hosted(image_file())
    async with open_vendor(state=state) as vendor:
        assert (await vendor.http.get(url)).content == image_file()
        await vendor.http.post("/_reset")
        assert (await vendor.http.get(url)).status_code == 404
        assert not (tmp_path / "runs.uploads").exists()
        assert await vendor.hosted(image_file()) == url


async def test_concurrent_uploads_of_one_image_have_one_url(open_vendor: Open, tmp_path: Path) -> None:
    async with open_vendor(state=tmp_path / "runs.jsonl") as vendor:
        urls = await asyncio.gather(*(vendor.hosted(image_file()) for _ in range(8)))
        assert len(set(urls)) == 1
    assert [file.suffix for file in (tmp_path / "runs.uploads").iterdir()] == [".png"]


async def test_a_reset_deletes_uploads_in_memory_too(vendor: Vendor) -> None:
    url = await vendor.hosted(image_file())
    await vendor.http.post("/_reset")
    assert (await vendor.http.get(url)).status_code == 404

"""An uploaded image has an address on the CDN, and stays there as long as the paid runs are known."""

import asyncio
from pathlib import Path

import httpx
import pytest

from functions.simulator.files import MAX_UPLOAD_BYTES
from tests.simulator.bodies import picture
from tests.simulator.conftest import KEY, UPLOAD, Open, Vendor


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "gif", "avif"])
async def test_a_file_is_hosted_as_it_came(vendor: Vendor, kind: str) -> None:
    content = picture(kind=kind.upper())
    answer = await vendor.upload(content, f"image/{kind}")
    assert answer.status_code == 200
    url = answer.json()["data"]["url"]
    assert url.startswith("http://wireflow.test/cdn/uploads/")
    served = await vendor.http.get(url)
    assert (served.content, served.headers["content-type"]) == (content, f"image/{kind}")
    proxied = await vendor.http.get("/api/download", params={"url": url})
    assert proxied.content == content


async def test_its_address_is_on_the_cdn_that_is_set(open_vendor: Open) -> None:
    async with open_vendor(cdn_url="http://cdn.test:81") as vendor:
        assert (await vendor.hosted(picture())).startswith("http://cdn.test:81/cdn/uploads/")


async def test_an_image_behind_an_address_elsewhere_is_fetched_and_hosted(open_vendor: Open) -> None:
    async def fetch(url: str) -> bytes:
        if url != "https://elsewhere.test/a.png":
            raise httpx.ConnectError("nobody there")
        return picture("blue")

    async with open_vendor() as vendor:
        vendor.simulator.state.fetch = fetch
        answer = await vendor.http.post(UPLOAD, json={"url": "https://elsewhere.test/a.png"}, headers=KEY)
        assert (await vendor.http.get(answer.json()["data"]["url"])).content == picture("blue")
        lost = await vendor.http.post(UPLOAD, json={"url": "https://nowhere.test/a.png"}, headers=KEY)
        assert (lost.status_code, lost.json()) == (400, {"error": "The URL could not be fetched"})


async def test_an_image_behind_an_address_here_is_hosted_again(vendor: Vendor) -> None:
    url = await vendor.hosted(picture())
    answer = await vendor.http.post(UPLOAD, json={"url": url}, headers=KEY)
    assert answer.json()["data"]["url"] == url
    missing = {"url": "http://wireflow.test/cdn/exec_none/0.png"}
    assert (await vendor.http.post(UPLOAD, json=missing, headers=KEY)).status_code == 400


async def test_25_mib_are_hosted_and_a_byte_more_is_413(vendor: Vendor) -> None:
    image = picture()
    whole = image + bytes(MAX_UPLOAD_BYTES - len(image))
    assert (await vendor.upload(whole)).status_code == 200
    assert (await vendor.upload(whole + b"x")).status_code == 413


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"", "image/png", 400),
        (b"\x89PNG\r\n\x1a\n", "image/png", 400),
        (b"<html></html>", "image/png", 400),
        (picture(kind="BMP"), "image/bmp", 400),
        (picture(), "application/octet-stream", 415),
    ],
)
async def test_what_is_no_image_is_refused(vendor: Vendor, content: bytes, kind: str, status: int) -> None:
    assert (await vendor.upload(content, kind)).status_code == status


async def test_what_is_neither_a_file_nor_an_address_is_refused(vendor: Vendor) -> None:
    async def status(**sent: object) -> int:
        return (await vendor.http.post(UPLOAD, **{"headers": KEY, **sent})).status_code

    assert await status(content=picture(), headers={**KEY, "Content-Type": "image/png"}) == 415
    assert await status() == 415
    assert await status(files={"image": ("a.png", picture(), "image/png")}) == 400
    assert await status(files={"file": (None, "a text")}) == 400
    assert await status(content=b"no boundary", headers={**KEY, "Content-Type": "multipart/form-data"}) == 400
    assert await status(json={}) == 400
    assert await status(json=["https://elsewhere.test/a.png"]) == 400
    assert await status(json={"url": "ftp://elsewhere.test/a.png"}) == 400
    assert await status(content=b"{no", headers={**KEY, "Content-Type": "application/json"}) == 400


async def test_an_upload_needs_the_key(vendor: Vendor) -> None:
    answer = await vendor.http.post(UPLOAD, files={"file": ("a.png", picture(), "image/png")})
    assert (answer.status_code, answer.json()) == (401, {"error": "Missing Authorization header"})


async def test_it_outlives_the_process_beside_the_ledger_and_ends_with_a_reset(
    open_vendor: Open, tmp_path: Path
) -> None:
    state = tmp_path / "runs.jsonl"
    async with open_vendor(state=state) as vendor:
        url = await vendor.hosted(picture())
    async with open_vendor(state=state) as vendor:
        assert (await vendor.http.get(url)).content == picture()
        await vendor.http.post("/_reset")
        assert (await vendor.http.get(url)).status_code == 404
        assert not (tmp_path / "runs.uploads").exists()
        assert await vendor.hosted(picture()) == url


async def test_the_same_image_sent_at_once_has_one_address(open_vendor: Open, tmp_path: Path) -> None:
    async with open_vendor(state=tmp_path / "runs.jsonl") as vendor:
        urls = await asyncio.gather(*(vendor.hosted(picture()) for _ in range(8)))
        assert len(set(urls)) == 1
    assert [file.suffix for file in (tmp_path / "runs.uploads").iterdir()] == [".png"]


async def test_without_a_ledger_a_reset_forgets_it_too(vendor: Vendor) -> None:
    url = await vendor.hosted(picture())
    await vendor.http.post("/_reset")
    assert (await vendor.http.get(url)).status_code == 404

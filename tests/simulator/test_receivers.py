"""Receivers record what they get, and respond as badly as they say."""

import json
from pathlib import Path

import httpx
import pytest

from functions.simulator.receivers import BEHAVIORS
from tests.simulator.conftest import Open, Vendor
from tests.simulator.real import running

URL = "/_receivers"
MESSAGE = {"webhook-id": "message-1", "webhook-timestamp": "1772366400"}


async def messages(vendor: Vendor) -> list[dict]:
    return (await vendor.http.get(URL)).json()["messages"]


async def test_a_live_receiver_records_what_it_gets(vendor: Vendor) -> None:
    body = {"type": "image.completed"}
    assert (await vendor.http.post(f"{URL}/live/a?key=1", json=body, headers=MESSAGE)).status_code == 204
    (message,) = await messages(vendor)
    assert (message["receiver"], message["query"], json.loads(message["body"])) == ("live/a", "key=1", body)
    assert message["receivedAt"] == "2026-03-20T12:00:00.000Z"
    assert message["headers"].items() >= MESSAGE.items()
    await vendor.http.post("/_reset")
    assert await messages(vendor) == []


@pytest.mark.parametrize(
    ("behavior", "status"), [("live", 204), ("failing", 500), ("busy", 503), ("gone", 410), ("redirecting", 307)]
)
async def test_a_receiver_always_responds_alike(behavior: str, status: int, vendor: Vendor) -> None:
    for _ in range(3):
        response = await vendor.http.post(f"{URL}/{behavior}/a", json={}, headers=MESSAGE)
        assert response.status_code == status
    assert len(await messages(vendor)) == 3


async def test_a_flaky_receiver_fails_once_for_each_message(vendor: Vendor) -> None:
    for message_id in ("message-1", "message-2"):
        headers = {**MESSAGE, "webhook-id": message_id}
        statuses = [(await vendor.http.post(f"{URL}/flaky/a", headers=headers)).status_code for _ in range(3)]
        assert statuses == [500, 204, 204]
    assert (await vendor.http.post(f"{URL}/flaky/b", headers=MESSAGE)).status_code == 500


async def test_a_busy_receiver_says_when_to_retry(vendor: Vendor) -> None:
    assert (await vendor.http.post(f"{URL}/busy/a")).headers["retry-after"] == "5"


async def test_a_redirect_that_is_followed_is_seen(vendor: Vendor) -> None:
    await vendor.http.post(f"{URL}/redirecting/a", json={}, headers=MESSAGE, follow_redirects=True)
    assert [message["receiver"] for message in await messages(vendor)] == ["redirecting/a", "live/followed"]


async def test_slow_receivers_take_their_seconds(open_vendor: Open) -> None:
    async with open_vendor(slow_seconds=5.0) as vendor:
        for behavior, status in (("slow", 204), ("trickling", 500)):
            began = vendor.clock.now()
            assert (await vendor.http.post(f"{URL}/{behavior}/a")).status_code == status
            assert round((vendor.clock.now() - began).total_seconds(), 3) == 5
    async with open_vendor(slow_seconds=30.0) as vendor:
        with pytest.raises(httpx.ReadTimeout):
            await vendor.http.post(f"{URL}/slow/a")


async def test_a_huge_body_has_its_size(open_vendor: Open) -> None:
    async with open_vendor(large_bytes=1_000_000) as vendor:
        assert len((await vendor.http.post(f"{URL}/huge/a")).content) >= 1_000_000


@pytest.mark.parametrize("path", ["unknown/a", "live", "live/", "live/a/b", "live/" + "a" * 65])
async def test_any_other_receiver_is_rejected(path: str, vendor: Vendor) -> None:
    response = await vendor.http.post(f"{URL}/{path}")
    assert response.status_code == 422
    assert all(name in response.json()["error"] for name in BEHAVIORS)


def test_a_real_connection_is_reset(tmp_path: Path) -> None:
    with running(tmp_path / "log") as (url, _), httpx.Client(base_url=url) as http:
        with pytest.raises(httpx.ReadError, match="reset"):
            http.post(f"{URL}/reset/a", json={"type": "image.completed"})
        assert [message["receiver"] for message in http.get(URL).json()["messages"]] == ["reset/a"]

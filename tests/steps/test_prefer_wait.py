"""`Prefer: wait`: a request that waits for its job, or for its image."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from functions.trigger.responses.prefer import MAX_WAIT
from shared.ports import JobStore
from tests.harness.background import meanwhile
from tests.harness.lossy import LossyJobs
from tests.harness.world import SMALL, World
from tests.steps.conftest import OpenWorld


@asynccontextmanager
async def polling(world: World) -> AsyncIterator[None]:
    """Run windows of the poller, a second apart, in the background."""

    async def poll() -> None:
        while True:
            await world.run_window()
            await world.clock.sleep(1)

    async with meanwhile(poll()):
        yield


async def test_prefer_wait_returns_the_finished_job(world: World) -> None:
    async with polling(world):
        response = await world.http.post("/", json={"prompt": "a cat", **SMALL}, headers={"Prefer": "wait=99"})
        assert (response.status_code, response.json()["status"]) == (200, "succeeded")
        assert response.headers["preference-applied"] == f"wait={MAX_WAIT}"
        assert "retry-after" not in response.headers


async def test_a_job_that_fails_within_the_wait_is_200(world: World) -> None:
    async with polling(world):
        fields = {"prompt": "a cat [fault:moderation]", **SMALL}
        response = await world.http.post("/", json=fields, headers={"Prefer": "wait=25"})
        assert (response.status_code, response.json()["status"]) == (200, "failed")


async def test_a_job_that_does_not_finish_within_the_wait_is_202(world: World) -> None:
    response = await world.http.post(
        "/", json={"prompt": "a cat", **SMALL}, headers={"Prefer": "respond-async, wait=3"}
    )
    assert (response.status_code, response.headers["preference-applied"]) == (202, "wait=3")
    read = await world.http.get(response.headers["location"], headers={"Prefer": "wait=2"})
    assert (read.status_code, read.json()["status"]) == (200, "running")


@pytest.mark.parametrize("prefer", ["wait", "wait=", "wait=x", "wait=-1", "waiting=3", ""])
async def test_an_invalid_preference_is_ignored(world: World, prefer: str) -> None:
    response = await world.http.post("/", json={"prompt": "a cat", **SMALL}, headers={"Prefer": prefer})
    assert (response.status_code, "preference-applied" in response.headers) == (202, False)


async def test_a_client_that_waits_and_accepts_images_is_redirected_to_the_image(world: World) -> None:
    async with polling(world):
        headers = {"Prefer": "wait=25", "Accept": "image/*"}
        response = await world.http.post("/", json={"prompt": "a cat", **SMALL}, headers=headers)
        assert (response.status_code, response.headers["location"].startswith("https://images.test/jobs/")) == (
            303,
            True,
        )
        image = await world.http.get(response.headers["location"], headers=headers)
        assert (image.status_code, image.headers["content-type"]) == (200, "image/png")


async def test_prefer_wait_on_the_image_url_returns_the_image(world: World) -> None:
    async with polling(world):
        job_id = await world.accepted()
        image = await world.http.get(f"/jobs/{job_id}/image", headers={"Prefer": "wait=25"})
        assert (image.status_code, image.headers["preference-applied"]) == (200, "wait=25")


async def test_a_brief_store_outage_does_not_end_a_wait(open_world: OpenWorld) -> None:
    async with (
        open_world(wrap=lambda store: cast("JobStore", LossyJobs(store, "get", 1))) as world,
        polling(world),
    ):
        response = await world.http.post("/", json={"prompt": "a cat", **SMALL}, headers={"Prefer": "wait=25"})
        assert (response.status_code, response.json()["status"]) == (200, "succeeded")

"""`GET /jobs` with large jobs: it reads what it shows, and a page ends early, with a cursor that continues it."""

import json
import tracemalloc
from datetime import timedelta

import pytest

from shared.job import Job
from shared.job_parts import Image
from shared.job_states import Status
from tests.harness.virtual_time import NOON
from tests.harness.world import World

MIB = 1024 * 1024
DAY = timedelta(days=1)


def job(number: int, *, input_bytes: int = 0, urls: int = 0) -> Job:
    images = tuple(Image(index=n, source_url=f"https://cdn.example/{n}?".ljust(2_000, "x")) for n in range(urls))
    return Job(
        id=f"{number:032x}",
        status=Status.COPYING,
        prompt="a cat",
        input=json.dumps({"text": "x" * input_bytes}),
        images=images,
        created_at=NOON + timedelta(seconds=number // 3),
        expire_at=NOON + 90 * DAY,
        give_up_at=NOON + DAY,
    )


async def pages(world: World, limit: int) -> list[list[str]]:
    """The ids of all jobs, by page."""
    found, cursor = [], ""
    while True:
        answer = (await world.http.get(f"/jobs?limit={limit}&cursor={cursor}")).json()
        found.append([one["id"] for one in answer["jobs"]])
        if not (cursor := answer["nextCursor"]):
            return found


async def test_a_list_of_100_jobs_of_512_kib_takes_little_memory(world: World) -> None:
    for number in range(120):
        await world.store.create(job(number, input_bytes=512 * 1024))
    tracemalloc.start()
    try:
        answer = await world.http.get("/jobs?limit=100")
        grown = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(answer.json()["jobs"]) == 100
    assert grown < 4 * MIB


@pytest.mark.parametrize("limit", [3, 20, 100])
async def test_pages_of_jobs_with_many_images_are_bounded_and_miss_none(world: World, limit: int) -> None:
    jobs = [job(number, urls=100 if number % 5 else 0) for number in range(60)]
    for one in jobs:
        await world.store.create(one)
    found = await pages(world, limit)
    assert [job_id for page in found for job_id in page] == [one.id for one in reversed(jobs)]
    assert all(0 < len(page) <= limit for page in found)
    first = await world.http.get(f"/jobs?limit={limit}")
    assert len(first.content) < 4 * MIB


async def test_a_single_job_that_is_larger_than_a_page_is_a_page(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("functions.trigger.routes.job_list.MAX_BYTES", 1_000)
    for number in range(3):
        await world.store.create(job(number, urls=3))
    assert [len(page) for page in await pages(world, 20)] == [1, 1, 1]

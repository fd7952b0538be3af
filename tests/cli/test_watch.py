"""`jobs watch` without an ID follows every job that is not final, however many newer ones there are."""

import asyncio
from typing import Any

import httpx
import pytest

from functions.cli import watch
from functions.cli.api import Api
from functions.cli.watch import MAX_FOLLOWED, Watched
from tests.cli.test_job_output import job


class Jobs:
    """The jobs of a trigger, by number: a higher one is newer."""

    def __init__(self) -> None:
        self.status: dict[int, str] = {}
        self.down = False

    def public(self, number: int) -> dict[str, Any]:
        created = f"2026-03-01T{number // 3_600:02}:{number // 60 % 60:02}:{number % 60:02}.000Z"
        return job(id=f"{number:032x}", status=self.status[number], createdAt=created, queuePosition=None)

    def respond(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            return httpx.Response(503)
        if request.url.path != "/jobs":
            number = int(request.url.path.rpartition("/")[2], 16)
            known = number in self.status
            return httpx.Response(200, json=self.public(number)) if known else httpx.Response(410)
        wanted, limit = request.url.params.get("status"), int(request.url.params["limit"])
        before = int(request.url.params.get("cursor", 1 << 60))
        numbers = [n for n in sorted(self.status, reverse=True) if n < before and wanted in (None, self.status[n])]
        cursor = str(numbers[limit - 1]) if len(numbers) > limit else None
        return httpx.Response(200, json={"jobs": [self.public(n) for n in numbers[:limit]], "nextCursor": cursor})


@pytest.fixture
def jobs() -> Jobs:
    return Jobs()


@pytest.fixture
def watched(jobs: Jobs) -> Watched:
    transport = httpx.MockTransport(jobs.respond)
    return Watched(Api(httpx.AsyncClient(base_url="http://trigger.test", transport=transport)))


async def changes(watched: Watched) -> list[tuple[int, str]]:
    return [(int(job["id"], 16), job["status"]) for job in await watched.look()]


async def test_a_job_far_behind_the_newest_ones_is_followed_to_its_end(jobs: Jobs, watched: Watched):
    jobs.status = {1: "queued", 2: "running", **dict.fromkeys(range(3, 400), "succeeded")}
    assert await changes(watched) == [(1, "queued"), (2, "running")]
    jobs.status |= {1: "triggering", 2: "failed"}
    assert await changes(watched) == [(1, "triggering"), (2, "failed")]
    jobs.status[1] = "succeeded"
    assert await changes(watched) == [(1, "succeeded")]
    assert await changes(watched) == []


async def test_an_old_job_that_is_retried_is_noticed(jobs: Jobs, watched: Watched):
    jobs.status = dict.fromkeys(range(300), "failed")
    assert await changes(watched) == []
    jobs.status[5] = "queued"
    assert await changes(watched) == [(5, "queued")]


async def test_a_new_job_is_noticed_even_if_it_is_final_already(jobs: Jobs, watched: Watched):
    jobs.status = {1: "succeeded"}
    assert await changes(watched) == []
    jobs.status |= {2: "failed", 3: "running"}
    assert await changes(watched) == [(2, "failed"), (3, "running")]


async def test_an_old_final_job_that_others_left_room_for_is_no_news(jobs: Jobs, watched: Watched):
    jobs.status = dict.fromkeys(range(101), "succeeded")
    assert await changes(watched) == []
    del jobs.status[50]
    assert await changes(watched) == []


async def test_an_erased_job_is_no_longer_watched(jobs: Jobs, watched: Watched):
    jobs.status = {1: "running", **dict.fromkeys(range(2, 200), "succeeded")}
    await changes(watched)
    del jobs.status[1]
    assert await changes(watched) == []


async def test_more_jobs_than_are_watched_are_said(jobs: Jobs, watched: Watched, capsys: pytest.CaptureFixture[str]):
    jobs.status = dict.fromkeys(range(MAX_FOLLOWED + 10), "queued")
    assert len(await changes(watched)) == MAX_FOLLOWED
    assert capsys.readouterr().err == "Only the newest 1,000 queued jobs are watched.\n"


async def test_a_change_while_the_trigger_does_not_respond_is_told_later(
    jobs: Jobs, watched: Watched, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(watch, "LOCAL_SECONDS", 0)
    jobs.status = {1: "queued"}
    looks = watch._repeat(watched.look, watch.Place())
    assert len(await anext(looks)) == 1
    jobs.down = True
    waiting = asyncio.ensure_future(anext(looks))
    await asyncio.sleep(0.01)
    jobs.status[1] = "running"
    jobs.down = False
    assert [job["status"] for job in await waiting] == ["running"]
    await looks.aclose()

"""`jobs erase` of many jobs: which are selected, and that none of them is left silently."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from functions.cli import erase
from functions.cli.api import Api
from functions.cli.errors import RequestFailed
from functions.cli.place import Place
from tests.cli.command import Command
from tests.recipes.small_server import Answer, Request, serving


@pytest.mark.parametrize(("dry_run", "requests", "done"), [(False, 4, 350), (True, 2, 0)])
async def test_more_jobs_than_a_request_examines_or_erases_are_counted_and_erased(
    dry_run: bool, requests: int, done: int
):
    left, bodies = {"2026-03-01T00:00:00Z": 250, "2026-02-01T00:00:00Z": 100}, []

    def respond(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        until = bodies[-1]["filter"]["until"]
        matched = left[until]
        erased = 0 if bodies[-1]["dryRun"] else min(matched, 100)
        left[until] -= erased
        ids = [f"{len(bodies)}-{number}" for number in range(erased)]
        further = {"nextUntil": "2026-02-01T00:00:00Z"} if until.startswith("2026-03") else {}
        counts = {"matched": matched + 2, "done": erased, "skipped": 2, "jobs": ids, **further}
        return httpx.Response(200, json=counts)

    async with httpx.AsyncClient(base_url="http://trigger.test", transport=httpx.MockTransport(respond)) as http:
        wanted = {"status": "failed", "until": "2026-03-01T00:00:00Z"}
        result = await erase._sum(wanted, Api(http), asyncio.sleep, dry_run=dry_run)
    assert (len(bodies), result["matched"], result["skipped"]) == (requests, 354, 4)
    assert result["done"] == len(set(result["jobs"])) == done
    assert {body["filter"]["status"] for body in bodies} == {"failed"}


def test_jobs_are_selected_to_the_microsecond(command: Command):
    filters = []

    def respond(request: Request) -> Answer:
        filters.append(json.loads(request.body)["filter"])
        return Answer(json.dumps({"matched": 0, "done": 0, "skipped": 0, "jobs": []}).encode())

    times = ("--since", "2026-01-31T18:30:00.000999+02:00", "--until", "2026-02-01T00:00:00.000001Z")
    with serving(respond) as url:
        assert command.invoke("jobs", "erase", *times, "--yes", "--url", url).code == 0
    assert filters == [{"since": "2026-01-31T16:30:00.000999Z", "until": "2026-02-01T00:00:00.000001Z"}]


# --- jobs that others are changing ---------------------------------------------------------------------------------

OLDER = "2026-01-01T00:00:00Z"  # the `until` that selects the older ones


class Busy:
    """A trigger with three jobs, which it can erase from the request `free_at` on, and three older ones at any time."""

    def __init__(self, free_at: int = 1000, *, older: bool = False, **headers: str) -> None:
        self.free_at, self.older, self.headers, self.requests = free_at, older, headers, 0
        self.left = {False: 3, True: 3}
        self.waits: list[float] = []

    def __call__(self, request: Request) -> Answer:
        body: dict[str, Any] = json.loads(request.body)
        is_older = body["filter"]["until"] == OLDER
        matched, done = self.left[is_older], 0
        if not body["dryRun"]:
            self.requests += 1
            done = matched if is_older or self.requests >= self.free_at else 0
            self.left[is_older] -= done
        result = {"matched": matched, "done": done, "skipped": 0, "jobs": ["0" * 32] * done}
        further = {"nextUntil": OLDER} if self.older and not is_older else {}
        return Answer(json.dumps(result | further).encode(), self.headers, 202 if matched > done else 200)

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


async def erased(trigger: Busy) -> None:
    """Erase all jobs; the waits are recorded."""
    with serving(trigger) as url:
        place = Place(url=url)
        await erase.erase_all({"status": "failed"}, place, {}, yes=True, as_json=False, sleep=trigger.sleep)


async def test_jobs_that_others_change_are_erased_when_they_have_ended(capsys: pytest.CaptureFixture[str]):
    trigger = Busy(free_at=3, **{"Retry-After": "5"})
    await erased(trigger)
    assert (trigger.waits, trigger.left[False], capsys.readouterr().out) == ([5, 5], 0, "3 jobs erased.\n")


async def test_jobs_that_others_keep_changing_are_a_failure_that_says_how_many(capsys: pytest.CaptureFixture[str]):
    trigger = Busy(**{"Retry-After": "5"})
    with pytest.raises(
        RequestFailed, match=r"^3 jobs could not be erased while being changed\. Run the command again\.$"
    ):
        await erased(trigger)
    assert trigger.waits == [5] * erase.MAX_TRIES
    assert capsys.readouterr().out == "0 jobs erased.\n"
    assert RequestFailed.exit_code == 1


async def test_older_jobs_are_erased_although_newer_ones_are_being_changed(capsys: pytest.CaptureFixture[str]):
    trigger = Busy(older=True)
    with pytest.raises(RequestFailed, match=r"^3 jobs could not be erased"):
        await erased(trigger)
    assert (trigger.left[True], capsys.readouterr().out) == (0, "3 jobs erased.\n")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({}, 5), ({"Retry-After": "0"}, 1), ({"Retry-After": "7200"}, 30), ({"Retry-After": "Wed, 21 Oct"}, 5)],
)
async def test_the_wait_for_other_requests_is_bounded(headers: Mapping[str, str], seconds: int):
    trigger = Busy(free_at=2, **headers)
    await erased(trigger)
    assert trigger.waits == [seconds]

"""`jobs erase` of many jobs: which are selected, and that none of them is left silently."""

import json

import httpx
import pytest

from functions.cli import erase
from functions.cli.api import Api
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
        result = await erase._sum(wanted, Api(http), dry_run=dry_run)
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

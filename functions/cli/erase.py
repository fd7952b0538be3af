"""`jobs erase`: one job, or all that a filter selects."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import click

from functions.cli.api import Api, open_api
from functions.cli.confirm import confirm
from functions.cli.errors import RequestFailed
from functions.cli.place import Place
from functions.cli.times import utc_text

Sleep = Callable[[float], Awaitable[None]]

MAX_REQUESTS = 100_000
MAX_TRIES = 5  # in a row, while others are changing all jobs that are left
RETRY_SECONDS, MAX_RETRY_SECONDS = 5, 30
PERMANENT = "Records, images, and input images are removed permanently."
NOT_ERASED = "Nothing was erased."


async def erase_one(job_id: str, place: Place, environ: Mapping[str, str], *, yes: bool, as_json: bool) -> None:
    """Erase a final job, after a confirmation unless `yes`; it may be erased already. Raises as `erase_all`."""
    if not yes:
        await confirm(f"{PERMANENT} Erase job {job_id}?", NOT_ERASED)
    async with open_api(place, environ) as api:
        await api.remove(f"/jobs/{job_id}?erase=true")
    click.echo(json.dumps({"id": job_id}) if as_json else "The job is erased.")


async def erase_all(
    chosen: Mapping[str, Any],
    place: Place,
    environ: Mapping[str, str],
    *,
    yes: bool,
    as_json: bool,
    sleep: Sleep = asyncio.sleep,
) -> None:
    """Erase all final jobs that match `chosen`, after a confirmation unless `yes`.

    `chosen`: the filter of `POST /jobs/actions`, times as naive datetimes in UTC. Jobs that are created after the
    question are not erased. Raises RequestFailed if jobs are left, and the errors of `Api` and `confirm`.
    """
    wanted = _filter(chosen, datetime.now(UTC).replace(tzinfo=None))
    async with open_api(place, environ) as api:
        planned = await _sum(wanted, api, sleep, dry_run=True)
        count = planned["matched"] - planned["skipped"]
        if count and not yes:
            await confirm(f"{PERMANENT} Erase {_jobs(count)}?", NOT_ERASED)
        result = await _sum(wanted, api, sleep) if count else {**planned, "dryRun": False}
    click.echo(json.dumps(result) if as_json else f"{_jobs(result['done'])} erased.")
    if left := _left(result):
        raise RequestFailed(f"{_jobs(left)} could not be erased while being changed. Run the command again.")


def _filter(chosen: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    until = min(chosen.get("until", now), now)
    values = {**chosen, "until": until}
    return {name: utc_text(value) if isinstance(value, datetime) else value for name, value in values.items()}


async def _sum(wanted: Mapping[str, Any], api: Api, sleep: Sleep, *, dry_run: bool = False) -> dict[str, Any]:
    """Select jobs until none are left to examine: a request examines 10,000. Return the sum of the responses."""
    body = {"action": "erase", "dryRun": dry_run}
    total: dict[str, Any] = {**body, "matched": 0, "done": 0, "skipped": 0, "estimatedCost": None, "jobs": []}
    for _ in range(MAX_REQUESTS):
        examined = await _repeat({**body, "filter": wanted}, api, sleep)
        for name in ("matched", "done", "skipped", "jobs"):
            total[name] += examined[name]
        if "nextUntil" not in examined:
            break
        wanted = {**wanted, "until": examined["nextUntil"]}
    return total


async def _repeat(body: Mapping[str, Any], api: Api, sleep: Sleep) -> dict[str, Any]:
    """Send a request until all jobs that it examines are done: one erases 100. Return the sum of the responses.

    What is left matches again, so only what the last response has matched is added. While others are changing all that
    is left, wait, and give up after MAX_TRIES.
    """
    done, jobs, tries = 0, list[str](), 0
    while True:
        result, seconds = await api.post_with_retry_after("/jobs/actions", body)
        if body["dryRun"] or not _left(result) or (not result["done"] and tries == MAX_TRIES):
            sums = {"matched": done + result["matched"], "done": done + result["done"]}
            return {**result, **sums, "jobs": jobs + result["jobs"]}
        done, jobs = done + result["done"], jobs + result["jobs"]
        tries = 0 if result["done"] else tries + 1
        if tries == 1:
            click.echo(
                f"{_jobs(_left(result))} cannot be erased yet: requests or the poller are changing them. Trying again.",
                err=True,
            )
        if tries:
            await sleep(min(max(seconds if seconds is not None else RETRY_SECONDS, 1), MAX_RETRY_SECONDS))


def _left(result: Mapping[str, Any]) -> int:
    """Return how many jobs match and are neither erased nor skipped."""
    left: int = result["matched"] - result["done"] - result["skipped"]
    return left


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count:,} jobs"

"""`jobs erase`: one job, or all that a filter selects."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import click

from functions.cli.api import Api, open_api
from functions.cli.confirm import confirm
from functions.cli.place import Place
from functions.cli.times import utc_text

MAX_REQUESTS = 100_000
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
    chosen: Mapping[str, Any], place: Place, environ: Mapping[str, str], *, yes: bool, as_json: bool
) -> None:
    """Erase all final jobs that match `chosen`, after a confirmation unless `yes`.

    `chosen`: the filter of `POST /jobs/actions`, times as naive datetimes in UTC. Jobs that are created after the
    question are not erased. Raises the errors of `Api` and `confirm`.
    """
    now = datetime.now(UTC).replace(tzinfo=None)
    until = min(chosen.get("until", now), now)
    wanted = {
        name: utc_text(value) if isinstance(value, datetime) else value
        for name, value in {**chosen, "until": until}.items()
    }
    async with open_api(place, environ) as api:
        planned = await _sum(wanted, api, dry_run=True)
        count = planned["matched"] - planned["skipped"]
        if count and not yes:
            await confirm(f"{PERMANENT} Erase {_jobs(count)}?", NOT_ERASED)
        result = await _sum(wanted, api) if count else {**planned, "dryRun": False}
    click.echo(json.dumps(result) if as_json else f"{_jobs(result['done'])} erased.")


async def _sum(wanted: Mapping[str, Any], api: Api, *, dry_run: bool = False) -> dict[str, Any]:
    """Send requests until nothing is left: one examines 10,000 jobs, and erases 100. Return the sum of the responses.

    What is left of the examined jobs matches again, so only what the last of these requests has matched is added.
    """
    body = {"action": "erase", "dryRun": dry_run}
    total: dict[str, Any] = {**body, "matched": 0, "done": 0, "skipped": 0, "estimatedCost": None, "jobs": []}
    for _ in range(MAX_REQUESTS):
        result = await api.post("/jobs/actions", {**body, "filter": wanted})
        total["done"] += result["done"]
        total["jobs"] += result["jobs"]
        if result["done"] and result["matched"] > result["done"] + result["skipped"]:
            total["matched"] += result["done"]
            continue
        total["matched"] += result["matched"]
        total["skipped"] += result["skipped"]
        if "nextUntil" not in result:
            break
        wanted = {**wanted, "until": result["nextUntil"]}
    return total


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count:,} jobs"

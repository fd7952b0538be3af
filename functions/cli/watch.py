"""`jobs watch`: one job until it is final, or all of them."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from functions.cli.api import Api, open_api
from functions.cli.errors import JobFailed, RequestFailed
from functions.cli.job_output import print_change, state_of
from functions.cli.output import failure
from functions.cli.place import Place
from shared.job_states import FINAL, Status

LOCAL_SECONDS, REMOTE_SECONDS = 0.5, 2.0  # between two looks
NEWEST = 100  # jobs that are watched


async def watch_job(job_id: str, place: Place, environ: Mapping[str, str], *, as_json: bool) -> None:
    """Print each change of a job until it is final. Raises JobFailed unless it succeeds, and RequestRejected."""
    seen = None
    async with open_api(place, environ) as api:
        async for job in _repeat(f"/jobs/{job_id}", api, place):
            if state_of(job) != seen:
                seen = state_of(job)
                print_change(job, as_json=as_json)
            if job["status"] in FINAL:
                break
    if job["status"] != Status.SUCCEEDED:
        raise JobFailed(failure(job))


async def watch_all(place: Place, environ: Mapping[str, str], *, as_json: bool) -> None:
    """Print each change of the newest jobs until interrupted, first the unfinished ones. Raises RequestRejected."""
    seen: dict[str, str] | None = None
    async with open_api(place, environ) as api:
        async for page in _repeat(f"/jobs?limit={NEWEST}", api, place):
            for job in reversed(page["jobs"]):
                changed = job["status"] not in FINAL if seen is None else seen.get(job["id"]) != state_of(job)
                if changed:
                    print_change(job, as_json=as_json)
            seen = {job["id"]: state_of(job) for job in page["jobs"]}


async def _repeat(path: str, api: Api, place: Place) -> AsyncIterator[Any]:
    """Yield the response to a GET again and again. While there is none, the last one stays as it was."""
    first = True
    while True:
        try:
            yield await api.get(path)
            first = False
        except RequestFailed:
            if first:
                raise
        await asyncio.sleep(REMOTE_SECONDS if place.url else LOCAL_SECONDS)

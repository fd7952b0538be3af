"""`jobs watch`: one job until it is final, or all of them."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import click

from functions.cli.api import Api, open_api
from functions.cli.errors import JobFailed, RequestFailed, RequestRejected
from functions.cli.job_output import print_change, state_of
from functions.cli.jobs import JobFilter, find_jobs
from functions.cli.output import failure
from functions.cli.place import Place
from shared.job_states import FINAL, Status

LOCAL_SECONDS, REMOTE_SECONDS = 0.5, 2.0  # between two looks
NEWEST = 100  # jobs in any state: a short one may be final at the first look that could show it
MAX_FOLLOWED = 1_000  # jobs in each state that is not final
# In the order of a job's life: a job that moves on during a look is found in its later state.
UNFINISHED = [status for status in Status if status not in FINAL]

T = TypeVar("T")
Job = dict[str, Any]


async def watch_job(job_id: str, place: Place, environ: Mapping[str, str], *, as_json: bool) -> None:
    """Print each change of a job until it is final. Raises JobFailed unless it succeeds, and RequestRejected."""
    seen = None
    async with open_api(place, environ) as api:
        async for job in _repeat(partial(api.get, f"/jobs/{job_id}"), place):
            if state_of(job) != seen:
                seen = state_of(job)
                print_change(job, as_json=as_json)
            if job["status"] in FINAL:
                break
    if job["status"] != Status.SUCCEEDED:
        raise JobFailed(failure(job))


async def watch_all(place: Place, environ: Mapping[str, str], *, as_json: bool) -> None:
    """Print each change of all jobs until interrupted, first those that are not final. Raises RequestRejected."""
    async with open_api(place, environ) as api:
        watched = Watched(api)
        async for changed in _repeat(watched.look, place):
            for job in changed:
                print_change(job, as_json=as_json)


class Watched:
    """The jobs that are watched: those that are not final, and the newest ones."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._states: dict[str, str] | None = None  # by id, None before the first look
        self._unfinished: Collection[str] = ()
        self._newest = ""  # when the newest job of the first look was created

    async def look(self) -> list[Job]:
        """Return the jobs that have changed since the last look, oldest first. Raises the errors of `Api`."""
        jobs = await self._read()
        if self._states is None:
            self._newest = max((job["createdAt"] for job in jobs), default="")
            self._note_limit(jobs)
        changed = [job for job in jobs if self._has_changed(job)]
        self._states = {job["id"]: state_of(job) for job in jobs}
        self._unfinished = [job["id"] for job in jobs if job["status"] not in FINAL]
        return changed

    def _has_changed(self, job: Job) -> bool:
        known = (self._states or {}).get(job["id"])
        if known is None and job["status"] in FINAL:  # an old one that others left room for on the page is no news
            return self._states is not None and job["createdAt"] > self._newest
        return known != state_of(job)

    async def _read(self) -> list[Job]:
        """Return what is watched. A job that was not final and is no longer listed has ended: it is read too."""
        found: dict[str, Job] = {}
        for status in UNFINISHED:
            found |= _by_id(await find_jobs(JobFilter(status=status, limit=MAX_FOLLOWED), self._api))
        found |= _by_id(await find_jobs(JobFilter(limit=NEWEST), self._api))
        for job_id in self._unfinished:
            if job_id not in found:
                with suppress(RequestRejected):  # it was erased
                    found[job_id] = await self._api.get(f"/jobs/{job_id}")
        return sorted(found.values(), key=lambda job: (job["createdAt"], job["id"]))

    def _note_limit(self, jobs: list[Job]) -> None:
        for status in UNFINISHED:
            if sum(job["status"] == status for job in jobs) >= MAX_FOLLOWED:
                click.echo(f"Only the newest {MAX_FOLLOWED:,} {status} jobs are watched.", err=True)


def _by_id(jobs: list[Job]) -> dict[str, Job]:
    return {job["id"]: job for job in jobs}


async def _repeat(look: Callable[[], Awaitable[T]], place: Place) -> AsyncIterator[T]:
    """Yield what `look` returns, again and again. While there is no response, nothing has changed.

    A look that takes long, because there are many jobs, is followed by a pause as long.
    """
    first, shortest = True, REMOTE_SECONDS if place.url else LOCAL_SECONDS
    while True:
        began_at = time.monotonic()
        try:
            yield await look()
            first = False
        except RequestFailed:
            if first:
                raise
        await asyncio.sleep(max(shortest, time.monotonic() - began_at))

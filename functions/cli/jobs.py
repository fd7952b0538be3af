"""`jobs`: list, show, cancel, and recover jobs."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from functions.cli.api import Api, open_api
from functions.cli.confirm import confirm
from functions.cli.errors import RequestRejected, rejection
from functions.cli.job_output import print_action, print_job, print_jobs
from functions.cli.place import Place
from functions.cli.text import dollars_text
from functions.cli.times import utc_text
from shared.job_states import Status
from shared.public_job import WOULD_FAIL_AGAIN

PAGE = 100  # jobs, the maximum of a request
CHARGED = {"yes": "It was charged.", "no": "It was not charged.", "unknown": "It may have been charged."}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs are listed. `since`: a naive time in UTC; `limit`: how many."""

    status: str | None = None
    workflow: str | None = None
    since: datetime | None = None
    limit: int = 20


async def list_jobs(wanted: JobFilter, place: Place, environ: Mapping[str, str], *, as_json: bool) -> None:
    """Print jobs, newest first. Raises the errors of `Api`."""
    async with open_api(place, environ) as api:
        print_jobs(await find_jobs(wanted, api), datetime.now(UTC), as_json=as_json)


async def find_jobs(wanted: JobFilter, api: Api) -> list[dict[str, Any]]:
    """Return at most `limit` jobs, newest first. Raises the errors of `Api`."""
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = await api.get(
            "/jobs",
            status=wanted.status,
            workflow=wanted.workflow,
            since=wanted.since and utc_text(wanted.since),
            limit=min(wanted.limit - len(found), PAGE),
            cursor=cursor,
        )
        found += page["jobs"]
        cursor = page["nextCursor"]
        if cursor is None or len(found) >= wanted.limit:
            return found


async def show(job_id: str, place: Place, environ: Mapping[str, str], *, as_json: bool) -> None:
    """Print the history of a job. Raises the errors of `Api`."""
    async with open_api(place, environ) as api:
        job = await api.get(f"/jobs/{job_id}")
        with suppress(RequestRejected):  # other readers do not see it, nor does an earlier version have it
            job["history"] = await api.get(f"/jobs/{job_id}/history")
        print_job(job, as_json=as_json, place=place)


async def cancel(job_id: str, place: Place, environ: Mapping[str, str], *, as_json: bool) -> None:
    """Cancel a queued job. Raises the errors of `Api`."""
    async with open_api(place, environ) as api:
        print_action("cancel", await api.delete(f"/jobs/{job_id}"), as_json=as_json)


async def act(action: str, job_id: str, place: Place, environ: Mapping[str, str], *, as_json: bool) -> None:
    """Redeliver or recopy a job. Raises the errors of `Api`."""
    async with open_api(place, environ) as api:
        print_action(action, await api.post(f"/jobs/{job_id}/{action}"), as_json=as_json)


async def retry(job_id: str, place: Place, environ: Mapping[str, str], *, yes: bool, as_json: bool) -> None:
    """Pay for another run, after a confirmation unless `yes`.

    The attempt that was seen is sent along, so a repeat never pays again. Raises the errors of `Api` and `confirm`.
    """
    async with open_api(place, environ) as api:
        job = await api.get(f"/jobs/{job_id}")
        if job["status"] not in (Status.FAILED, Status.CANCELED):  # not a question of money
            status = f"The status of the job is {job['status']}."
            raise RequestRejected(rejection(f"{status} Only failed and canceled jobs can be retried."))
        if job["imageCount"]:
            reason = "The job has a stored image. Send a new request with a new Idempotency-Key."
            raise RequestRejected(rejection(reason))
        if not yes:
            await confirm(_question(job))
        confirmed = {"confirm": True, "attempt": job["attempt"]}
        print_action("retry", await api.post(f"/jobs/{job_id}/retry", confirmed), as_json=as_json)


def _question(job: Mapping[str, Any]) -> str:
    ended = "was canceled" if job["status"] == Status.CANCELED else str(job["status"])
    code = f" ({job['errorCode']})" if job["errorCode"] else ""
    charged = f" {CHARGED[job['errorCharged']]}" if job["errorCharged"] else ""
    price, so_far = job["estimatedCost"], job["cost"]
    paid = f" The job has cost {dollars_text(so_far['amount'])} so far." if so_far and so_far["amount"] else ""
    again = f" {WOULD_FAIL_AGAIN}" if job["errorRetryable"] is False else ""
    costs = f"costs about {dollars_text(price['amount'])}" if price else "costs money (the price is not known)"
    return f"Attempt {job['attempt']} {ended}{code}.{charged}{paid}{again} A retry {costs}. Retry the job?"

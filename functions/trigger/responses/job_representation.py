"""The public job as a response, with the headers that help callers to follow it."""

import hashlib
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from shared.job import Job
from shared.listed_job import ListedJob
from shared.public_job import public_job
from shared.runtime.dependencies import Deps
from shared.runtime.places import Places
from shared.steps.estimate_wait import estimate_wait

from ..auth.authorize import is_owner
from ..auth.caller import Caller
from ..base_url import base_url

MIN_RETRY_SECONDS, MAX_RETRY_SECONDS = 5, 60


async def document(
    request: Request, job: ListedJob, deps: Deps, reader: Caller | None, places: Places | None = None
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the public job as `reader` may see it, and the header `Retry-After` until the job is final.

    `places`: the queue, if it need not be read again.
    """
    wait = await estimate_wait(job, deps, places)
    public = public_job(
        job,
        base_url(request, deps.config),
        owner=is_owner(job, reader),
        admin=reader is not None and reader.admin,
        wait_reason=wait.reason if wait else None,
        estimated_start=wait.until if wait else None,
        position=wait.position if wait else None,
    )
    if job.finished:
        return public, {}
    seconds = (wait.until - deps.clock.now()).total_seconds() if wait and wait.until else 0
    return public, {"Retry-After": str(int(min(max(seconds, MIN_RETRY_SECONDS), MAX_RETRY_SECONDS)))}


async def job_response(
    request: Request,
    job: Job,
    deps: Deps,
    reader: Caller | None,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    places: Places | None = None,
) -> JSONResponse:
    """Return the response with the public job as JSON. `places`: see `document`."""
    public, retry_after = await document(request, job, deps, reader, places)
    return JSONResponse(public, status, {**retry_after, **(headers or {})})


def etag_of(body: bytes) -> str:
    """Return a strong ETag for the body of a response."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'

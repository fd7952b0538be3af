"""A job as an answer: the public job as JSON, with what helps to follow it."""

import hashlib
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from shared.job import Job
from shared.public_job import public_job
from shared.runtime.dependencies import Deps
from shared.steps.estimate_wait import estimate_wait

RETRY_SECONDS, LONGEST_RETRY_SECONDS = 5, 60


def base_url(request: Request, deps: Deps) -> str:
    """PUBLIC_URL, or the address that the request came to; a proxy in front says that it was https."""
    if deps.config.public_url:
        return deps.config.public_url
    scheme = "https" if request.headers.get("x-forwarded-proto") == "https" else request.url.scheme
    return f"{scheme}://{request.url.netloc}"


async def document(request: Request, job: Job, deps: Deps) -> tuple[dict[str, Any], dict[str, str]]:
    """The public job, and `Retry-After` while there is more to come."""
    wait = await estimate_wait(job, deps)
    shown = public_job(
        job,
        base_url(request, deps),
        wait_reason=wait.reason if wait else None,
        estimated_start=wait.until if wait else None,
    )
    if job.finished:
        return shown, {}
    pause = (wait.until - deps.clock.now()).total_seconds() if wait and wait.until else 0
    return shown, {"Retry-After": str(int(min(max(pause, RETRY_SECONDS), LONGEST_RETRY_SECONDS)))}


async def job_answer(
    request: Request, job: Job, deps: Deps, *, status: int = 200, headers: dict[str, str] | None = None
) -> JSONResponse:
    """The public job as JSON."""
    shown, more = await document(request, job, deps)
    return JSONResponse(shown, status, {**more, **(headers or {})})


def etag_of(body: bytes) -> str:
    """A strong validator of an answer's bytes."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'

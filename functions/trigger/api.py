"""The routes of the trigger function: parse, call one use case, translate its errors."""

import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from shared.job import Job, Status
from shared.log import Event
from shared.ports import Conflict, CopyError, StoreError
from shared.problems import Problem
from shared.public_job import public_job
from shared.steps.accept import KeyReused, accept, cancel, waiting
from shared.steps.services import Services

from .headers import matches
from .intake import read_order
from .pictures import image

Handler = Callable[..., Awaitable[Response]]

RETRY_SECONDS, LONGEST_RETRY_SECONDS = 5, 60


async def answer(request: Request, services: Services) -> Response:
    """Answer any request; every error is a problem document."""
    try:
        handler, parameters = _route(request)
        return await handler(request, services, **parameters)
    except Problem as problem:
        return problem.response()
    except (StoreError, CopyError) as error:
        return _store_problem(error, services)
    except ClientDisconnect:
        return Response(status_code=400)  # nobody reads it
    except Exception as error:  # the last line of defence: the framework would answer plain text
        services.log.error(Event.CONFIGURATION, f"A request raised {type(error).__name__}.", path=_shape(request))
        return Problem("internal_error", "Send the request again; tell the operator if it fails again.").response()


def _store_problem(error: StoreError | CopyError, services: Services) -> Response:
    services.log.error(Event.CONFIGURATION, f"A store failed: {type(error).__name__}.")
    detail = "Send the request again in a moment, with the same Idempotency-Key if it has one."
    return Problem("store_unavailable", detail, headers={"Retry-After": "5"}).response()


# --- jobs ----------------------------------------------------------------------------------------------------------


async def post(request: Request, services: Services) -> Response:
    """`POST /`: 202 and the job; a repeat with the same key answers with the same job."""
    try:
        accepted = await accept(await read_order(request), services)
    except KeyReused as error:
        detail = "This Idempotency-Key came before with another body. Use a new key for a new request."
        raise Problem("idempotency_key_reused", detail) from error
    job = accepted.job
    headers = {"Location": f"/jobs/{job.id}"}
    if accepted.replayed:
        headers["Idempotent-Replayed"] = "true"
    status = 200 if accepted.replayed and job.finished else 202
    return await _job_response(request, job, services, status=status, headers=headers)


async def read_job(request: Request, services: Services, job_id: str) -> Response:
    """`GET /jobs/{id}`, with ETag and 304."""
    response = await _job_response(request, await _find(job_id, services), services)
    etag = f'"{hashlib.sha256(bytes(response.body)).hexdigest()[:32]}"'
    response.headers["ETag"] = etag
    response.headers["Cache-Control"] = "private, no-cache"
    if matches(request, etag):
        kept = {
            name: response.headers[name]
            for name in ("etag", "cache-control", "retry-after")
            if name in response.headers
        }
        return Response(status_code=304, headers=kept)
    return response


async def delete_job(request: Request, services: Services, job_id: str) -> Response:
    """`DELETE /jobs/{id}`: takes back a job that still waits in line."""
    job = await _find(job_id, services)
    for _ in range(2):  # a conflict may be a write that leaves the job in line
        try:
            return await _job_response(request, await cancel(job, services), services)
        except Conflict:
            job = await _find(job_id, services)
    if job.status is Status.QUEUED:
        raise Problem("not_cancelable", "The job was being changed at the same time; try again.")
    detail = f"The job is {job.status}: only a job that waits in line can be cancelled."
    raise Problem("not_cancelable", detail)


async def health(_request: Request, _services: Services) -> Response:
    """`GET /health`: without touching a store."""
    return JSONResponse({"status": "ok"})


async def _find(job_id: str, services: Services) -> Job:
    job = await services.store.get(job_id)
    if job is None:
        raise Problem("not_found", "There is no job with this id; jobs are forgotten after their retention time.")
    return job


async def _job_response(
    request: Request, job: Job, services: Services, *, status: int = 200, headers: dict[str, str] | None = None
) -> JSONResponse:
    wait = await waiting(job, services)
    document = public_job(
        job,
        _base_url(request, services),
        wait_reason=wait.reason if wait else None,
        estimated_start=wait.until if wait else None,
    )
    response = JSONResponse(document, status, headers)
    if not job.finished:
        pause = (wait.until - services.clock.now()).total_seconds() if wait else 0
        response.headers["Retry-After"] = str(int(min(max(pause, RETRY_SECONDS), LONGEST_RETRY_SECONDS)))
    return response


def _base_url(request: Request, services: Services) -> str:
    """PUBLIC_URL, or the address that the request came to; a proxy in front says that it was https."""
    if services.config.public_url:
        return services.config.public_url
    scheme = "https" if request.headers.get("x-forwarded-proto") == "https" else request.url.scheme
    return f"{scheme}://{request.url.netloc}"


# --- routes --------------------------------------------------------------------------------------------------------

ID = r"(?P<job_id>[0-9a-f]{32})"
ROUTES: list[tuple[re.Pattern[str], dict[str, Handler]]] = [
    (re.compile(r"/"), {"POST": post}),
    (re.compile(r"/health"), {"GET": health}),
    (re.compile(rf"/jobs/{ID}"), {"GET": read_job, "DELETE": delete_job}),
    (re.compile(rf"/jobs/{ID}/image(/(?P<index>\d{{1,4}}))?"), {"GET": image}),
]


def _route(request: Request) -> tuple[Handler, dict[str, Any]]:
    """The handler of a path and method; HEAD is a GET whose body the server leaves out."""
    for pattern, methods in ROUTES:
        if found := pattern.fullmatch(request.scope["path"]):
            method = "GET" if request.method == "HEAD" else request.method
            if method not in methods:
                raise Problem.not_allowed(request.method, [*methods, "HEAD"] if "GET" in methods else [*methods])
            return methods[method], found.groupdict()
    raise Problem("not_found", "The routes are POST /, /jobs/{id}, /jobs/{id}/image and /health.")


def _shape(request: Request) -> str:
    return re.sub(r"[0-9a-f]{32}", "{id}", request.url.path)[:100]

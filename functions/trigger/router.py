"""The routes of the trigger function: find the one that is asked for, and translate its errors."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from shared.log import Event
from shared.ports import CopyError, StoreError
from shared.problems import Problem
from shared.runtime.dependencies import Deps

from .auth.cors import cors_headers, options_response
from .context import Context
from .openapi.document import openapi
from .routes.images import image
from .routes.job_list import list_jobs
from .routes.jobs import delete_job, read_job
from .routes.submit import post
from .routes.workflows import list_workflows

Handler = Callable[..., Awaitable[Response]]


async def handle(request: Request, context: Context) -> Response:
    """Answer any request; every error is a problem document."""
    response = await _answer(request, context)
    response.headers.update(cors_headers(request, context.deps.config.auth, response.headers.get("vary")))
    return response


async def _answer(request: Request, context: Context) -> Response:
    deps = context.deps
    try:
        handler, parameters = _route(request)
        return await handler(request, context, **parameters)
    except Problem as problem:
        return problem.response()
    except (StoreError, CopyError) as error:
        return _store_problem(error, deps)
    except ClientDisconnect:
        return Response(status_code=400)  # nobody reads it
    except Exception as error:  # the last line of defence: the framework would answer plain text
        deps.log.error(Event.CONFIGURATION, f"A request raised {type(error).__name__}.", path=_shape(request))
        return Problem("internal_error", "Send the request again; tell the operator if it fails again.").response()


def _store_problem(error: StoreError | CopyError, deps: Deps) -> Response:
    deps.log.error(Event.CONFIGURATION, f"A store failed: {type(error).__name__}.")
    detail = "Send the request again in a moment, with the same Idempotency-Key if it has one."
    return Problem("store_unavailable", detail, headers={"Retry-After": "5"}).response()


async def health(_request: Request, _context: Context) -> Response:
    """`GET /health`: without touching a store."""
    return JSONResponse({"status": "ok"})


async def form_token(request: Request, context: Context) -> Response:
    """`GET /form-token`: for a page on an allowed origin, before its form is sent."""
    return JSONResponse(await context.forms.issue_form_token(request), headers={"Cache-Control": "no-store"})


# --- routes --------------------------------------------------------------------------------------------------------

ID = r"(?P<job_id>[0-9a-f]{32})"
ROUTES: list[tuple[re.Pattern[str], dict[str, Handler]]] = [
    (re.compile(r"/"), {"POST": post}),
    (re.compile(r"/health"), {"GET": health}),
    (re.compile(r"/jobs"), {"GET": list_jobs}),
    (re.compile(rf"/jobs/{ID}"), {"GET": read_job, "DELETE": delete_job}),
    (re.compile(rf"/jobs/{ID}/image(/(?P<index>\d{{1,4}}))?"), {"GET": image}),
    (re.compile(r"/workflows"), {"GET": list_workflows}),
    (re.compile(r"/form-token"), {"GET": form_token}),
    (re.compile(r"/openapi\.json"), {"GET": openapi}),
]


def _route(request: Request) -> tuple[Handler, dict[str, Any]]:
    """The handler of a path and method; HEAD is a GET whose body the server leaves out."""
    for pattern, methods in ROUTES:
        if found := pattern.fullmatch(request.scope["path"]):
            return _handler(request, methods), found.groupdict() if request.method != "OPTIONS" else {}
    raise Problem("not_found", "GET /openapi.json has the routes: POST /, /jobs/{id}, /jobs/{id}/image and more.")


def _handler(request: Request, methods: dict[str, Handler]) -> Handler:
    allowed = [*methods, "HEAD"] if "GET" in methods else [*methods]
    if request.method == "OPTIONS":

        async def options(request: Request, context: Context) -> Response:
            return options_response(request, context.deps.config.auth, allowed)

        return options
    method = "GET" if request.method == "HEAD" else request.method
    if method not in methods:
        raise Problem.not_allowed(request.method, allowed)
    return methods[method]


def _shape(request: Request) -> str:
    return re.sub(r"[0-9a-f]{32}", "{id}", request.url.path)[:100]

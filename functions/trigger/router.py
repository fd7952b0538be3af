"""The router of the trigger function: find the handler of a request, and translate errors into problem documents."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from shared.copy_errors import CopyError
from shared.log import Event, Log
from shared.problems import Problem
from shared.store_errors import StoreError

from .auth.cors import cors_headers, options_response
from .context import Context
from .openapi.document import openapi
from .parsing.hook_fields import NAMES as HOOK_FIELDS
from .parsing.query_parameters import check_parameters
from .responses.assets import PAGE_ASSETS
from .responses.problems import problem_response
from .routes.actions import FIELDS as ACTION_FIELDS
from .routes.actions import act_on_jobs
from .routes.assets import embed, page_asset
from .routes.batch_results import batch_results
from .routes.batches import delete_batch, list_batch_jobs, post_batch, read_batch
from .routes.form_token import form_token
from .routes.health import health
from .routes.hooks import create_hook, delete_hook, list_hooks, read_hook, rotate_secret
from .routes.images import image, image_file
from .routes.job_list import list_jobs
from .routes.jobs import delete_job, read_history, read_job
from .routes.next_job import post_next
from .routes.pages import playground
from .routes.recovery import RETRY_FIELDS, recopy_job, redeliver_job, retry_job
from .routes.submit import post
from .routes.usage import usage
from .routes.workflows import list_workflows

Handler = Callable[..., Awaitable[Response]]

ID = r"(?P<job_id>[0-9a-f]{32})"
BATCH_ID = r"(?P<batch_id>[0-9a-f]{32})"
HOOK_ID = r"(?P<hook_id>[0-9a-f]{32})"
ASSET = "|".join(map(re.escape, PAGE_ASSETS))
ROUTES: list[tuple[re.Pattern[str], dict[str, Handler]]] = [
    (re.compile(r"/"), {"GET": playground, "POST": post}),
    (re.compile(r"/health"), {"GET": health}),
    (re.compile(r"/jobs"), {"GET": list_jobs}),
    (re.compile(r"/jobs/actions"), {"POST": act_on_jobs}),
    (re.compile(rf"/jobs/{ID}/redeliver"), {"POST": redeliver_job}),
    (re.compile(rf"/jobs/{ID}/recopy"), {"POST": recopy_job}),
    (re.compile(rf"/jobs/{ID}/retry"), {"POST": retry_job}),
    (re.compile(rf"/jobs/{ID}"), {"GET": read_job, "DELETE": delete_job}),
    (re.compile(rf"/jobs/{ID}/history"), {"GET": read_history}),
    (re.compile(rf"/jobs/{ID}/next"), {"POST": post_next}),
    (re.compile(rf"/jobs/{ID}/image(/(?P<index>\d{{1,4}}))?"), {"GET": image}),
    (re.compile(rf"/jobs/{ID}/image(/(?P<index>\d{{1,4}}))?\.(png|jpe?g|webp|gif|avif)"), {"GET": image_file}),
    (re.compile(r"/batches"), {"POST": post_batch}),
    (re.compile(rf"/batches/{BATCH_ID}"), {"GET": read_batch, "DELETE": delete_batch}),
    (re.compile(rf"/batches/{BATCH_ID}/jobs"), {"GET": list_batch_jobs}),
    (re.compile(rf"/batches/{BATCH_ID}/results\.csv"), {"GET": batch_results}),
    (re.compile(r"/hooks"), {"GET": list_hooks, "POST": create_hook}),
    (re.compile(rf"/hooks/{HOOK_ID}"), {"GET": read_hook, "DELETE": delete_hook}),
    (re.compile(rf"/hooks/{HOOK_ID}/secret"), {"POST": rotate_secret}),
    (re.compile(r"/usage"), {"GET": usage}),
    (re.compile(r"/workflows"), {"GET": list_workflows}),
    (re.compile(r"/form-token"), {"GET": form_token}),
    (re.compile(r"/openapi\.json"), {"GET": openapi}),
    (re.compile(rf"/pages/((?P<version>[0-9a-f]{{16}})/)?(?P<name>{ASSET})"), {"GET": page_asset}),
    (re.compile(r"/embed\.js"), {"GET": embed}),
]
_WITH_ID = re.compile(r"/(?P<kind>jobs|batches|hooks)/(?P<id>[^/]+)")
READS = {"GET", "HEAD", "OPTIONS"}  # their unknown query parameters are ignored
CREATES: set[Handler] = {post, post_batch, post_next}  # they read the query as defaults of the fields
PARAMETERS: dict[Handler, tuple[str, ...]] = {delete_job: ("erase",), delete_batch: ("erase",)}
BODY_FIELDS: dict[Handler, tuple[str, ...]] = {
    act_on_jobs: ACTION_FIELDS,
    retry_job: RETRY_FIELDS,
    create_hook: HOOK_FIELDS,
}


async def handle(request: Request, context: Context) -> Response:
    """Handle any request; every error is a problem document."""
    response = await _handle(request, context)
    if "access-control-allow-origin" not in response.headers:  # else every origin may read the response
        response.headers.update(cors_headers(request, context.deps.config.auth, response.headers.get("vary")))
    return response


async def _handle(request: Request, context: Context) -> Response:
    try:
        handler, parameters = _route(request, has_playground=context.deps.config.playground)
        if request.method not in READS and handler not in CREATES:
            check_parameters(request, PARAMETERS.get(handler, ()), BODY_FIELDS.get(handler, ()))
        return await handler(request, context, **parameters)
    except ClientDisconnect:
        return Response(status_code=400)  # the caller is gone
    except Exception as error:  # the framework would respond with plain text
        return await problem_response(_problem(error, request, context.deps.log), request, context)


def _problem(error: Exception, request: Request, log: Log) -> Problem:
    """Return the problem that a caller is told; log what only the operator can fix."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, StoreError | CopyError):
        log.error(Event.CONFIGURATION, f"A store failed: {type(error).__name__}.")
        detail = "Send the request again in 5 seconds, with the same Idempotency-Key if it has one."
        return Problem("store_unavailable", detail, headers={"Retry-After": "5"})
    path = re.sub(r"[0-9a-f]{32}", "{id}", request.url.path)[:100]
    log.internal_error(error, "A request failed", path=path)
    return Problem(
        "internal_error",
        "Send the request again, with the same Idempotency-Key if it has one. If it fails again, tell the operator.",
    )


def _route(request: Request, *, has_playground: bool) -> tuple[Handler, dict[str, Any]]:
    """Return the handler and its parameters; raise Problem 404 or 405."""
    for pattern, methods in ROUTES:
        if found := pattern.fullmatch(request.scope["path"]):
            served = {name: one for name, one in methods.items() if has_playground or one is not playground}
            return _handler(request, served), found.groupdict() if request.method != "OPTIONS" else {}
    raise _unknown_url(request.scope["path"])


def _unknown_url(path: str) -> Problem:
    named = _WITH_ID.match(path)
    if named and not re.fullmatch(r"[0-9a-f]{32}", named["id"]):
        detail = f"The id in /{named['kind']}/{{id}} must have 32 lowercase hexadecimal digits."
        return Problem("not_found", detail)
    detail = "There is no such URL. GET /openapi.json describes all of them, such as POST / and GET /jobs/{id}."
    return Problem("not_found", detail)


def _handler(request: Request, methods: dict[str, Handler]) -> Handler:
    """Return the handler of the method. HEAD is a GET whose body the server leaves out."""
    allowed = [*methods, "HEAD"] if "GET" in methods else [*methods]
    if request.method == "OPTIONS":

        async def options(request: Request, context: Context) -> Response:
            return options_response(request, context.deps.config.auth, allowed)

        return options
    method = "GET" if request.method == "HEAD" else request.method
    if method not in methods:
        hint = " Send POST / to create a job." if method == "POST" and list_jobs in methods.values() else ""
        raise Problem.not_allowed(request.method, allowed, hint)
    return methods[method]

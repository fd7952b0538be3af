"""`POST /jobs/{id}/redeliver`, `/recopy`, and `/retry`: what a person can do about a job that has ended."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from shared.job import Job
from shared.problems import Problem
from shared.steps.action_refused import ActionRefused
from shared.steps.actions import ACTIONS, act
from shared.steps.placing import QueueFull

from ..auth.authorize import UNKNOWN_JOB, check_may_act
from ..auth.caller import Caller
from ..context import Context
from ..parsing.json_object import read_object, whole_number
from ..parsing.notifications import check_headers
from ..responses.job_representation import job_response
from ..responses.refusals import queue_full

RETRY_FIELDS = ("confirm", "attempt")
CONFIRM = 'A retry is a new paid run. Send {"confirm": true, "attempt": N}, where N is the job\'s `attempt`.'


async def redeliver_job(request: Request, context: Context, job_id: str) -> Response:
    """Handle `POST /jobs/{id}/redeliver`: every callback of the job is pending again, with the same message id."""
    job, caller = await _authorized(request, job_id, context)
    return await _act("redeliver", request, job, job.attempt, caller, context)


async def recopy_job(request: Request, context: Context, job_id: str) -> Response:
    """Handle `POST /jobs/{id}/recopy`: the missing images are copied again, for free."""
    job, caller = await _authorized(request, job_id, context)
    return await _act("recopy", request, job, job.attempt, caller, context)


async def retry_job(request: Request, context: Context, job_id: str) -> Response:
    """Handle `POST /jobs/{id}/retry` with `{"confirm": true, "attempt": N}`: a new paid run."""
    job, caller = await _authorized(request, job_id, context)
    attempt = _confirmed_attempt(await read_object(request, RETRY_FIELDS))
    return await _act("retry", request, job, attempt, caller, context)


async def _authorized(request: Request, job_id: str, context: Context) -> tuple[Job, Caller | None]:
    """Return the job and the caller of the request; raise Problem 401, 403, 404, or 422 for one of our own messages."""
    check_headers(request.headers)
    caller = await context.authenticator.reader(request)
    job = await context.deps.store.get(job_id)
    if job is None:
        raise Problem("not_found", UNKNOWN_JOB)
    check_may_act(job, caller, context.deps.config.auth)
    return job, caller


def _confirmed_attempt(body: Mapping[str, Any]) -> int:
    """Return the attempt that was seen. Raise Problem 422 without a confirmation."""
    if body.get("confirm") is not True:
        raise Problem.wrong(CONFIRM, "confirm")
    attempt = whole_number(body.get("attempt"))
    if attempt is None or attempt < 1:
        raise Problem.wrong(CONFIRM, "attempt")
    return attempt


async def _act(
    name: str, request: Request, job: Job, attempt: int, caller: Caller | None, context: Context
) -> Response:
    """Respond with 202 and the job while work is left, else with 200."""
    try:
        job = await act(ACTIONS[name], job, attempt, context.deps)
    except ActionRefused as refused:
        raise Problem(refused.code, str(refused)) from refused
    except QueueFull as full:
        raise queue_full(full) from full
    status = 200 if job.finished and not job.delivering else 202
    return await job_response(request, job, context.deps, caller, status=status)

"""`GET /jobs/{id}`, `GET /jobs/{id}/history`, and `DELETE /jobs/{id}`: read, cancel, or erase one job."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from shared.job import Job
from shared.job_states import Status
from shared.problems import Problem
from shared.public_job import history
from shared.steps.action_refused import ActionRefused
from shared.steps.actions import ACTIONS, act
from shared.steps.cancel import cancel
from shared.store_errors import Conflict

from ..auth.authorize import UNKNOWN_JOB, check_may_act, check_may_cancel, check_may_erase, check_may_read, is_owner
from ..auth.caller import Caller
from ..context import Context
from ..parsing.fields import flag
from ..responses.job_page import JobView, job_page, private_page
from ..responses.job_representation import document, etag_of, job_response
from ..responses.negotiation import matches, wants_page
from ..responses.prefer import preference_applied


async def read_job(request: Request, context: Context, job_id: str) -> Response:
    """Handle `GET /jobs/{id}`: JSON with an ETag, or a page for a browser that opens the URL."""
    job, caller = await _find(request, job_id, context)
    try:
        check_may_read(job, caller)
    except Problem as problem:
        if problem.code == "unauthorized" and wants_page(request):
            return private_page(job.id, problem, playground=context.deps.config.playground)
        raise
    job, seconds = await context.waits.wait(request, job)
    if wants_page(request):
        return job_page(await _view(request, job, context, caller))
    response = await job_response(request, job, context.deps, caller, headers=preference_applied(seconds))
    response.headers["ETag"] = etag = etag_of(bytes(response.body))
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Vary"] = "Accept"
    if matches(request, etag):
        of_the_body = {"content-length", "content-type"}
        headers = {name: value for name, value in response.headers.items() if name not in of_the_body}
        return Response(status_code=304, headers=headers)
    return response


async def _view(request: Request, job: Job, context: Context, caller: Caller | None) -> JobView:
    deps = context.deps
    public, _ = await document(request, job, deps, caller)
    return JobView(
        job=job,
        public=public,
        owner=is_owner(job, caller),
        playground=deps.config.playground,
        tokens=bool(deps.config.auth.tokens),
        now=deps.clock.now(),
    )


async def read_history(request: Request, context: Context, job_id: str) -> Response:
    """Handle `GET /jobs/{id}/history`: Wireflow's responses, and when each image was stored."""
    job, caller = await _find(request, job_id, context)
    check_may_act(job, caller, context.deps.config.auth)
    return JSONResponse(history(job), headers={"Cache-Control": "private, no-store"})


async def delete_job(request: Request, context: Context, job_id: str) -> Response:
    """Handle `DELETE /jobs/{id}`: cancel a queued job, or with `erase=true` erase a final one."""
    if flag("erase", request.query_params.get("erase", "false")):
        return await _erase(request, context, job_id)
    job, caller = await _find(request, job_id, context)
    check_may_cancel(job, caller, context.deps.config.auth)
    for _ in range(2):  # after a conflict the job may still be queued
        try:
            return await job_response(request, await cancel(job, context.deps), context.deps, caller)
        except Conflict:
            job, _ = await _find(request, job_id, context)
    if job.status is Status.QUEUED:
        raise Problem("not_cancelable", "The job is being changed by another request. Send the DELETE again.")
    raise Problem("not_cancelable", f"The status of the job is {job.status}. Only queued jobs can be canceled.")


async def _erase(request: Request, context: Context, job_id: str) -> Response:
    job, caller = await _find(request, job_id, context)
    check_may_erase(job, caller, context.deps.config.auth)
    try:
        await act(ACTIONS["erase"], job, job.attempt, context.deps)
    except ActionRefused as refused:
        raise Problem(refused.code, str(refused)) from refused
    return Response(status_code=204)


async def _find(request: Request, job_id: str, context: Context) -> tuple[Job, Caller | None]:
    """Return the job and the caller of the request; raise Problem 401 or 404."""
    caller = await context.authenticator.reader(request)
    job = await context.deps.store.get(job_id)
    if job is None:
        raise Problem("not_found", UNKNOWN_JOB)
    return job, caller

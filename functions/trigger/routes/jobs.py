"""The routes of one job: read it, follow it on a page, take it back."""

from starlette.requests import Request
from starlette.responses import Response

from shared.job import Job, Status
from shared.ports import Conflict
from shared.problems import Problem
from shared.steps.cancel import cancel

from ..auth.authorize import UNKNOWN_JOB, check_may_read
from ..context import Context
from ..responses.job_representation import document, etag_of, job_answer
from ..responses.negotiation import matches, wants_page
from ..responses.prefer import preference_applied, preferred_wait, wait_until
from .pages import page


async def read_job(request: Request, context: Context, job_id: str) -> Response:
    """`GET /jobs/{id}`, with ETag and 304; a page for a browser that opens it."""
    job, seconds = await _find(request, job_id, context), preferred_wait(request)
    job = await wait_until(job, seconds, context.deps)
    if wants_page(request):
        shown, _ = await document(request, job, context.deps)
        return page(job, shown["message"], {"Vary": "Accept", "Cache-Control": "no-store"})
    response = await job_answer(request, job, context.deps, headers=preference_applied(seconds))
    response.headers["ETag"] = etag = etag_of(bytes(response.body))
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Vary"] = "Accept"
    if matches(request, etag):
        dropped = {"content-length", "content-type"}
        kept = {name: value for name, value in response.headers.items() if name not in dropped}
        return Response(status_code=304, headers=kept)
    return response


async def delete_job(request: Request, context: Context, job_id: str) -> Response:
    """`DELETE /jobs/{id}`: takes back a job that still waits in line."""
    job = await _find(request, job_id, context)
    for _ in range(2):  # a conflict may be a write that leaves the job in line
        try:
            return await job_answer(request, await cancel(job, context.deps), context.deps)
        except Conflict:
            job = await _find(request, job_id, context)
    if job.status is Status.QUEUED:
        raise Problem("not_cancelable", "The job was being changed at the same time; try again.")
    detail = f"The job is {job.status}: only a job that waits in line can be cancelled."
    raise Problem("not_cancelable", detail)


async def _find(request: Request, job_id: str, context: Context) -> Job:
    """The job, if whoever asks may see it."""
    caller = await context.authenticator.reader(request)
    job = await context.deps.store.get(job_id)
    if job is None:
        raise Problem("not_found", UNKNOWN_JOB)
    check_may_read(job, caller)
    return job

"""`POST /`: create the jobs of a request, and respond as its sender expects."""

import asyncio
from typing import Any
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from shared.job import Job
from shared.job_parts import JobError
from shared.job_states import Status
from shared.problems import Problem
from shared.public_job import hint, sentence
from shared.runtime.places import Places
from shared.steps.accept import Accepted, Admit, accept
from shared.steps.accept_batch import ItemRefused, Outcome, accept_batch
from shared.steps.dispatch import Draft
from shared.steps.new_job import job_id_for, new_job
from shared.steps.placing import QueueFull
from shared.submission import Submission, SubmissionRefused

from ..auth.caller import Caller
from ..auth.form_admission import fills_honeypot
from ..base_url import base_url
from ..context import Context
from ..parsing.batch import Batch
from ..parsing.fields import read_field
from ..parsing.pipeline import ParsedRequest, parse_request
from ..responses.job_representation import document, job_response
from ..responses.negotiation import wants_image, wants_page
from ..responses.prefer import preference_applied, preferred_wait
from ..responses.refusals import queue_full, refusal_problem
from .quote import quote_response
from .workflows import workflow_check, workflow_fields


async def post(request: Request, context: Context) -> Response:
    """`POST /`: 202 with the job, or with the jobs of a batch. A repeat with the same key gets the same job.

    With `dryRun`: 200 with a quote.
    """
    deps = context.deps
    checks = (workflow_check(deps), workflow_fields(deps))
    parsed = await parse_request(request, context.authenticator, deps.config, *checks)
    if read_field("dryRun", parsed.fields):
        return await quote_response(parsed, context)
    if isinstance(parsed.content, Batch):
        return await _submit_batch(request, parsed.content, parsed.caller, context)
    return await submit(request, parsed.content, parsed, context)


# --- a single request ----------------------------------------------------------------------------------------------


async def submit(request: Request, submission: Submission, parsed: ParsedRequest, context: Context) -> Response:
    """Create the job of a single request, or find it, and respond with it."""
    caller, form_token = parsed.caller, read_field("formToken", parsed.fields)
    turnstile_response = read_field("cf-turnstile-response", parsed.fields) if caller.browser else None
    await context.forms.check_form_token(form_token, caller)
    if fills_honeypot(caller, read_field("website", parsed.fields)):
        return await _pretend(request, submission, parsed, context)
    headers: dict[str, str] = {}
    drafts: list[tuple[Job, Response]] = []

    async def admit(job_id: str) -> None:
        headers.update(await context.forms.admit(request, job_id, turnstile_response, form_token))

    async def draft(job: Job, places: Places | None) -> None:
        drafts.append((job, await _respond(request, Accepted(job), parsed, headers, context, places)))

    immediate = preferred_wait(request) is None
    accepted = await _accept(submission, context, admit if caller.browser else None, draft if immediate else None)
    drafted = (response for job, response in drafts if Accepted(job) == accepted)
    return next(drafted, None) or await _respond(request, accepted, parsed, headers, context)


async def _accept(submission: Submission, context: Context, admit: Admit | None, draft: Draft | None) -> Accepted:
    try:
        return await accept(submission, context.deps, admit, draft)
    except QueueFull as full:
        raise queue_full(full) from full
    except SubmissionRefused as refusal:
        raise refusal_problem(refusal, submission) from refusal


async def _pretend(request: Request, submission: Submission, parsed: ParsedRequest, context: Context) -> Response:
    """Respond to a bot that fills in every field as to anyone else, and store nothing."""
    deps = context.deps
    job = new_job(await job_id_for(submission, deps), submission, [], deps)
    if url := _redirect_url(request, job, parsed):
        return RedirectResponse(url, 303)
    return await job_response(request, job, deps, parsed.caller, status=202, headers={"Location": f"/jobs/{job.id}"})


async def _respond(
    request: Request,
    accepted: Accepted,
    parsed: ParsedRequest,
    headers: dict[str, str],
    context: Context,
    places: Places | None = None,
) -> Response:
    deps = context.deps
    job, seconds = await context.waits.wait(request, accepted.job)
    headers = {**headers, **preference_applied(seconds)}
    if accepted.replayed:
        headers["Idempotent-Replayed"] = "true"
    if url := _redirect_url(request, job, parsed):
        return RedirectResponse(url, 303, headers)
    if job.status is Status.SUCCEEDED and wants_image(request):
        return RedirectResponse(f"{base_url(request, deps.config)}/jobs/{job.id}/image", 303, headers)
    if job.status is Status.FAILED and job.error and read_field("onFailure", parsed.fields):
        raise _job_failed(job, job.error, base_url(request, deps.config), headers)
    ready = job.finished and (accepted.replayed or seconds is not None)
    headers["Location"] = f"/jobs/{job.id}"
    status = 200 if ready else 202
    return await job_response(request, job, deps, parsed.caller, status=status, headers=headers, places=places)


def _job_failed(job: Job, error: JobError, url: str, headers: dict[str, str]) -> Problem:
    """The problem for callers, such as Zapier, that would treat a response with a failed job as a success."""
    members = {"jobErrorCode": error.code, "errorCharged": error.charged, "statusUrl": f"{url}/jobs/{job.id}"}
    detail = f"{sentence(error.message)} {hint(job, error, members['statusUrl'])}"
    return Problem("job_failed", detail, headers=headers, members=members)


def _redirect_url(request: Request, job: Job, parsed: ParsedRequest) -> str | None:
    """The page after a form that was sent without JavaScript; None for any other request."""
    if not (parsed.form and wants_page(request)):
        return None
    url: str | None = read_field("redirectUrl", parsed.fields)
    if url is None:
        return f"/jobs/{job.id}"
    parts = urlsplit(url)
    query = "&".join(filter(None, [parts.query, urlencode({"jobId": job.id})]))
    return parts._replace(query=query).geturl()


# --- a batch -------------------------------------------------------------------------------------------------------


async def _submit_batch(request: Request, batch: Batch, caller: Caller, context: Context) -> Response:
    """202 with all jobs, or the first problem. With `?partial=true` 207, a problem in the place of each bad request."""
    valid = [one for one in batch.requests if isinstance(one, Submission)]
    try:
        outcomes = iter(await accept_batch(valid, context.deps, partial=batch.partial))
    except QueueFull as full:
        raise queue_full(full) from full
    except ItemRefused as refused:
        raise refusal_problem(refused.reason, valid[refused.index], batch.paths[refused.index]) from refused
    results = [next(outcomes) if isinstance(one, Submission) else one for one in batch.requests]
    each = zip(results, batch.requests, batch.paths, strict=True)
    jobs = await asyncio.gather(*(_item(request, result, one, path, caller, context) for result, one, path in each))
    return JSONResponse({"jobs": jobs}, 207 if batch.partial else 202)


async def _item(
    request: Request,
    result: Outcome | Problem,
    submission: Submission | Problem,
    path: str,
    caller: Caller,
    context: Context,
) -> dict[str, Any]:
    if isinstance(result, Accepted):
        shown, _ = await document(request, result.job, context.deps, caller)
        return shown
    problem = result if isinstance(result, Problem) else refusal_problem(result, submission, path)
    return problem.document()

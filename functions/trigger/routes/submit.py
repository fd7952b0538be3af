"""`POST /`: whatever came in becomes jobs, and whoever sent it gets the answer that it expects."""

import asyncio
from typing import Any
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from shared.job import Job, Status
from shared.problems import Problem
from shared.steps.accept import Accepted, KeyReused, accept
from shared.steps.accept_batch import ItemRefused, Outcome, accept_batch
from shared.steps.input_images import InputRefused, NoSuchImage, SourceNotFound
from shared.steps.new_job import job_id_for, new_job
from shared.submission import Submission

from ..auth.caller import Caller
from ..context import Context
from ..parsing.parse import ParsedRequest, decode_body, submissions
from ..responses.job_representation import base_url, document, job_answer
from ..responses.negotiation import wants_image, wants_page
from ..responses.prefer import preference_applied, preferred_wait, wait_until
from .workflows import checked

KEYS = {
    "key": "Idempotency-Key",
    "webhook-id": "webhook-id",
    "message": "message id of Pub/Sub",
    "event": "source and id of a CloudEvent",
    "formToken": "formToken",
    "field": "value of the field that dedupeField names",
}


async def post(request: Request, context: Context) -> Response:
    """`POST /`: 202 and the job, or the jobs of an array; a repeat with the same key answers with the same job."""
    decoded = await decode_body(request)
    caller = await context.auth.identify(request, decoded.raw, decoded.token)
    taken = await submissions(decoded, caller, request, context.deps.config, checked(context.deps))
    if taken.array:
        return await _submit_batch(request, taken, context)
    submission = taken.submissions[0]
    if isinstance(submission, Problem):
        raise submission
    return await _submit_one(request, submission, taken, caller, context)


# --- one request ---------------------------------------------------------------------------------------------------


async def _submit_one(
    request: Request, submission: Submission, taken: ParsedRequest, caller: Caller, context: Context
) -> Response:
    await context.auth.check_form_token(taken.form_token, caller)
    if taken.honeypot:
        return await _pretended(request, submission, taken, context)
    headers: dict[str, str] = {}

    async def admit(job_id: str) -> None:
        if caller.browser:
            headers.update(await context.auth.admit(request, job_id, taken.turnstile_response, taken.form_token))

    try:
        accepted = await accept(submission, context.deps, admit)
    except (KeyReused, InputRefused) as refusal:
        raise _problem(refusal, submission) from refusal
    return await _answer(request, accepted, taken, headers, context)


async def _pretended(request: Request, submission: Submission, taken: ParsedRequest, context: Context) -> Response:
    """What a program that fills in every field of a form sees: an answer like any other. Nothing is stored."""
    deps = context.deps
    job = new_job(await job_id_for(submission, deps), submission, None, deps)
    if page := _page_address(request, job, taken):
        return RedirectResponse(page, 303)
    return await job_answer(request, job, deps, status=202, headers={"Location": f"/jobs/{job.id}"})


async def _answer(
    request: Request, accepted: Accepted, taken: ParsedRequest, headers: dict[str, str], context: Context
) -> Response:
    deps, seconds = context.deps, preferred_wait(request)
    job = await wait_until(accepted.job, seconds, deps)
    headers |= preference_applied(seconds)
    if accepted.replayed:
        headers["Idempotent-Replayed"] = "true"
    if page := _page_address(request, job, taken):
        return RedirectResponse(page, 303, headers)
    if job.status is Status.SUCCEEDED and wants_image(request):
        return RedirectResponse(f"{base_url(request, deps)}/jobs/{job.id}/image", 303, headers)
    ready = job.finished and (accepted.replayed or seconds is not None)
    headers["Location"] = f"/jobs/{job.id}"
    return await job_answer(request, job, deps, status=200 if ready else 202, headers=headers)


def _page_address(request: Request, job: Job, taken: ParsedRequest) -> str | None:
    """Where a form without JavaScript goes on; None for everybody else."""
    if not (taken.form and wants_page(request)):
        return None
    if taken.redirect_url is None:
        return f"/jobs/{job.id}"
    parts = urlsplit(taken.redirect_url)
    query = "&".join(filter(None, [parts.query, urlencode({"jobId": job.id})]))
    return parts._replace(query=query).geturl()


# --- an array ------------------------------------------------------------------------------------------------------


async def _submit_batch(request: Request, taken: ParsedRequest, context: Context) -> Response:
    """202 and all jobs, or the first problem; with `?partial=true` 207 and a problem in the place of each bad row."""
    rows = taken.submissions
    good = [row for row in rows if isinstance(row, Submission)]
    try:
        outcomes = iter(await accept_batch(good, context.deps, partial=taken.partial))
    except ItemRefused as refused:
        raise _problem(refused.reason, good[refused.row], taken.row_names[refused.row]) from refused
    found = [next(outcomes) if isinstance(row, Submission) else row for row in rows]
    named = zip(found, rows, taken.row_names, strict=True)
    answers = await asyncio.gather(*(_row(request, outcome, row, name, context) for outcome, row, name in named))
    return JSONResponse({"jobs": answers}, 207 if taken.partial else 202)


async def _row(
    request: Request, outcome: Outcome | Problem, row: Submission | Problem, name: str, context: Context
) -> dict[str, Any]:
    if isinstance(outcome, Accepted):
        shown, _ = await document(request, outcome.job, context.deps)
        return shown
    problem = outcome if isinstance(outcome, Problem) else _problem(outcome, row, name)
    return problem.document()


def _problem(refusal: KeyReused | InputRefused, submission: Submission | Problem, row: str | None = None) -> Problem:
    """What the caller is told. `row`: how an array's problems begin their field, such as `[3]`."""
    if isinstance(refusal, InputRefused):
        code = "not_found" if isinstance(refusal, SourceNotFound) else "source_not_ready"
        code = "invalid_field" if isinstance(refusal, NoSuchImage) else code
        return Problem(code, str(refusal), field=f"{row}.{refusal.field}" if row else refusal.field)
    kind = submission.key.kind if isinstance(submission, Submission) and submission.key else "key"
    detail = f"The same {KEYS[kind]} came before with another request. A new request needs a new one."
    field = {"formToken": "formToken", "field": "dedupeField"}.get(kind)
    return Problem("idempotency_key_reused", detail, field=".".join(filter(None, [row, field])) or None)

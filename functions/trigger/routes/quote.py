"""`POST /` with `dryRun`: everything is validated, and the response is a quote."""

from typing import Any

from starlette.responses import JSONResponse, Response

from shared.public_job import timestamp
from shared.spending.money import public_cost
from shared.steps.accept_batch import ItemRefused
from shared.steps.placing import QueueFull
from shared.steps.quote import Quote, quote, quote_batch
from shared.submission import Submission, SubmissionRefused

from ..context import Context
from ..parsing.batch import Batch
from ..parsing.fields import read_field
from ..parsing.pipeline import ParsedRequest
from ..responses.refusals import queue_full, refusal_problem


async def quote_response(parsed: ParsedRequest, context: Context) -> Response:
    """Return 200 with the quote, or raise the problem that the same request without `dryRun` would have."""
    try:
        return _response(await _quote(parsed, context))
    except QueueFull as full:
        raise queue_full(full) from full


async def _quote(parsed: ParsedRequest, context: Context) -> Quote:
    if isinstance(parsed.content, Batch):
        return await _quote_batch(parsed.content, context)
    await context.forms.check_form_token(read_field("formToken", parsed.fields), parsed.caller)
    try:
        return await quote(parsed.content, context.deps)
    except SubmissionRefused as refusal:
        raise refusal_problem(refusal, parsed.content) from refusal


async def _quote_batch(batch: Batch, context: Context) -> Quote:
    """With `partial` the invalid requests of the batch are not counted."""
    valid = [(one, path) for one, path in zip(batch.requests, batch.paths, strict=True) if isinstance(one, Submission)]
    try:
        return await quote_batch([submission for submission, _ in valid], context.deps, partial=batch.partial)
    except ItemRefused as refused:
        raise refusal_problem(refused.reason, *valid[refused.index]) from refused


def quote_document(quoted: Quote) -> dict[str, Any]:
    """Return the quote as JSON values."""
    return {
        "dryRun": True,
        "count": quoted.count,
        "workflow": quoted.workflow,
        "estimatedCost": public_cost(quoted.estimated_cost),
        "startsNow": quoted.starts_now,
        "waitReason": quoted.wait_reason and str(quoted.wait_reason),
        "estimatedStartAt": timestamp(quoted.estimated_start),
        "queuePosition": quoted.queue_position,
    }


def _response(quoted: Quote) -> Response:
    return JSONResponse(quote_document(quoted), headers={"Cache-Control": "private, no-store"})

"""`POST /batches`, and reading and canceling a batch: an upload of rows that became jobs."""

import dataclasses
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from shared.batches import Batch
from shared.problems import Problem
from shared.public_job import timestamp
from shared.runtime.dependencies import Deps
from shared.spending.money import public_cost
from shared.steps.accept import KeyReused
from shared.steps.batch_progress import batch_progress
from shared.steps.cancel_batch import cancel_batch
from shared.steps.placing import QueueFull
from shared.steps.quote import quote_rows
from shared.steps.receivers import TooManyReceivers
from shared.steps.store_batch import RowsRefused, check_refused, plan_batch, store_batch

from ..auth.authorize import UNKNOWN_BATCH, check_may_cancel, check_may_read
from ..auth.caller import Caller
from ..base_url import base_url
from ..context import Context
from ..parsing.fields import flag
from ..parsing.rows import RowError, rows_problem
from ..parsing.upload_pipeline import ParsedUpload, parse_upload
from ..responses.refusals import queue_full, refusal_problem, reused_key
from .job_list import page_of_jobs, parse_query
from .quote import quote_document
from .workflows import workflow_check, workflow_fields

NO_STORE = {"Cache-Control": "private, no-store"}
NOT_ERASED = (
    'A batch is not erased as a whole. To erase its final jobs, send POST /jobs/actions with {{"action": "erase", '
    '"filter": {{"batchId": "{}"}}}}.'
)


async def post_batch(request: Request, context: Context) -> Response:
    """`POST /batches`: 202 with the batch. Sent again, it continues where it broke off, and gets the same batch.

    With `dryRun`: 200 with a quote.
    """
    deps = context.deps
    authenticator, checks = context.authenticator, (workflow_check(deps), workflow_fields(deps))
    parsed = await parse_upload(request, authenticator, deps.config, *checks)
    try:
        if parsed.dry_run:
            return await _quote(parsed, deps)
        stored = await store_batch(parsed.batch, deps, partial=parsed.partial)
    except QueueFull as full:
        raise queue_full(full) from full
    except KeyReused as reused:
        raise reused_key(parsed.batch.key.kind) from reused
    except TooManyReceivers as refusal:
        raise refusal_problem(refusal, parsed.batch.rows[0]) from refusal
    except RowsRefused as refused:
        raise rows_problem(_errors(parsed, refused.refused), parsed.total) from refused
    content = await _document(request, stored.batch, deps)
    if parsed.partial:
        content["errors"] = [error.document() for error in _errors(parsed, stored.refused)]
    headers = {
        "Location": f"/batches/{stored.batch.id}",
        **({"Idempotent-Replayed": "true"} if stored.replayed else {}),
    }
    return JSONResponse(content, 202, headers)


async def read_batch(request: Request, context: Context, batch_id: str) -> Response:
    """Handle `GET /batches/{id}`: how far the batch is."""
    batch, _ = await find_batch(request, batch_id, context)
    return JSONResponse(await _document(request, batch, context.deps), headers=NO_STORE)


async def list_batch_jobs(request: Request, context: Context, batch_id: str) -> Response:
    """Handle `GET /batches/{id}/jobs`: pages of its jobs, as those of `GET /jobs`."""
    batch, caller = await find_batch(request, batch_id, context)
    query = dataclasses.replace(parse_query(request), batch_id=batch.id)
    return await page_of_jobs(request, query, caller, context.deps)


async def delete_batch(request: Request, context: Context, batch_id: str) -> Response:
    """Handle `DELETE /batches/{id}`: cancel the jobs that wait."""
    if flag("erase", request.query_params.get("erase", "false")):
        raise Problem.wrong(NOT_ERASED.format(batch_id), "erase")
    batch, caller = await find_batch(request, batch_id, context)
    check_may_cancel(batch, caller, context.deps.config.auth)
    canceled = await cancel_batch(batch, context.deps)
    return JSONResponse(await _document(request, canceled, context.deps), headers=NO_STORE)


async def find_batch(request: Request, batch_id: str, context: Context) -> tuple[Batch, Caller | None]:
    """Return the batch and the caller of the request, who may read it; raise Problem 401 or 404."""
    caller = await context.authenticator.reader(request)
    batch = await context.deps.store.get_batch(batch_id)
    if batch is None:
        raise Problem("not_found", UNKNOWN_BATCH)
    check_may_read(batch, caller)
    return batch, caller


async def _quote(parsed: ParsedUpload, deps: Deps) -> Response:
    planned = await plan_batch(parsed.batch, deps)
    check_refused(planned, partial=parsed.partial)
    quoted, end = await quote_rows(planned, deps)
    content = quote_document(quoted) | {"estimatedEndAt": timestamp(end)}
    return JSONResponse(content, headers=NO_STORE)


async def _document(request: Request, batch: Batch, deps: Deps) -> dict[str, Any]:
    progress = await batch_progress(batch, deps)
    return {
        "batchId": batch.id,
        "status": str(progress.status),
        "counts": dict(progress.counts),
        "estimatedCost": public_cost(batch.estimated_cost),
        "cost": public_cost(progress.cost),
        "estimatedEndAt": timestamp(progress.estimated_end),
        "statusUrl": f"{base_url(request, deps.config)}/batches/{batch.id}",
    }


def _errors(parsed: ParsedUpload, refused: Any) -> list[RowError]:
    """The rows that are not accepted, in order."""
    found = [RowError(row, refusal.field, str(refusal)) for row, refusal in refused.items()]
    return sorted([*parsed.errors, *found], key=lambda error: error.row)

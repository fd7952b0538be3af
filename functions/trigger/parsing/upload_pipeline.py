"""From a request with a batch of rows to validated submissions, by the steps of `pipeline`."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from starlette.requests import Request

from shared.config import Config
from shared.idempotency import IdempotencyKey, fingerprint
from shared.problems import Problem
from shared.submission import BatchSubmission, Submission

from ..auth.authenticate import Authenticator
from ..auth.authorize import check_may_upload
from ..base_url import base_url
from .fields import FIELDS, is_ours, read_field
from .idempotency_keys import TASK
from .media_type import upload_kind
from .pipeline import BATCH_LIMIT, Received, Rules, WorkflowCheck, WorkflowFields, receive, run_step, validate_request
from .read import MIB, upload_limit
from .rows import RowError, read_rows, rows_problem
from .table import BadTable
from .upload import DecodedUpload, decode_upload


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedUpload:
    """An upload that is authenticated and valid, but for the rows of `errors`, which are left out."""

    batch: BatchSubmission
    total: int  # rows, invalid ones included
    errors: tuple[RowError, ...]
    partial: bool
    dry_run: bool


async def parse_upload(
    request: Request,
    authenticator: Authenticator,
    config: Config,
    check_workflow: WorkflowCheck,
    workflow_fields: WorkflowFields,
) -> ParsedUpload:
    """Return what a `POST /batches` asks for. Problem as `parse_request`; 422 names each invalid row in `errors`."""
    try:
        kind = upload_kind(request.headers)
        received = await receive(request, authenticator, kind, upload_limit, decode_upload)
        check_may_upload(received.caller)
        url, caller = base_url(request, config), received.caller
        rules = Rules(caller, config, check_workflow, workflow_fields, url, received.size)
        dry_run = bool(read_field("dryRun", received.fields))
        valid, errors = await _validate_rows(received, rules)
    except BadTable as bad:
        raise rows_problem([RowError(bad.row, None, str(bad))], 0) from bad
    total, is_partial = len(valid) + len(errors), received.query.partial
    if errors and not (is_partial and valid):
        raise rows_problem(errors, total)
    return ParsedUpload(
        batch=_batch(valid, await run_step(received.size, _key, received), received),
        total=total,
        errors=tuple(errors),
        partial=is_partial,
        dry_run=dry_run,
    )


async def _validate_rows(
    received: Received[DecodedUpload], rules: Rules
) -> tuple[dict[int, Submission], list[RowError]]:
    valid: dict[int, Submission] = {}
    errors: list[RowError] = []
    size = 0
    async for row, fields in read_rows(received.decoded, received.fields, rules.workflow_fields):
        try:
            valid[row] = found = await validate_request(_or_raise(fields), {}, None, rules)
            size += len(found.input.encode()) + len(found.prompt.encode())
        except Problem as problem:
            errors.append(RowError(row, problem.field, problem.detail))
        if size > BATCH_LIMIT:
            raise Problem(
                "body_too_large", f"The serialized rows are larger than {BATCH_LIMIT // MIB} MiB. Split the file."
            )
        await asyncio.sleep(0)  # other requests are handled meanwhile
    return valid, errors


def _or_raise(fields: Mapping[str, Any] | Problem) -> Mapping[str, Any]:
    if isinstance(fields, Problem):
        raise fields
    return fields


def _key(received: Received[DecodedUpload]) -> IdempotencyKey:
    """The key of the request, by default the file and what is compared of the fields beside its rows.

    Of a JSON object only what is compared counts: with another `callbackUrl`, or without, it is the same batch.
    """
    if received.key and received.key.kind != TASK:  # a task that is delivered again has the same file
        return IdempotencyKey("batch", json.dumps([received.key.kind, received.key.value]))
    beside = {name: value for name, value in received.fields.items() if name != "prompts" and _is_compared(name)}
    body, sha256 = received.decoded.body, received.decoded.sha256
    if isinstance(body, dict) and received.decoded.table is None:
        sha256 = fingerprint({name: value for name, value in body.items() if _is_compared(name)})
    return IdempotencyKey("batch", json.dumps(["file", sha256, fingerprint(beside)] if beside else sha256))


def _is_compared(name: str) -> bool:
    return not is_ours(name, browser=False) or FIELDS[name].compared


def _batch(rows: Mapping[int, Submission], key: IdempotencyKey, received: Received[DecodedUpload]) -> BatchSubmission:
    keyed = tuple(replace(one, key=replace(key, index=row)) for row, one in rows.items())
    caller = received.caller
    whole = [[row, one.fingerprint] for row, one in rows.items()]
    return BatchSubmission(
        key=key, caller=caller.name, private=caller.private, rows=keyed, fingerprint=fingerprint(whole)
    )

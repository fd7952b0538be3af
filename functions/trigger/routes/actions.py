"""`POST /jobs/actions`: an action on all jobs of the caller that a filter selects."""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from shared import idempotency
from shared.error_codes import ErrorCode
from shared.job_states import Status
from shared.problems import Problem
from shared.steps.accept import KeyReused
from shared.steps.actions import ACTIONS
from shared.steps.bulk_actions import BulkRequest, JobFilter, act_on_all

from ..auth.authorize import check_may_list
from ..auth.caller import Caller
from ..context import Context
from ..parsing.fields import boolean, kind_of
from ..parsing.idempotency_keys import key_from_header
from ..parsing.json_object import check_known, read_object, whole_number
from .job_list import WORKFLOW_NAME, parse_time

MAX_LIMIT = 100  # jobs of one request
FIELDS = ("action", "filter", "dryRun", "confirm")
FILTER = ("caller", "status", "errorCode", "workflow", "batchId", "since", "until", "limit")

CHOOSING = FILTER[:-1]  # which jobs

BATCH_ID = re.compile(r"[0-9a-f]{32}")

T = TypeVar("T")
Code = TypeVar("Code", bound=StrEnum)


async def act_on_jobs(request: Request, context: Context) -> Response:
    """Handle `POST /jobs/actions`: 202 while matching jobs are left, else 200.

    With `Retry-After` the same request continues; without, a new one selects those that are left, with `nextUntil` as
    `until` if the response has it.
    """
    deps = context.deps
    caller = check_may_list(await context.authenticator.reader(request), deps.config.auth)
    body = await read_object(request, FIELDS)
    wanted = _request(body, key_from_header(request.headers, "Idempotency-Key"), caller)
    try:
        result = await act_on_all(wanted, deps)
    except KeyReused as error:
        detail = "This Idempotency-Key was already used for a different request. Use a new one for each new request."
        raise Problem("idempotency_key_reused", detail) from error
    response = result.response
    left = response["matched"] > response["done"] + response["skipped"] or "nextUntil" in response
    status = 202 if left and not response["dryRun"] else 200
    again = {"Retry-After": str(result.retry_seconds)} if result.retry_seconds else {}
    return JSONResponse(response, status, headers={"Cache-Control": "no-store", **again})


def _request(body: Mapping[str, Any], key: str | None, caller: Caller) -> BulkRequest:
    """Return the valid request. Raise Problem 400 or 422."""
    action, dry_run = body.get("action"), _flag(body, "dryRun")
    if not isinstance(action, str) or action not in ACTIONS:
        raise Problem.wrong(f"action must be one of {', '.join(ACTIONS)}.", "action")
    chosen = body.get("filter", {})
    selected = _filter(chosen, caller)
    if action == "erase" and not any(chosen.get(name) for name in CHOOSING):
        raise Problem.wrong(f"To erase jobs, choose them by at least one of {', '.join(CHOOSING)}.", "filter")
    confirmed = _flag(body, "confirm")
    if ACTIONS[action].paid and not dry_run:
        _check_consent(action, key, confirmed=confirmed)
    fingerprint = idempotency.fingerprint([action, chosen])
    return BulkRequest(
        action=action, filter=selected, dry_run=dry_run, key=key, fingerprint=fingerprint, sender=caller.name
    )


def _check_consent(action: str, key: str | None, *, confirmed: bool) -> None:
    if not confirmed:
        detail = f'The action {action} pays for each job. Send "dryRun": true to see the cost, then "confirm": true.'
        raise Problem.wrong(detail, "confirm")
    if key is None:
        detail = f"The action {action} needs an Idempotency-Key, such as a UUID, so that a repeat never pays again."
        raise Problem("invalid_idempotency_key", detail)


def _flag(body: Mapping[str, Any], name: str) -> bool:
    return boolean(name, body.get(name, False))


def _filter(fields: Any, caller: Caller) -> JobFilter:
    if not isinstance(fields, dict):
        raise Problem.wrong(f"filter must be an object with any of {', '.join(FILTER)}.", "filter")
    check_known(fields, FILTER, "filter")
    limit = whole_number(fields.get("limit", MAX_LIMIT))
    if limit is None or not 1 <= limit <= MAX_LIMIT:
        raise Problem.wrong(f"limit must be a whole number from 1 to {MAX_LIMIT}.", "filter.limit")
    return JobFilter(
        limit=limit,
        caller=_parsed(fields, "caller", lambda text: _visible(text, caller)) or _own(caller),
        status=_parsed(fields, "status", lambda text: _one_of(Status, text, "status")),
        error_code=_parsed(fields, "errorCode", lambda text: _one_of(ErrorCode, text, "errorCode")),
        workflow=_parsed(fields, "workflow", _workflow),
        batch_id=_parsed(fields, "batchId", _batch_id),
        since=_parsed(fields, "since", lambda text: parse_time(text, "filter.since")),
        until=_parsed(fields, "until", lambda text: parse_time(text, "filter.until")),
    )


def _parsed(fields: Mapping[str, Any], name: str, parse: Callable[[str], T]) -> T | None:
    value = fields.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise Problem.wrong(f"{name} must be a string, not {kind_of(value)}.", f"filter.{name}")
    return parse(value)


def _own(caller: Caller) -> str | None:
    return None if caller.lists_all else caller.name


def _visible(name: str, caller: Caller) -> str:
    """Return the name of the caller whose jobs are meant, if this caller may change them."""
    if not caller.lists_all and name != caller.name:
        raise Problem("forbidden", "Only an admin may change the jobs of another caller.", field="filter.caller")
    return name


def _one_of(values: type[Code], text: str, name: str) -> Code:
    if text not in set(values):
        raise Problem.wrong(f"{name} must be one of {', '.join(values)}.", f"filter.{name}")
    return values(text)


def _workflow(text: str) -> str:
    if not WORKFLOW_NAME.fullmatch(text):
        raise Problem.wrong("workflow must be the name of a workflow, as in GET /workflows.", "filter.workflow")
    return text


def _batch_id(text: str) -> str:
    if not BATCH_ID.fullmatch(text):
        raise Problem.wrong("batchId must be that of a batch, as in the response of POST /batches.", "filter.batchId")
    return text

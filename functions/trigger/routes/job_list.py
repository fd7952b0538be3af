"""`GET /jobs`: a caller's own jobs, newest first; an admin's and an open deployment's list has everybody's."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from shared.job import Job, Status
from shared.ports import JobQuery
from shared.problems import Problem

from ..auth.authorize import check_may_list
from ..context import Context
from ..responses.job_representation import document

USUAL, MOST = 20, 100
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ALIAS = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
CURSOR = re.compile(r"(?P<microseconds>[0-9]{16})-(?P<id>[0-9a-f]{32})", re.ASCII)
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)


async def list_jobs(request: Request, context: Context) -> Response:
    """`GET /jobs?status=&workflow=&since=&limit=&cursor=`: `{"jobs","nextCursor"}`."""
    caller = check_may_list(await context.authenticator.reader(request), context.deps.config.auth)
    query, deps = request.query_params, context.deps
    limit = _limit(query.get("limit"))
    found = await deps.store.list_jobs(
        JobQuery(
            limit=limit + 1,
            caller=None if caller.lists_all else caller.name,
            status=_status(query.get("status")),
            workflow=_workflow(query.get("workflow")),
            since=_since(query.get("since")),
            before=_before(query.get("cursor")),
        )
    )
    answers = await asyncio.gather(*(document(request, job, deps) for job in found[:limit]))
    shown = [job for job, _ in answers]
    more = _cursor(found[limit - 1]) if len(found) > limit else None
    return JSONResponse({"jobs": shown, "nextCursor": more}, headers={"Cache-Control": "private, no-store"})


def _limit(text: str | None) -> int:
    if not text:
        return USUAL
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= MOST):
        _wrong("limit", f"limit is a whole number from 1 to {MOST}.")
    return int(text)


def _status(text: str | None) -> Status | None:
    if not text:
        return None
    if text not in set(Status):
        _wrong("status", f"status is one of {', '.join(Status)}.")
    return Status(text)


def _workflow(text: str | None) -> str | None:
    """Also one that is not configured any more: its jobs are still there."""
    if text and not ALIAS.fullmatch(text):
        _wrong("workflow", "workflow is the name of a workflow, as GET /workflows has it.")
    return text or None


def _since(text: str | None) -> datetime | None:
    """RFC 3339; a `+` that was not escaped has arrived as a space, and a leap second counts as the one before."""
    if not text:
        return None
    spelled = re.sub(r"(?<=:\d\d:)60", "59", text.upper().replace(" ", "+"), count=1)
    try:
        moment = datetime.fromisoformat(spelled) if RFC3339.fullmatch(spelled) else None
    except ValueError:
        moment = None
    if moment is None:
        _wrong("since", "since is a time such as 2026-01-31T12:00:00Z (RFC 3339).")
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # in the first or the last hours of the calendar
        return moment.replace(tzinfo=UTC)


def _cursor(job: Job) -> str:
    microseconds = (job.created_at - EPOCH) // timedelta(microseconds=1)
    return f"{microseconds:016d}-{job.id}"


def _before(text: str | None) -> tuple[datetime, str] | None:
    if not text:
        return None
    if not (found := CURSOR.fullmatch(text)):
        _wrong("cursor", "cursor is the nextCursor of an answer before; leave it out to begin with the newest.")
    return EPOCH + timedelta(microseconds=int(found["microseconds"])), found["id"]


def _wrong(field: str, detail: str) -> NoReturn:
    raise Problem("invalid_field", detail, field=field)

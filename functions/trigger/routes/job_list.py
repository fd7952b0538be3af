"""`GET /jobs`: the jobs of the caller, newest first. Admins, and callers of an open deployment, see all jobs."""

import asyncio
import dataclasses
import re
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from shared.job_states import Status
from shared.listed_job import ListedJob
from shared.ports import JobQuery, JobStore
from shared.problems import Problem
from shared.runtime.dependencies import Deps

from ..auth.authorize import check_may_list
from ..auth.caller import Caller
from ..context import Context
from ..parsing.fields import flag
from ..responses.job_representation import document

DEFAULT_LIMIT, MAX_LIMIT = 20, 100
MAX_BYTES = 2 * 1024 * 1024  # of the jobs of a page
READ_AT_ONCE = 21  # jobs: a page of the default length with one query
MAX_QUERIES = 20  # for one page
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WORKFLOW_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
CURSOR = re.compile(r"(?P<microseconds>[0-9]{16})-(?P<id>[0-9a-f]{32})", re.ASCII)
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)


async def list_jobs(request: Request, context: Context) -> Response:
    """Handle `GET /jobs?status=&workflow=&since=&limit=&cursor=&flat=`: return `{"jobs","nextCursor"}`.

    With `flat` return an array of the jobs, each as a flat notification has it: Zapier shows it as a sample.
    """
    caller = check_may_list(await context.authenticator.reader(request), context.deps.config.auth)
    flat = flag("flat", request.query_params.get("flat") or "false")
    query = dataclasses.replace(parse_query(request), caller=None if caller.lists_all else caller.name)
    return await page_of_jobs(request, query, caller, context.deps, flat=flat)


def parse_query(request: Request) -> JobQuery:
    """Return the filter and the page that a request asks for, of all callers. Raises Problem 422."""
    parameters = request.query_params
    return JobQuery(
        limit=_parse_limit(parameters.get("limit")),
        status=_parse_status(parameters.get("status")),
        workflow=_parse_workflow(parameters.get("workflow")),
        since=_parse_since(parameters.get("since")),
        before=_parse_cursor(parameters.get("cursor")),
    )


async def page_of_jobs(
    request: Request, query: JobQuery, caller: Caller | None, deps: Deps, *, flat: bool = False
) -> Response:
    """Return a page of jobs as `caller` may see them."""
    jobs, next_job = await _page(query, deps.store)
    documents = await asyncio.gather(*(document(request, job, deps, caller) for job in jobs))
    public = [one for one, _ in documents]
    content: Any = {"jobs": public, "nextCursor": _cursor(next_job) if next_job else None}
    if flat:
        content = [{**one, "callbacks": None} for one in public]  # as in notifications
    return JSONResponse(content, headers={"Cache-Control": "private, no-store"})


async def _page(query: JobQuery, store: JobStore) -> tuple[list[ListedJob], ListedJob | None]:
    """Return at most `limit` jobs, and the last one that was looked at if others may follow.

    There are fewer if they are large, or if most were erased. They are read a few at a time: how large they are is
    known when they have been read.
    """
    page: list[ListedJob] = []
    size = 0
    for _ in range(MAX_QUERIES):
        count = min(query.limit + 1 - len(page), READ_AT_ONCE)  # one more tells whether there is a next page
        found = await store.list_jobs(dataclasses.replace(query, limit=count))
        for job in found:
            if job.erased_at:
                continue
            size += job.size
            if page and (len(page) == query.limit or size > MAX_BYTES):
                return page, page[-1]
            page.append(job)
        if len(found) < count:
            return page, None
        query = dataclasses.replace(query, before=(found[-1].created_at, found[-1].id))
    return page, found[-1]


def _parse_limit(text: str | None) -> int:
    if not text:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= MAX_LIMIT):
        _raise_invalid("limit", f"limit must be a whole number from 1 to {MAX_LIMIT}.")
    return int(text)


def _parse_status(text: str | None) -> Status | None:
    if not text:
        return None
    if text not in set(Status):
        _raise_invalid("status", f"status must be one of {', '.join(Status)}.")
    return Status(text)


def _parse_workflow(text: str | None) -> str | None:
    """Accept any valid name: a workflow that is no longer configured still has jobs."""
    if text and not WORKFLOW_NAME.fullmatch(text):
        _raise_invalid("workflow", "workflow must be the name of a workflow, as in GET /workflows.")
    return text or None


def _parse_since(text: str | None) -> datetime | None:
    return parse_time(text, "since") if text else None


def parse_time(text: str, field: str) -> datetime:
    """Parse RFC 3339; raise Problem 422 naming `field`.

    An unescaped `+` arrives as a space, and a leap second counts as the second before it.
    """
    normalized = re.sub(r"(?<=:\d\d:)60", "59", text.upper().replace(" ", "+"), count=1)
    try:
        moment = datetime.fromisoformat(normalized) if RFC3339.fullmatch(normalized) else None
    except ValueError:
        moment = None
    if moment is None:
        _raise_invalid(field, f"{field} must be a time in RFC 3339, such as 2026-01-31T12:00:00Z.")
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # in the first or last hours of the calendar
        return moment.replace(tzinfo=UTC)


def _cursor(job: ListedJob) -> str:
    microseconds = (job.created_at - EPOCH) // timedelta(microseconds=1)
    return f"{microseconds:016d}-{job.id}"


def _parse_cursor(text: str | None) -> tuple[datetime, str] | None:
    if not text:
        return None
    if not (found := CURSOR.fullmatch(text)):
        _raise_invalid(
            "cursor", "cursor must be the nextCursor of a previous response. Leave it out for the first page."
        )
    return EPOCH + timedelta(microseconds=int(found["microseconds"])), found["id"]


def _raise_invalid(field: str, detail: str) -> NoReturn:
    raise Problem("invalid_field", detail, field=field)

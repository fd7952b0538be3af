"""Helpers that both job stores share: control documents, times, and scans that skip unreadable documents."""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from shared.error_codes import ErrorCode
from shared.hooks import Hook
from shared.job import Job
from shared.jobs.hook_documents import hook_from_document
from shared.jobs.job_documents import decode, encode, from_document
from shared.log import Event, Log
from shared.spending.budget import Budget, Spent
from shared.spending.gate_state import Gate, ResumeOn, Suspension
from shared.spending.rate_window import Counter, RateWindow, RecentJob
from shared.store_errors import UnreadableGate, UnreadableJob

MAX_BATCH = 100  # jobs that are stored together

T = TypeVar("T")
UNREADABLE = (ValueError, TypeError, KeyError, AttributeError)  # what a document raises that is not one of ours

Row = tuple[str, Mapping[str, Any], Any]  # id, document, revision


def utc(moment: datetime) -> datetime:
    """Return the same time as a plain datetime in UTC with its microseconds; raise ValueError if it is naive."""
    if moment.tzinfo is None:
        raise ValueError("a time in a store must be an aware datetime")
    moment = moment.astimezone(UTC)
    return datetime.combine(moment.date(), moment.time(), UTC)


def check_batch(jobs: Sequence[Job]) -> None:
    """Raise ValueError if there are more than MAX_BATCH jobs, or two with the same id: only one could be stored."""
    if len(jobs) > MAX_BATCH:
        raise ValueError(f"at most {MAX_BATCH} jobs can be stored together, not {len(jobs)}")
    if len({job.id for job in jobs}) < len(jobs):
        raise ValueError("two of the jobs have the same id")


async def first_readable(
    fetch: Callable[[int], Awaitable[list[Row]]], limit: int, read: Callable[[str, Mapping[str, Any], Any], T]
) -> list[T]:
    """Return the first `limit` readable records of a scan. `fetch` returns its first rows, at most as many as given."""
    count = limit
    while True:
        rows = await fetch(count)
        jobs = readable(rows, read)
        if len(jobs) >= limit or len(rows) < count:
            return jobs[:limit]
        count *= 2


def job_of(row: Row) -> Job:
    """Return the job of a row. Raise UnreadableJob."""
    try:
        return from_document(*row)
    except UNREADABLE as error:
        raise UnreadableJob(f"A stored job cannot be read: {type(error).__name__}.") from error


def readable(rows: Iterable[Row], read: Callable[[str, Mapping[str, Any], Any], T], kind: str = "job") -> list[T]:
    """Return the records of the rows.

    A document that this version cannot read (from a newer version, or edited by hand) stays unchanged and is logged: it
    comes first in every scan and would otherwise block all jobs behind it. `kind`: what the documents are.
    """
    records = []
    for row_id, document, revision in rows:
        try:
            records.append(read(row_id, document, revision))
        except UNREADABLE as error:
            message = f"A stored {kind} cannot be read: {type(error).__name__}."
            Log().error(Event.CONFIGURATION, message, **{f"{kind}Id": row_id})
    return records


def hooks_in(rows: Iterable[Row]) -> list[Hook]:
    """Return the hooks of the rows, oldest first."""
    return sorted(readable(rows, hook_from_document, "hook"), key=lambda hook: (hook.created_at, hook.id))


def gate_to_document(gate: Gate) -> dict[str, Any]:
    """Return the gate as it is stored: camelCase names, datetimes unchanged."""
    return {
        "starts": list(gate.starts),
        "day": gate.day,
        "executionsToday": gate.executions_today,
        "closure": encode(gate.suspension) if gate.suspension else None,
        "workflows": [encode(suspension) for suspension in gate.workflows] or None,
        "budget": _budget_to_text(gate.budget),
        "runSeconds": json.dumps(gate.run_seconds, separators=(",", ":")) if gate.run_seconds else None,
    }


def gate_from_document(document: Mapping[str, Any], revision: Any) -> Gate:
    """Return the gate of a stored document; missing fields have their defaults. Raise UnreadableGate."""
    try:
        return _gate(document, revision)
    except UNREADABLE as error:
        raise UnreadableGate(f"The stored gate cannot be read: {type(error).__name__}.") from error


def _gate(document: Mapping[str, Any], revision: Any) -> Gate:
    suspension = document.get("closure")
    return Gate(
        starts=tuple(document.get("starts") or ()),
        day=document.get("day") or "",
        executions_today=document.get("executionsToday") or 0,
        suspension=_suspension(suspension) if suspension else None,
        workflows=tuple(_suspension(one) for one in document.get("workflows") or ()),
        budget=_budget_from_text(document.get("budget")),
        run_seconds={name: tuple(took) for name, took in json.loads(document.get("runSeconds") or "{}").items()},
        revision=revision,
    )


def _suspension(document: Mapping[str, Any]) -> Suspension:
    known = decode(Suspension, document)
    reason, resume_on = ErrorCode(known["reason"]), ResumeOn(known["resume_on"])
    return Suspension(**{**known, "reason": reason, "resume_on": resume_on})


def _budget_to_text(budget: Budget) -> str | None:
    """Return the budget as JSON text: Firestore would index every part of a map."""
    if budget == Budget():
        return None
    return json.dumps(
        {"total": budget.total, "callers": budget.callers, "recent": budget.recent}, separators=(",", ":")
    )


def _budget_from_text(text: str | None) -> Budget:
    if not text:
        return Budget()
    document = json.loads(text)
    return Budget(
        total=Spent(*document["total"]),
        callers={name: Spent(*spent) for name, spent in document["callers"].items()},
        recent=tuple((part, amount) for part, amount in document["recent"]),
    )


def rate_window_to_document(window: RateWindow) -> dict[str, Any]:
    """Return the rate window as it is stored: two JSON texts, since Firestore would index every part of a map."""
    return {
        "counters": json.dumps(window.counters, separators=(",", ":")),
        "jobs": json.dumps(window.jobs, separators=(",", ":")),
    }


def rate_window_from_document(document: Mapping[str, Any], revision: Any) -> RateWindow:
    """Return the rate window of a stored document; what is missing is empty."""
    counters = json.loads(document.get("counters") or "{}")
    jobs = json.loads(document.get("jobs") or "{}")
    return RateWindow(
        counters={key: tuple(Counter(*counter) for counter in counted) for key, counted in counters.items()},
        jobs={job_id: RecentJob(*recent) for job_id, recent in jobs.items()},
        revision=revision,
    )

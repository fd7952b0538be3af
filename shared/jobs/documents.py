"""What both stores share: the control documents, times that stay times, scans that no bad document stops."""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.error_codes import ErrorCode
from shared.job import Job
from shared.jobs.job_documents import decode, encode, from_document
from shared.log import Event, Log
from shared.spending.gate import Gate, ResumeOn, Suspension
from shared.spending.rate_window import Arrival, RateWindow

BATCH = 100  # jobs that are recorded together
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Row = tuple[str, Mapping[str, Any], Any]  # id, document, revision


def utc(moment: datetime) -> datetime:
    """The same moment as a plain datetime in UTC, microseconds kept; ValueError for a naive one."""
    if moment.tzinfo is None:
        raise ValueError("a time in a store must be an aware datetime")
    moment = moment.astimezone(UTC)
    return datetime.combine(moment.date(), moment.time(), UTC)


def check_batch(jobs: Sequence[Job]) -> None:
    """ValueError for more jobs than are recorded together, or two of one id: the second would never be there."""
    if len(jobs) > BATCH:
        raise ValueError(f"at most {BATCH} jobs are recorded together, not {len(jobs)}")
    if len({job.id for job in jobs}) < len(jobs):
        raise ValueError("two of the jobs have the same id")


async def first_readable(fetch: Callable[[int], Awaitable[list[Row]]], limit: int) -> list[Job]:
    """The first `limit` jobs of a scan that can be read; `fetch` gives the first rows, as many as it is asked for."""
    asked = limit
    while True:
        rows = await fetch(asked)
        jobs = readable(rows)
        if len(jobs) >= limit or len(rows) < asked:
            return jobs[:limit]
        asked *= 2


def readable(found: Iterable[Row]) -> list[Job]:
    """The jobs of a scan, given as id, document and revision.

    A document that this version cannot read (a newer one's, or one that was edited by hand) stays where it is and is
    logged: it comes first in every scan, and would otherwise stop all jobs behind it.
    """
    jobs = []
    for job_id, document, revision in found:
        try:
            jobs.append(from_document(job_id, document, revision))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            message = f"A stored job cannot be read: {type(error).__name__}."
            Log().error(Event.CONFIGURATION, message, jobId=job_id)
    return jobs


def gate_to_document(gate: Gate) -> dict[str, Any]:
    """Return the gate as it is stored: camelCase names, datetimes as they are."""
    return {
        "starts": list(gate.starts),
        "day": gate.day,
        "executionsToday": gate.executions_today,
        "closure": encode(gate.suspension) if gate.suspension else None,
        "workflows": [encode(suspension) for suspension in gate.workflows] or None,
    }


def gate_from_document(document: Mapping[str, Any], revision: Any) -> Gate:
    """Return the gate of a stored document; missing fields have their default."""
    closure = document.get("closure")
    return Gate(
        starts=tuple(document.get("starts") or ()),
        day=document.get("day") or "",
        executions_today=document.get("executionsToday") or 0,
        suspension=_suspension(closure) if closure else None,
        workflows=tuple(_suspension(one) for one in document.get("workflows") or ()),
        revision=revision,
    )


def _suspension(document: Mapping[str, Any]) -> Suspension:
    known = decode(Suspension, document)
    reason, resume_on = ErrorCode(known["reason"]), ResumeOn(known["resume_on"])
    return Suspension(**{**known, "reason": reason, "resume_on": resume_on})


def arrivals_to_document(arrivals: RateWindow) -> dict[str, Any]:
    """The arrivals as the stores keep them: one JSON text of `[microseconds since 1970, address, job id, ticket]` each.

    As a list or as maps Firestore would index every part of every entry, with every write.
    """
    microsecond = timedelta(microseconds=1)
    entries = [((utc(one.at) - EPOCH) // microsecond, one.address, one.job_id, one.ticket) for one in arrivals.entries]
    return {"entries": json.dumps(entries, separators=(",", ":"))}


def arrivals_from_document(document: Mapping[str, Any], revision: Any) -> RateWindow:
    """The arrivals of a stored document; none if it has no entries."""
    entries = json.loads(document.get("entries") or "[]")
    return RateWindow(
        entries=tuple(
            Arrival(EPOCH + timedelta(microseconds=microseconds), address, job_id, ticket)
            for microseconds, address, job_id, ticket in entries
        ),
        revision=revision,
    )

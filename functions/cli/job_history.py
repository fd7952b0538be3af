"""The history of a job in order: its attempts, Wireflow's responses, its images, and their delivery."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from functions.cli.text import dollars_text
from shared.job_states import FINAL

Json = Mapping[str, Any]

CHARGED = {"yes": "charged", "no": "not charged", "unknown": "may have been charged"}


@dataclass(frozen=True, slots=True)
class Entry:
    """What happened at a time. `lines`: hashes and URLs, which must not be wrapped."""

    at: datetime
    text: str
    lines: tuple[str, ...] = ()


def history_of(job: Json) -> list[Entry]:
    """Return the history of a public job, oldest first. What its reader may not see is left out.

    Without `history`, of an earlier version or for other readers, the responses of Wireflow are not known.
    """
    responses = (job.get("history") or {}).get("responses", ())
    entries = [_accepted(job), *(_response(response, job) for response in responses)]
    for attempt in _attempts(job):
        entries += _attempt(attempt, responses)
    entries += [*_recopy(job), *_images(job), *_end(job)]
    for callback in job["callbacks"] or ():
        entries += _callback(callback, job)
    return sorted(entries, key=lambda entry: entry.at)  # entries of the same time stay in this order


def _accepted(job: Json) -> Entry:
    price = job["estimatedCost"]
    cost = f", estimated cost {dollars_text(price['amount'])}" if price else ""
    return Entry(_time(job["createdAt"]), f"accepted{cost}")


def _attempts(job: Json) -> Iterator[Json]:
    """Yield the paid runs. A reader without the owner's token sees the current one only."""
    known = job["attempts"] or []
    yield from known
    if job["startedAt"] and job["attempt"] not in [attempt["attempt"] for attempt in known]:
        yield {**dict.fromkeys(("errorCharged", "errorCode", "errorMessage", "creditsUsed")), **job}


def _response(response: Json, job: Json) -> Entry:
    """Return what Wireflow responded to a paid call, or to the poll that found the end of a run."""
    name, code = f"attempt {response['attempt']}", response["errorCode"]
    status = f"HTTP {response['httpStatus']}" if response["httpStatus"] else "no response"
    if response["call"] == "result":
        text = f"{name}: {status}, the run has ended"
    elif code:
        text = f"{name}: {status}, no run was confirmed ({code})"
    else:
        ids = [attempt["executionId"] for attempt in _attempts(job) if attempt["attempt"] == response["attempt"]]
        started = response.get("executionId") or "".join(filter(None, ids)) or "a run"  # earlier versions stored none
        text = f"{name}: {status}, Wireflow started {started}"
    return Entry(_time(response["at"]), text, _request_line(response["requestId"]))


def _request_line(request_id: str | None) -> tuple[str, ...]:
    return (f"Wireflow's request {request_id}",) if request_id else ()


def _attempt(attempt: Json, responses: Sequence[Json]) -> Iterator[Entry]:
    """Yield the start and the end of a paid run, as far as they are not among the responses of Wireflow.

    A paid call with an unknown outcome has no start.
    """
    name, known = f"attempt {attempt['attempt']}", [one for one in responses if one["attempt"] == attempt["attempt"]]
    if attempt["startedAt"] and not any(one["call"] == "start" and not one["errorCode"] for one in known):
        execution = f": Wireflow started {attempt['executionId']}" if attempt["executionId"] else " started"
        yield Entry(_time(attempt["startedAt"]), f"{name}{execution}")
    if not attempt["completedAt"] or attempt["status"] not in FINAL:
        return
    took = ""
    if attempt["startedAt"]:
        seconds = (_time(attempt["completedAt"]) - _time(attempt["startedAt"])).total_seconds()
        took = f" after {seconds:.1f} s"
    told = attempt["requestId"] in [one["requestId"] for one in known]
    lines = () if told else _request_line(attempt["requestId"])
    yield Entry(_time(attempt["completedAt"]), f"{name} {attempt['status']}{took}{_outcome(attempt)}", lines)


def _outcome(attempt: Json) -> str:
    """Return what an attempt has cost, and why it failed."""
    cost = dollars_text(attempt["cost"]["amount"]) if attempt["cost"] else CHARGED.get(attempt["errorCharged"])
    used = None if attempt["creditsUsed"] is None else f"{attempt['creditsUsed']:g} credits"
    costs = "".join(f", {text}" for text in (cost, used) if text)
    return f"{costs}: {attempt['errorCode']}. {attempt['errorMessage']}" if attempt["errorCode"] else costs


def _recopy(job: Json) -> Iterator[Entry]:
    """Yield the last time that copying was started again by request, which an earlier version does not tell."""
    if at := (job.get("history") or {}).get("recopiedAt"):
        yield Entry(_time(at), "copying the missing images was started again by request")


def _images(job: Json) -> Iterator[Entry]:
    """Yield the stored images. If an earlier version copied one, only the end of the job is known."""
    copied = {one["index"]: one["storedAt"] for one in (job.get("history") or {}).get("images", ())}
    for image in job["images"]:
        at = copied.get(image["index"], job["completedAt"])
        if image["url"] and at:
            size = f", {image['width']} x {image['height']}" if image["width"] else ""
            text = f"image {image['index']} stored: {image['contentType']}{size}, {image['bytes']:,} bytes"
            yield Entry(_time(at), text, (f"sha256 {image['sha256']}", image["url"]))


def _end(job: Json) -> Iterator[Entry]:
    """Yield the end of a job that no attempt has ended: it was canceled, or failed before a paid call."""
    ended_by = [attempt["attempt"] for attempt in _attempts(job)]
    if job["completedAt"] and job["attempt"] not in ended_by:
        yield Entry(_time(job["completedAt"]), f"{job['status']}{_outcome(job)}")


def _callback(callback: Json, job: Json) -> Iterator[Entry]:
    """Yield the last attempt to deliver an event, with the time of the next one, which has not happened yet.

    Before the first attempt that is told at the end of the job.
    """
    at = _time(callback["lastAttemptAt"] or job["completedAt"] or job["createdAt"])
    following = ""
    if callback["nextAttemptAt"]:
        due = _time(callback["nextAttemptAt"])
        following = f"next attempt at {due:%H:%M:%S}" if due.date() == at.date() else f"next attempt at {due:%F %T}"
    tries = "1 attempt" if callback["attempts"] == 1 else f"{callback['attempts']} attempts"
    if callback["lastAttemptAt"]:
        response = f"HTTP {callback['lastStatus']}" if callback["lastStatus"] else "no response"
        words = {"delivered": "delivered", "undelivered": "not delivered", "ended": "rejected permanently"}
        text = f"{callback['event']} {words.get(callback['status'], 'not delivered yet')}: {response}, {tries}"
        yield Entry(at, ", ".join(filter(None, (text, following))), (callback["url"],))
    elif following:
        yield Entry(at, f"{callback['event']}: {following}", (callback["url"],))


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)

"""Wireflow's wire format, pure: bytes and headers in, a result or an error of the tree out, and nothing else.

Every published shape is accepted, wherever the pages contradict each other; what is not understood is `unknown`, never
a guess. Sources: https://www.wireflow.ai/docs/api, github.com/wireflowINC/wireflow-skill, the guide of this project.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from shared.errorcodes import ErrorCode
from shared.ports import RunAnswer, RunState, Started
from shared.wireflow import errors

Headers = Mapping[str, str]  # names in lower case

RAW_LIMIT = 4_096  # characters of an answer that are kept with a job
DEPTH_LIMIT = 24  # how deep an answer is searched
TEXT_LIMIT = 500  # characters of the vendor's words that are passed on
SHORTEST_PAUSE, LONGEST_PAUSE, USUAL_PAUSE = timedelta(seconds=1), timedelta(hours=1), timedelta(seconds=30)

_URL = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_INACTIVE = re.compile(r"not active|inactive|deactivated|disabled", re.IGNORECASE)
_MODERATED = re.compile(
    r"moderat|content.?policy|policy.?violation|safety|prohibited|nsfw|inappropriate|blocked.*(content|prompt)"
    r"|(content|prompt).*blocked|sensitive content|violates",
    re.IGNORECASE,
)


# --- the paid call -------------------------------------------------------------------------------------------------


def read_trigger(status: int, headers: Headers, body: bytes, now: datetime) -> Started:
    """What an answer to the paid call means: Started, or one of the errors of the tree."""
    request_id = headers.get("x-request-id")
    if 200 <= status < 300:
        execution_id = _execution_id(_json(body))
        if execution_id is None:
            raise errors.NoExecutionId(f"Wireflow answered {status} without an execution id.", request_id=request_id)
        return Started(execution_id=execution_id, request_id=request_id)
    raise _trigger_error(status, headers, body, now)


def _trigger_error(status: int, headers: Headers, body: bytes, now: datetime) -> errors.WireflowError:
    request_id = headers.get("x-request-id")
    document = _json(body)
    words = _words(document) or f"Wireflow answered HTTP {status}."
    if status == 402:
        return _out_of_credits(words, document, request_id)
    if status == 429:
        return errors.RateLimited(words, request_id=request_id, retry_at=pause_until(headers, document, now))
    if status == 503 or status in {408, 425}:
        return errors.Unavailable(words, request_id=request_id, retry_at=_named_time(headers, now))
    if status >= 500 or status < 300:
        return errors.OutcomeUnknown(words, request_id=request_id, retry_at=_named_time(headers, now))
    if status < 400:
        return errors.OperatorMustAct(_moved(status, headers), code=ErrorCode.CONFIGURATION, request_id=request_id)
    if status == 409:
        return errors.KeyConflict(words, request_id=request_id)
    if status in {413, 422} or (status == 400 and not _INACTIVE.search(words)):
        return errors.RequestRefused(words, request_id=request_id)
    return errors.OperatorMustAct(words, code=_operator_code(status), request_id=request_id)


def _operator_code(status: int) -> ErrorCode:
    codes = {400: ErrorCode.WORKFLOW_INACTIVE, 401: ErrorCode.KEY_REFUSED, 403: ErrorCode.KEY_REFUSED}
    codes |= {404: ErrorCode.WORKFLOW_NOT_FOUND, 410: ErrorCode.WORKFLOW_NOT_FOUND}
    return codes.get(status, ErrorCode.CONFIGURATION)


def _out_of_credits(words: str, document: Any, request_id: str | None) -> errors.OutOfCredits:
    error = errors.OutOfCredits(words, request_id=request_id)
    error.required = _number(_first(document, {"requiredCredits"}))
    error.available = _number(_first(document, {"availableCredits"}))
    return error


def _moved(status: int, headers: Headers) -> str:
    """Only the new origin: the path of the old address holds the webhook's id, and so may the new one's."""
    try:
        parts = urlsplit(headers.get("location", ""))
        origin = f"{parts.scheme}://{parts.hostname}" if parts.hostname else "another address"
    except ValueError:
        origin = "another address"
    return f"Wireflow answered HTTP {status} and points to {origin}; WIREFLOW_BASE_URL must be the final address."


def _execution_id(document: Any) -> str | None:
    """`executionId` wherever it stands, else the id of the first of `executionRuns`, else the answer's own `id`."""
    found = _first(document, {"executionId", "execution_id"})
    if not _usable(found):
        runs = _first(document, {"executionRuns", "execution", "run"})
        found = _first(runs, {"id"})
    if not _usable(found):
        found = next((part.get("id") for part in _envelopes(document) if _usable(part.get("id"))), None)
    return str(found) if _usable(found) else None


def _usable(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, str) and 0 < len(value.strip()) <= 256)


# --- polls and details ---------------------------------------------------------------------------------------------


def read_run(status: int, headers: Headers, body: bytes, now: datetime) -> RunAnswer:
    """What an answer about a run means: a RunAnswer for any 2xx with JSON (a gateway may send HTML), else PollError."""
    request_id = headers.get("x-request-id")
    document = _json(body)
    if 200 <= status < 300 and isinstance(document, dict | list):
        return _run_answer(document, body, headers)
    words = _moved(status, headers) if 300 <= status < 400 else _words(document) or f"HTTP {status}"
    if status == 404:
        raise errors.RunNotFound(words, request_id=request_id)
    if status == 429:
        at = pause_until(headers, document, now)
        raise errors.PollRateLimited(words, request_id=request_id, retry_at=at)
    code = ErrorCode.KEY_REFUSED if status in {401, 403} else ErrorCode.UPSTREAM_ERROR
    raise errors.PollError(words, code=code, request_id=request_id, retry_at=_named_time(headers, now))


def _run_answer(document: Any, body: bytes, headers: Headers) -> RunAnswer:
    state, unknown = _run_state(document)
    error = _run_error(document)
    moderated = state is RunState.FAILED and bool(error and _MODERATED.search(error))
    return RunAnswer(
        state=state,
        image_urls=tuple(dict.fromkeys(_image_urls(document))),
        error=error,
        moderated=moderated,
        credits_used=_number(_first(document, {"creditsUsed", "credits_used", "creditsCharged", "totalCredits"})),
        request_id=headers.get("x-request-id"),
        unknown=unknown,
        raw=body[: 4 * RAW_LIMIT].decode("utf-8", "replace")[:RAW_LIMIT],
        pace=_pace(headers),
    )


def _run_state(document: Any) -> tuple[RunState | None, str | None]:
    """The run's state, and the word that nobody has seen before.

    The word of the outermost envelope that has a known one counts; a wrapper's own "success" says nothing. Without
    one, the words of `executionRuns` count, and the run has ended when all of them have. Nodes never count.
    """
    words = [part["status"] for part in _envelopes(document) if "status" in part]
    known = [state for word in words if (state := _known(word))]
    if known:
        return next((state for state in known if not state.terminal), known[0]), None
    runs = [_known(run.get("status")) for run in _execution_runs(document)]
    if runs and all(runs):
        return _of_several([state for state in runs if state]), None
    return None, f"status {str(words[0])[:60]!r}" if words else "no status"


def _of_several(states: list[RunState]) -> RunState:
    going_on = [state for state in states if not state.terminal]
    failed = [state for state in states if state is not RunState.COMPLETED]
    return next(iter(going_on or failed), RunState.COMPLETED)


def _known(word: Any) -> RunState | None:
    upper = word.strip().upper() if isinstance(word, str) else ""
    return RunState(upper) if upper in set(RunState) else None


def _envelopes(document: Any) -> Iterator[dict[str, Any]]:
    """The answer and what it is wrapped in: `data`, `execution`, `run`, `result`, one inside the other."""
    for _ in range(DEPTH_LIMIT):
        if not isinstance(document, dict):
            return
        yield document
        document = next(
            (document[name] for name in ("data", "execution", "run", "result") if isinstance(document.get(name), dict)),
            None,
        )


def _execution_runs(document: Any) -> list[dict[str, Any]]:
    found = next((part["executionRuns"] for part in _envelopes(document) if "executionRuns" in part), None)
    return [run for run in found if isinstance(run, dict)] if isinstance(found, list) else []


# Where a result may stand, and under which names an address stands there.
_RESULTS = ("finalOutput", "output", "outputs", "outputUrl", "outputUrls")
_ADDRESSES = ("url", "urls", "image", "images", "imageUrl", "imageUrls", *_RESULTS)


def _image_urls(document: Any) -> Iterator[str]:
    """Every address of a result, the run's final one first."""
    for part in _envelopes(document):
        yield from _addresses(part.get("finalOutput"))
    for name, value in _walk(document):
        if name in _RESULTS:
            yield from _addresses(value)


def _addresses(value: Any, depth: int = 0) -> Iterator[str]:
    if isinstance(value, str) and _URL.fullmatch(value.strip()):
        yield value.strip()
    elif depth < DEPTH_LIMIT and isinstance(value, list):
        for item in value:
            yield from _addresses(item, depth + 1)
    elif depth < DEPTH_LIMIT and isinstance(value, dict):
        for name in _ADDRESSES:
            yield from _addresses(value.get(name), depth + 1)


def _run_error(document: Any) -> str | None:
    """The run's own error, else those of its nodes, else the diagnostics: a moderation refusal stands in a node."""
    own = next((words for part in _envelopes(document) if (words := _text(part.get("error")))), None)
    if own:
        return own
    nodes = [_text(value) for name, value in _walk(document) if name == "error"]
    notes = [_text(value) for name, value in _walk(_first(document, {"diagnostics"})) if name == "message"]
    found = list(dict.fromkeys(words for words in [*nodes, *notes] if words))
    return "; ".join(found)[:TEXT_LIMIT] or None


# --- times ---------------------------------------------------------------------------------------------------------


def pause_until(headers: Headers, document: Any, now: datetime) -> datetime:
    """When to try again after a 429: what the headers say, else the body, else half a minute; 1 s to 1 h from now."""
    at = _named_time(headers, now) or _moment(headers.get("x-ratelimit-reset"), now)
    at = at or _moment(_first(document, {"retryAfter", "retry_after"}), now)
    return at or now + USUAL_PAUSE


def _named_time(headers: Headers, now: datetime) -> datetime | None:
    return _moment(headers.get("retry-after"), now)


def _moment(value: Any, now: datetime) -> datetime | None:
    """A pause in seconds, an epoch (the vendor's `"retryAfter":1711036800` is one), or an HTTP date; clamped."""
    number = _number(value)
    try:
        if number is None:
            at = parsedate_to_datetime(value) if isinstance(value, str) else None
        elif number > 1e9:
            at = datetime.fromtimestamp(number / 1000 if number > 1e12 else number, UTC)
        else:
            at = now + timedelta(seconds=number)
    except (ValueError, OverflowError, OSError, TypeError, IndexError):
        return None
    if at is None:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max(at, now + SHORTEST_PAUSE), now + LONGEST_PAUSE)


def _pace(headers: Headers) -> dict[str, int]:
    named = {name: _number(headers.get(f"x-ratelimit-{name}")) for name in ("limit", "remaining", "reset")}
    return {name: int(number) for name, number in named.items() if number is not None}


# --- JSON of unknown shape -----------------------------------------------------------------------------------------


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _walk(document: Any, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Every name and value of a document, outside in."""
    if depth > DEPTH_LIMIT:
        return
    if isinstance(document, dict):
        yield from document.items()
        document = list(document.values())
    if isinstance(document, list):
        for item in document:
            yield from _walk(item, depth + 1)


def _first(document: Any, names: set[str]) -> Any:
    return next((value for name, value in _walk(document) if name in names and value is not None), None)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _text(value: Any) -> str | None:
    if isinstance(value, dict):
        value = value.get("message") or value.get("detail") or value.get("error")
    return value.strip()[:TEXT_LIMIT] or None if isinstance(value, str) else None


def _words(document: Any) -> str | None:
    """The vendor's sentence: `{"error":"text"}` or `{"error":{"type","message","code"}}`."""
    if not isinstance(document, dict):
        return None
    return _text(document.get("error")) or _text(document.get("message")) or _text(document.get("detail"))

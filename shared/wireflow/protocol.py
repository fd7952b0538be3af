"""Wireflow's wire format, pure: bytes and headers in, a result or an error of the tree out, and nothing else.

Every published shape is accepted, wherever the pages contradict each other; what is not understood is `unknown`, never
a guess. Sources: https://www.wireflow.ai/docs/api, github.com/wireflowINC/wireflow-skill, the guide of this project.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from shared.error_codes import ErrorCode
from shared.ports import RunResponse, Started
from shared.wireflow import errors, json_paths
from shared.wireflow.run_responses import LABEL_LIMIT, URL_LIMIT, run_response
from shared.workflows import NodeInput

Headers = Mapping[str, str]  # names in lower case

SHORTEST_PAUSE, LONGEST_PAUSE, USUAL_PAUSE = timedelta(seconds=1), timedelta(hours=1), timedelta(seconds=30)
INPUTS_LIMIT = 200

# What Wireflow publishes. Only a whole sentence counts: any other text may quote the caller's prompt.
_AMOUNTS = re.compile(r"insufficient credits\. required: (\d+(?:\.\d+)?), available: (\d+(?:\.\d+)?)\.?", re.IGNORECASE)
_INACTIVE = re.compile(r"workflow is not active\.?", re.IGNORECASE)
_INACTIVE_CODES = {"workflow_inactive", "workflow_not_active", "inactive_workflow"}
_EXECUTION = re.compile(r"/executions/([^/?#]+)")


# --- the paid call -------------------------------------------------------------------------------------------------


def read_trigger(status: int, headers: Headers, body: bytes, now: datetime) -> Started:
    """What an answer to the paid call means: Started, or one of the errors of the tree."""
    request_id = headers.get("x-request-id")
    if 200 <= status < 300:
        execution_id = _execution_id(json_paths.parse(body), headers)
        if execution_id is None:
            raise errors.NoExecutionId(f"Wireflow answered {status} without an execution id.", request_id=request_id)
        return Started(execution_id=execution_id, request_id=request_id)
    raise _trigger_error(status, headers, body, now)


def read_health(status: int, headers: Headers, body: bytes, now: datetime) -> None:
    """What an answer of the webhook's health call means: nothing if it is good, else one of the errors of the tree."""
    if not 200 <= status < 300:
        raise _trigger_error(status, headers, body, now)
    if json_paths.first(json_paths.parse(body), {"isActive"}) is False:
        raise errors.OperatorMustAct("The workflow is not active.", code=ErrorCode.WORKFLOW_INACTIVE)


def _trigger_error(status: int, headers: Headers, body: bytes, now: datetime) -> errors.WireflowError:
    request_id = headers.get("x-request-id")
    document = json_paths.parse(body)
    words = json_paths.words(document) or f"Wireflow answered HTTP {status}."
    if status == 402:
        return _out_of_credits(words, document, request_id)
    if status == 429:
        return errors.RateLimited(words, request_id=request_id, retry_at=pause_until(headers, document, now))
    if status in {425, 503}:
        return errors.Unavailable(words, request_id=request_id, retry_at=_named_time(headers, now))
    if status >= 500 or status < 300 or status == 408:  # 408: a timeout on the way, as a 504
        return errors.OutcomeUnknown(words, request_id=request_id, retry_at=_named_time(headers, now))
    if status < 400:
        return errors.OperatorMustAct(_moved(status, headers), code=ErrorCode.CONFIGURATION, request_id=request_id)
    if status == 409:
        return errors.KeyConflict(words, request_id=request_id)
    if status in {413, 422} or (status == 400 and not _is_inactive(document, words)):
        return errors.RequestRefused(words, request_id=request_id)
    scope = errors.Scope.WORKFLOW if status in {400, 404, 410} else errors.Scope.ACCOUNT
    return errors.OperatorMustAct(words, code=_operator_code(status), request_id=request_id, scope=scope)


def _is_inactive(document: Any, words: str) -> bool:
    """Whether a 400 means that the workflow is not active: by a code, or by the published sentence and nothing else."""
    error = document.get("error") if isinstance(document, dict) else None
    places = [place for place in (document, error) if isinstance(place, dict)]
    codes = {place.get(name) for place in places for name in ("type", "code") if isinstance(place.get(name), str)}
    return bool(codes & _INACTIVE_CODES) or _INACTIVE.fullmatch(words.strip()) is not None


def _operator_code(status: int) -> ErrorCode:
    codes = {400: ErrorCode.WORKFLOW_INACTIVE, 401: ErrorCode.KEY_REFUSED, 403: ErrorCode.KEY_REFUSED}
    codes |= {404: ErrorCode.WORKFLOW_NOT_FOUND, 410: ErrorCode.WORKFLOW_NOT_FOUND}
    return codes.get(status, ErrorCode.CONFIGURATION)


def _out_of_credits(words: str, document: Any, request_id: str | None) -> errors.OutOfCredits:
    """With the vendor's figures: from their own fields, or from the sentence, which is all that one form has.

    Another workflow may need fewer credits, so it concerns one workflow only.
    """
    error = errors.OutOfCredits(words, request_id=request_id, scope=errors.Scope.WORKFLOW)
    spoken = _AMOUNTS.fullmatch(words.strip())
    required, available = spoken.groups() if spoken else (None, None)
    error.required = json_paths.number(_or(json_paths.first(document, {"requiredCredits"}), required))
    error.available = json_paths.number(_or(json_paths.first(document, {"availableCredits"}), available))
    return error


def _or(value: Any, other: Any) -> Any:
    return other if value is None else value


def _moved(status: int, headers: Headers) -> str:
    """Only the new origin: the path of the old address holds the webhook's id, and so may the new one's."""
    try:
        parts = urlsplit(headers.get("location", ""))
        origin = f"{parts.scheme}://{parts.hostname}" if parts.hostname else "another address"
    except ValueError:
        origin = "another address"
    return f"Wireflow answered HTTP {status} and points to {origin}; WIREFLOW_BASE_URL must be the final address."


def _execution_id(document: Any, headers: Headers) -> str | None:
    """`executionId` wherever it stands, else the id of the first of `executionRuns`, else what Location names.

    The answer's own `id` comes last: it may be another thing's.
    """
    runs = json_paths.first(document, {"executionRuns", "execution", "run"})
    location = _EXECUTION.search(headers.get("location", ""))
    candidates = (
        json_paths.first(document, {"executionId", "execution_id"}),
        json_paths.first(runs, {"id"}),
        unquote(location.group(1)) if location else None,
        *(part.get("id") for part in json_paths.envelopes(document)),
    )
    found = next((value for value in candidates if _usable(value)), None)
    return None if found is None else json_paths.storable(str(found))


def _usable(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, str) and 0 < len(value.strip()) <= 256)


# --- before the paid call: calls that cost nothing -----------------------------------------------------------------


def read_inputs(status: int, headers: Headers, body: bytes, now: datetime) -> tuple[NodeInput, ...]:
    """The inputs of a saved workflow, else one of the errors of the tree: https://www.wireflow.ai/docs/api/run."""
    document = _well(status, headers, body, now)
    lists = (value for name, value in json_paths.walk(document) if name == "inputs" and isinstance(value, list))
    told = next(lists, None)
    found = {item.node_id: item for item in _inputs(told or [])}
    if told is None or (told and not found):
        raise errors.Unavailable("Wireflow did not describe the workflow.", request_id=headers.get("x-request-id"))
    return tuple(found.values())[:INPUTS_LIMIT]


def _inputs(told: list[Any]) -> Iterator[NodeInput]:
    """Those that can be named: a value without its node's id reaches nothing."""
    for item in told:
        node_id = item.get("nodeId") if isinstance(item, dict) else None
        if isinstance(node_id, str) and _usable(node_id) and node_id == json_paths.storable(node_id):
            kind = json_paths.text(item.get("type")) or "unknown"
            label = json_paths.text(item.get("label")) or ""
            required = item.get("required") is True and item.get("default") in (None, "")
            yield NodeInput(node_id=node_id, label=label[:LABEL_LIMIT], kind=kind.lower()[:40], required=required)


def read_upload(status: int, headers: Headers, body: bytes, now: datetime) -> str:
    """The address of an uploaded image, else one of the errors of the tree: `{"data":{"url"}}`, however wrapped."""
    document = _well(status, headers, body, now)
    found = (value.strip() for name, value in json_paths.walk(document) if name == "url" and isinstance(value, str))
    url = next((text for text in found if _is_address(text)), None)
    if url is None:
        words = "Wireflow took the input image and named no address for it."
        raise errors.Unavailable(words, request_id=headers.get("x-request-id"))
    return url


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    visible = text.isprintable() and " " not in text and text == json_paths.storable(text)
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and visible and len(text) <= URL_LIMIT


def _well(status: int, headers: Headers, body: bytes, now: datetime) -> Any:
    """The value of a 2xx. RequestRefused: only the caller can mend it; any other error: nothing was paid, ask again."""
    if 200 <= status < 300:
        return json_paths.parse(body)
    error = _trigger_error(status, headers, body, now)
    request_id, retry_at = error.request_id, error.retry_at
    if status in {400, 413, 415, 422}:
        raise errors.RequestRefused(str(error), request_id=request_id)
    if isinstance(error, errors.KeyConflict | errors.OutcomeUnknown):
        raise errors.Unavailable(str(error), request_id=request_id, retry_at=retry_at)
    raise error


# --- polls and details ---------------------------------------------------------------------------------------------


def read_run(status: int, headers: Headers, body: bytes, now: datetime) -> RunResponse:
    """Return the state of a run from any 2xx with JSON (a gateway may send HTML); else raise PollError."""
    request_id = headers.get("x-request-id")
    document = json_paths.parse(body)
    if 200 <= status < 300 and isinstance(document, dict | list):
        return run_response(document, body, headers)
    words = _moved(status, headers) if 300 <= status < 400 else json_paths.words(document) or f"HTTP {status}"
    if status == 404:
        raise errors.RunNotFound(words, request_id=request_id)
    if status == 429:
        at = pause_until(headers, document, now)
        raise errors.PollRateLimited(words, request_id=request_id, retry_at=at)
    raise errors.PollError(words, code=_poll_code(status), request_id=request_id, retry_at=_named_time(headers, now))


def _poll_code(status: int) -> ErrorCode:
    if status in {401, 403}:
        return ErrorCode.KEY_REFUSED
    return ErrorCode.CONFIGURATION if 300 <= status < 400 else ErrorCode.UPSTREAM_ERROR


# --- times ---------------------------------------------------------------------------------------------------------


def pause_until(headers: Headers, document: Any, now: datetime) -> datetime:
    """When to try again after a 429: what the headers say, else the body, else half a minute; 1 s to 1 h from now."""
    at = _named_time(headers, now) or _moment(headers.get("x-ratelimit-reset"), now)
    at = at or _moment(json_paths.first(document, {"retryAfter", "retry_after"}), now)
    return at or now + USUAL_PAUSE


def _named_time(headers: Headers, now: datetime) -> datetime | None:
    return _moment(headers.get("retry-after"), now)


def _moment(value: Any, now: datetime) -> datetime | None:
    """A pause in seconds, an epoch (the vendor's `"retryAfter":1711036800` is one), or an HTTP date; clamped."""
    number = json_paths.number(value)
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

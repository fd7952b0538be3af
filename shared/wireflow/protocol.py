"""Wireflow's wire format: status, headers, and body in; a result or an error of the error tree out. Pure.

Every published shape is accepted, wherever the published pages contradict each other. A response that is not understood
is reported as unknown, never guessed. Sources: https://www.wireflow.ai/docs/api, github.com/wireflowINC/wireflow-skill,
and the guide of this project.
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
from shared.wireflow.run_responses import LABEL_LIMIT, beginning, rate_limit, run_response
from shared.wireflow.run_results import URL_LIMIT
from shared.workflows import NodeInput

Headers = Mapping[str, str]  # names in lower case

MIN_PAUSE, MAX_PAUSE, DEFAULT_PAUSE = timedelta(seconds=1), timedelta(hours=1), timedelta(seconds=30)
INPUTS_LIMIT = 200
UNREADABLE = "The responses of Wireflow could not be read."
OF_ANOTHER_RUN = "The responses of Wireflow are about another run."

# What Wireflow publishes. Only a whole message counts: any other text may quote the caller's prompt.
_CREDIT_AMOUNTS = re.compile(
    r"insufficient credits\. required: (\d+(?:\.\d+)?), available: (\d+(?:\.\d+)?)\.?", re.IGNORECASE
)
_INACTIVE = re.compile(r"workflow is not active\.?", re.IGNORECASE)
_INACTIVE_CODES = {"workflow_inactive", "workflow_not_active", "inactive_workflow"}
_EXECUTION_PATH = re.compile(r"/executions/([^/?#]+)")

_OPERATOR_CODES = {
    400: ErrorCode.WORKFLOW_INACTIVE,
    401: ErrorCode.KEY_REFUSED,
    403: ErrorCode.KEY_REFUSED,
    404: ErrorCode.WORKFLOW_NOT_FOUND,
    410: ErrorCode.WORKFLOW_NOT_FOUND,
}


# --- the paid call -------------------------------------------------------------------------------------------------


def read_trigger(status: int, headers: Headers, body: bytes, now: datetime) -> Started:
    """Interpret the response to the paid call; raise Refused or OutcomeUnknown for an error."""
    request_id = headers.get("x-request-id")
    if 200 <= status < 300:
        document = json_paths.parse(body)
        execution_id = _execution_id(document, headers)
        if execution_id is None:
            # No published 2xx says that nothing was started, whatever its error is.
            words = json_paths.error_message(document)
            message = f"Wireflow responded with HTTP {status} but without an execution id"
            raise errors.NoExecutionId(f"{message}: {words}" if words else f"{message}.", request_id=request_id)
        return Started(execution_id=execution_id, request_id=request_id, http_status=status)
    raise _trigger_error(status, headers, body, now)


def read_health(status: int, headers: Headers, body: bytes, now: datetime) -> None:
    """Interpret the response to the webhook's health call; raise Refused or OutcomeUnknown for an error."""
    if not 200 <= status < 300:
        raise _trigger_error(status, headers, body, now)
    if json_paths.first(json_paths.parse(body), {"isActive"}) is False:
        raise errors.OperatorMustAct("The workflow is not active.", code=ErrorCode.WORKFLOW_INACTIVE)


def is_json(body: bytes) -> bool:
    """Return whether Wireflow itself responded: a gateway in front of it responds with text."""
    return isinstance(json_paths.parse(body), dict)


def _trigger_error(status: int, headers: Headers, body: bytes, now: datetime) -> errors.WireflowError:
    request_id = headers.get("x-request-id")
    document = json_paths.parse(body)
    message = json_paths.error_message(document) or f"Wireflow responded with HTTP {status}."
    if status == 402:
        return _out_of_credits(message, document, request_id)
    if status == 429:
        return errors.RateLimited(message, request_id=request_id, retry_at=retry_time(headers, document, now))
    if status in {425, 503}:
        return errors.Unavailable(message, request_id=request_id, retry_at=_retry_after(headers, now))
    if status >= 500 or status < 300 or status == 408:  # 408: a timeout on the way, like a 504
        return errors.OutcomeUnknown(message, request_id=request_id, retry_at=_retry_after(headers, now))
    if status < 400:
        message = _redirect_message(status, headers)
        return errors.Redirected(message, request_id=request_id)
    if status == 409:
        return errors.KeyConflict(message, request_id=request_id)
    if status in {413, 422} or (status == 400 and not _is_inactive(document, message)):
        return errors.RequestRefused(message, request_id=request_id)
    code = _OPERATOR_CODES.get(status, ErrorCode.CONFIGURATION)
    scope = errors.Scope.WORKFLOW if status in {400, 404, 410} else errors.Scope.ACCOUNT
    return errors.OperatorMustAct(message, code=code, request_id=request_id, scope=scope)


def _is_inactive(document: Any, message: str) -> bool:
    """Return whether a 400 means that the workflow is not active: by a code, or by the published message as a whole."""
    error = document.get("error") if isinstance(document, dict) else None
    parts = [part for part in (document, error) if isinstance(part, dict)]
    codes = {part.get(name) for part in parts for name in ("type", "code") if isinstance(part.get(name), str)}
    return bool(codes & _INACTIVE_CODES) or _INACTIVE.fullmatch(message.strip()) is not None


def _out_of_credits(message: str, document: Any, request_id: str | None) -> errors.OutOfCredits:
    """Take the amounts from their own fields, or else from the message: one published form has them only there.

    Other workflows may need fewer credits: the error concerns one workflow.
    """
    error = errors.OutOfCredits(message, request_id=request_id, scope=errors.Scope.WORKFLOW)
    required, available = (json_paths.first(document, {name}) for name in ("requiredCredits", "availableCredits"))
    if amounts := _CREDIT_AMOUNTS.fullmatch(message.strip()):
        required = amounts[1] if required is None else required
        available = amounts[2] if available is None else available
    error.required, error.available = json_paths.number(required), json_paths.number(available)
    return error


def _redirect_message(status: int, headers: Headers) -> str:
    """Name only the origin of the new URL: its path, like that of the old one, may contain the webhook id."""
    origin = "another URL"
    try:
        parts = urlsplit(headers.get("location", ""))
        if parts.hostname:
            origin = f"{parts.scheme}://{parts.hostname}"
    except ValueError:
        pass
    return f"Wireflow responded with HTTP {status}, a redirect to {origin}. Set WIREFLOW_BASE_URL to the final URL."


def _execution_id(document: Any, headers: Headers) -> str | None:
    """Return `executionId` at any depth, else the id of the first of `executionRuns`, else the id in Location.

    The `id` of the response itself comes last: it may identify something else.
    """
    runs = json_paths.first(document, {"executionRuns", "execution", "run"})
    location = _EXECUTION_PATH.search(headers.get("location", ""))
    candidates = (
        json_paths.first(document, {"executionId", "execution_id"}),
        json_paths.first(runs, {"id"}),
        unquote(location.group(1)) if location else None,
        *(part.get("id") for part in json_paths.envelopes(document)),
    )
    found = next((value for value in candidates if _is_id(value)), None)
    return None if found is None else json_paths.storable(str(found))


def _is_id(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, str) and 0 < len(value.strip()) <= 256)


# --- free calls before the paid call -------------------------------------------------------------------------------


def read_inputs(status: int, headers: Headers, body: bytes, now: datetime) -> tuple[NodeInput, ...]:
    """Return the inputs of a saved workflow (https://www.wireflow.ai/docs/api/run); raise Refused.

    RequestRefused: only the caller can fix it. Any other error: nothing was charged; try again later.
    """
    document = _free_call_document(status, headers, body, now)
    lists = (value for name, value in json_paths.walk(document) if name == "inputs" and isinstance(value, list))
    described = next(lists, None)
    inputs = {item.node_id: item for item in _inputs(described or [])}
    if described is None or (described and not inputs):
        message = "Wireflow did not describe the inputs of the workflow."
        raise errors.Unavailable(message, request_id=headers.get("x-request-id"))
    return tuple(inputs.values())[:INPUTS_LIMIT]


def _inputs(described: list[Any]) -> Iterator[NodeInput]:
    """Yield the inputs that have a usable node id: without one, no value can be sent to an input."""
    for item in described:
        node_id = item.get("nodeId") if isinstance(item, dict) else None
        if isinstance(node_id, str) and _is_id(node_id) and node_id == json_paths.storable(node_id):
            kind = json_paths.text(item.get("type")) or "unknown"
            label = json_paths.text(item.get("label")) or ""
            required = item.get("required") is True and item.get("default") in (None, "")
            yield NodeInput(node_id=node_id, label=label[:LABEL_LIMIT], kind=kind.lower()[:40], required=required)


def read_upload(status: int, headers: Headers, body: bytes, now: datetime) -> str:
    """Return the URL of an uploaded image, `{"data":{"url"}}` however wrapped; raise Refused, as `read_inputs`."""
    document = _free_call_document(status, headers, body, now)
    urls = (value.strip() for name, value in json_paths.walk(document) if name == "url" and isinstance(value, str))
    url = next((text for text in urls if _is_url(text)), None)
    if url is None:
        message = "Wireflow accepted the input image but returned no URL for it."
        raise errors.Unavailable(message, request_id=headers.get("x-request-id"))
    return url


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    visible = text.isprintable() and " " not in text and text == json_paths.storable(text)
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and visible and len(text) <= URL_LIMIT


def _free_call_document(status: int, headers: Headers, body: bytes, now: datetime) -> Any:
    """Return the JSON value of a 2xx; raise RequestRefused if only the caller can fix it, else another Refused."""
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


def read_run(status: int, headers: Headers, body: bytes, now: datetime, execution_id: str | None = None) -> RunResponse:
    """Return the state of a run from any 2xx with JSON (a gateway may send HTML); else raise PollError.

    `execution_id`: of the run that was asked for; None if any will do.
    """
    document = json_paths.parse(body)
    if not 200 <= status < 300:
        error = _poll_error(status, headers, document, now)
    elif not isinstance(document, dict | list):
        error = _unusable(UNREADABLE, headers, body)
    elif execution_id and execution_id.encode() not in body and _names_a_run(document):
        error = _unusable(OF_ANOTHER_RUN, headers, body)
    else:
        return run_response(document, body, headers)
    error.rate_limit = rate_limit(headers)
    raise error


def _names_a_run(document: Any) -> bool:
    """Whether the response has the id of an execution. Ids further inside are those of nodes and nested runs."""
    data = document.get("data") if isinstance(document, dict) else None
    parts = [part for part in (document, data) if isinstance(part, dict)]
    return any(json_paths.text(part.get("executionId")) for part in parts)


def _unusable(message: str, headers: Headers, body: bytes) -> errors.UnusableResponse:
    error = errors.UnusableResponse(message, request_id=headers.get("x-request-id"))
    error.raw = beginning(body)
    return error


def _poll_error(status: int, headers: Headers, document: Any, now: datetime) -> errors.PollError:
    request_id = headers.get("x-request-id")
    if 300 <= status < 400:
        message = _redirect_message(status, headers)
        retry_at = _retry_after(headers, now)
        return errors.PollError(message, code=ErrorCode.CONFIGURATION, request_id=request_id, retry_at=retry_at)
    message = json_paths.error_message(document) or f"Wireflow responded with HTTP {status}."
    if status == 404:
        return errors.RunNotFound(message, request_id=request_id)
    if status == 429:
        at = retry_time(headers, document, now)
        return errors.PollRateLimited(message, request_id=request_id, retry_at=at)
    code = ErrorCode.KEY_REFUSED if status in {401, 403} else ErrorCode.UPSTREAM_ERROR
    return errors.PollError(message, code=code, request_id=request_id, retry_at=_retry_after(headers, now))


# --- times ---------------------------------------------------------------------------------------------------------


def retry_time(headers: Headers, document: Any, now: datetime) -> datetime:
    """Return when to retry after a 429: from the headers, else the body, else 30 s from now; 1 s to 1 h from now."""
    at = _retry_after(headers, now) or _parse_time(headers.get("x-ratelimit-reset"), now)
    at = at or _parse_time(json_paths.first(document, {"retryAfter", "retry_after"}), now)
    return at or now + DEFAULT_PAUSE


def _retry_after(headers: Headers, now: datetime) -> datetime | None:
    return _parse_time(headers.get("retry-after"), now)


def _parse_time(value: Any, now: datetime) -> datetime | None:
    """Parse seconds from now, an epoch (Wireflow's `"retryAfter":1711036800`), or an HTTP date; clamp to 1 s to 1 h."""
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
    return min(max(at, now + MIN_PAUSE), now + MAX_PAUSE)

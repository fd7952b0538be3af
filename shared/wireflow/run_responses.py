"""Interpretation of a response about a run: state, images, nodes, error, and shapes that are not known. Pure.

Every published shape is accepted (https://www.wireflow.ai/docs/api/executions, github.com/wireflowINC/wireflow-skill).
COMPLETED does not prove that there is an image, and a node may report an error while the run's own error is null.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from shared.job_parts import Step
from shared.ports import RunResponse, RunState
from shared.wireflow import json_paths
from shared.wireflow.json_paths import DEPTH_LIMIT, TEXT_LIMIT

RAW_LIMIT = 4_096  # characters of a response that are stored with a job
NEWS_LIMIT = 10
# A Firestore document has at most 1 MiB: https://cloud.google.com/firestore/quotas
IMAGES_LIMIT, URL_LIMIT = 100, 4_096
STEPS_LIMIT, LABEL_LIMIT, STATUS_LIMIT = 50, 200, 40

# Every name of the published shapes. Any other name is reported as unknown.
KNOWN_NAMES = frozenset(
    "status data error errors message code type success nodeResults nodeRuns executionRuns finalOutput output outputs "
    "images image url urls outputUrl outputUrls nodeStates nodeId nodeType label text progress requestId id "
    "executionId workflowId workflowName batchId name startTime endTime startedAt completedAt createdAt updatedAt "
    "duration diagnostics version counts severity target hint creditsUsed credits totalCredits execution run "
    "result runIndexInBatch inputIndex docs".split()
)
# Values below these names belong to a node and may have any names.
OPAQUE = frozenset({"output", "outputs", "finalOutput", "counts", "target", "error", "errors", "progress", "text"})
CREDITS = frozenset({"creditsUsed", "credits_used", "creditsCharged", "totalCredits"})
# Names under which a result is found, and names of URLs within a result.
RESULTS = ("finalOutput", "output", "outputs", "outputUrl", "outputUrls")
URL_NAMES = ("url", "urls", "image", "images", "imageUrl", "imageUrls", *RESULTS)
# Lists of nodes. Where several describe the same field of a node, the first wins.
NODE_LISTS = ("nodeStates", "outputs", "nodeRuns")

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,39}")
_URL = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_MODERATED = re.compile(
    r"moderat|content.?policy|policy.?violation|safety|prohibited|nsfw|inappropriate|blocked.*(content|prompt)"
    r"|(content|prompt).*blocked|sensitive content|violates",
    re.IGNORECASE,
)


def run_response(document: Any, body: bytes, headers: Mapping[str, str]) -> RunResponse:
    """Interpret a JSON response of the poll or details endpoint. `headers`: names in lower case."""
    state, unknown_states = _run_state(document)
    error = _run_error(document)
    rate_limit = {
        name: json_paths.number(headers.get(f"x-ratelimit-{name}")) for name in ("limit", "remaining", "reset")
    }
    return RunResponse(
        state=state,
        image_urls=tuple(dict.fromkeys(_image_urls(document)))[:IMAGES_LIMIT],
        error=error,
        moderated=state is RunState.FAILED and bool(error and _MODERATED.search(error)),
        credits_used=json_paths.number(json_paths.first(document, CREDITS)),
        request_id=headers.get("x-request-id"),
        news=(*unknown_states, *_unknown_names(document)),
        steps=tuple(_steps(document))[:STEPS_LIMIT],
        raw=body[: 4 * RAW_LIMIT].decode("utf-8", "replace")[:RAW_LIMIT],
        pace={name: int(number) for name, number in rate_limit.items() if number is not None},
    )


# --- state ---------------------------------------------------------------------------------------------------------


def _run_state(document: Any) -> tuple[RunState | None, tuple[str, ...]]:
    """Return the state of the run, or None and a description of the unknown status.

    The known statuses of all envelopes count, and the run is final only if none of them says otherwise; a wrapper's own
    "success" is not a known status. Without any, the statuses of `executionRuns` count. Those of nodes never do.
    """
    statuses = [part["status"] for part in json_paths.envelopes(document) if "status" in part]
    known = [state for status in statuses if (state := _known_state(status))]
    if known:
        return next((state for state in known if not state.terminal), known[0]), ()
    runs = [_known_state(run.get("status")) for run in _execution_runs(document)]
    if runs and all(runs):
        return _combined_state([state for state in runs if state]), ()
    return None, (f"status {_loggable(statuses[0])}" if statuses else "no status",)


def _known_state(status: Any) -> RunState | None:
    upper = status.strip().upper() if isinstance(status, str) else ""
    return RunState(upper) if upper in set(RunState) else None


def _combined_state(states: list[RunState]) -> RunState:
    """Return the state of a batch: the first unfinished one, else the first that failed, else COMPLETED."""
    unfinished = [state for state in states if not state.terminal]
    failed = [state for state in states if state is not RunState.COMPLETED]
    return next(iter(unfinished or failed), RunState.COMPLETED)


def _execution_runs(document: Any) -> list[dict[str, Any]]:
    found = next((part["executionRuns"] for part in json_paths.envelopes(document) if "executionRuns" in part), None)
    return [run for run in found if isinstance(run, dict)] if isinstance(found, list) else []


def _unknown_names(document: Any) -> tuple[str, ...]:
    """Return a few of the names that are in no published shape."""
    names = (name for name, _ in json_paths.walk(document, OPAQUE))
    return tuple(sorted({f"name {_loggable(name)}" for name in names if name not in KNOWN_NAMES})[:NEWS_LIMIT])


def _loggable(value: Any) -> str:
    """Return a single word unchanged. Anything longer might quote a caller's text, which is never logged."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else "that is not a single word"


# --- images --------------------------------------------------------------------------------------------------------


def _image_urls(document: Any) -> Iterator[str]:
    """Yield every URL of a result, those of the run's final output first."""
    for part in json_paths.envelopes(document):
        yield from _urls(part.get("finalOutput"))
    for name, value in json_paths.walk(document):
        if name in RESULTS:
            yield from _urls(value)


def _urls(value: Any, depth: int = 0) -> Iterator[str]:
    if isinstance(value, str) and len(value) <= URL_LIMIT and _URL.fullmatch(value.strip()):
        yield json_paths.storable(value.strip())
    elif depth < DEPTH_LIMIT and isinstance(value, list):
        for item in value:
            yield from _urls(item, depth + 1)
    elif depth < DEPTH_LIMIT and isinstance(value, dict):
        for name in URL_NAMES:
            yield from _urls(value.get(name), depth + 1)


# --- nodes and errors ----------------------------------------------------------------------------------------------


def _steps(document: Any) -> Iterator[Step]:
    """Yield one step per node. Nodes without an id are identified by their position in the list."""
    nodes: dict[str | int, dict[str, Any]] = {}
    for list_name in NODE_LISTS:
        for index, node in enumerate(_nodes(document, list_name)):
            node_id = node.get("nodeId")
            key = node_id if isinstance(node_id, str) else index
            nodes[key] = {**_step_fields(node), **nodes.get(key, {})}
    return (Step(**fields) for fields in nodes.values() if fields)


def _nodes(document: Any, list_name: str) -> Iterator[dict[str, Any]]:
    """Yield the nodes of all lists of this name, except within the output of a node, which may have any names."""
    for name, value in json_paths.walk(document, OPAQUE):
        if name == list_name and isinstance(value, list):
            yield from (node for node in value if isinstance(node, dict))


def _step_fields(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a Step that the node has. A label that repeats the node's id is not a label."""
    label, status = (
        json_paths.text(node.get(name)) if isinstance(node.get(name), str) else None for name in ("label", "status")
    )
    state = _known_state(status)
    fields = {
        "label": label[:LABEL_LIMIT] if label and label != node.get("nodeId") else None,
        "status": str(state) if state else status and status[:STATUS_LIMIT],
        "progress": json_paths.number(node.get("progress")),
    }
    return {name: value for name, value in fields.items() if value is not None}


def _run_error(document: Any) -> str | None:
    """Return the error of the run, else those of its nodes and diagnostics: a moderation refusal is in a node."""
    for part in json_paths.envelopes(document):
        if message := json_paths.text(part.get("error")):
            return message
    diagnostics = json_paths.first(document, {"diagnostics"})
    node_errors = [json_paths.text(value) for name, value in json_paths.walk(document) if name == "error"]
    notes = [json_paths.text(value) for name, value in json_paths.walk(diagnostics) if name == "message"]
    messages = dict.fromkeys(message for message in [*node_errors, *notes] if message)
    return "; ".join(messages)[:TEXT_LIMIT] or None

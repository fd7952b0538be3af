"""Interpretation of a response about a run: state, images, nodes, error, and shapes that are not known. Pure.

Every published shape is accepted (https://www.wireflow.ai/docs/api/executions, github.com/wireflowINC/wireflow-skill).
COMPLETED does not prove that there is an image, and a node may report an error while the run's own error is null.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from shared.job_parts import Step
from shared.ports import ResultImage, RunResponse, RunState
from shared.wireflow import json_paths
from shared.wireflow.run_credits import credits_used
from shared.wireflow.run_errors import failed_node_error, run_errors
from shared.wireflow.run_results import IMAGES_LIMIT, result_images, result_texts

RAW_LIMIT = 4_096  # characters of a response that are stored with a job
UNKNOWN_NAMES_LIMIT, MODEL_LIMIT = 10, 200
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
MODEL_NAMES = frozenset({"model", "modelName", "modelId", "modelVersion", "model_name", "model_id", "model_version"})
# Lists of nodes. Where several describe the same field of a node, the first wins.
NODE_LISTS = ("nodeStates", "outputs", "nodeRuns")

_MODEL = re.compile(r"[\w./:@-]{1,100}", re.ASCII)
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,39}")

# Final words that Wireflow does not publish but other engines use, and what they mean.
UNPUBLISHED = {
    **dict.fromkeys(("SUCCEEDED", "SUCCESS", "DONE", "FINISHED", "COMPLETE"), RunState.COMPLETED),
    **dict.fromkeys(("ERROR", "FAILURE"), RunState.FAILED),
    **dict.fromkeys(("CANCELED", "ABORTED"), RunState.CANCELLED),
    **dict.fromkeys(("EXPIRED", "TIMED_OUT"), RunState.TIMEOUT),
}


def run_response(document: Any, body: bytes, headers: Mapping[str, str]) -> RunResponse:
    """Interpret a JSON response of the poll or details endpoint. `headers`: names in lower case."""
    images = result_images(document)
    state, unknown_states = _run_state(document, shows_images=bool(images))
    failed = state in {RunState.FAILED, RunState.CANCELLED, RunState.TIMEOUT}
    error, error_codes = run_errors(document, failed=failed)
    return RunResponse(
        state=state,
        images=images[:IMAGES_LIMIT],
        texts=result_texts(document),
        error=error,
        error_codes=error_codes,
        node_error=failed_node_error(document),
        credits_used=credits_used(document),
        model=_models(document),
        request_id=headers.get("x-request-id"),
        unknown_shapes=(*unknown_states, *_too_many(images), *_unknown_names(document)),
        steps=tuple(_steps(document))[:STEPS_LIMIT],
        raw=beginning(body),
        rate_limit=rate_limit(headers),
    )


def beginning(body: bytes) -> str:
    """Return as much of a response as is stored with a job."""
    return body[: 4 * RAW_LIMIT].decode("utf-8", "replace")[:RAW_LIMIT]


# --- state ---------------------------------------------------------------------------------------------------------


def rate_limit(headers: Mapping[str, str]) -> dict[str, int]:
    """Return the rate limit headers: requests a minute, how many are left, and until when (epoch seconds)."""
    found = {name: json_paths.number(headers.get(f"x-ratelimit-{name}")) for name in ("limit", "remaining", "reset")}
    return {name: int(number) for name, number in found.items() if number is not None}


def _run_state(document: Any, *, shows_images: bool) -> tuple[RunState | None, tuple[str, ...]]:
    """Return the state of the run, or None, and descriptions of the statuses that are not published.

    The published statuses of all envelopes count, and the run is final only if none of them says otherwise. Without
    any, the statuses of `executionRuns` count, then the innermost status that is not published. Those of nodes never
    do.
    """
    parts = list(json_paths.envelopes(document))
    statuses = [part["status"] for part in parts if "status" in part]
    published = [RunState(word) for status in statuses if (word := _word(status)) in set(RunState)]
    if published:
        return next((state for state in published if not state.terminal), published[0]), ()
    runs = [run.get("status") for run in _execution_runs(document)]
    states = [state for run in runs if (state := _known_state(run))]
    if runs and len(states) == len(runs):
        return _combined_state(states), _unpublished(runs)
    state = _known_state(statuses[-1]) if statuses else None
    # A word around another envelope may be about the request: https://github.com/omniti-labs/jsend.
    if state and ("status" in parts[-1] or (shows_images and not _has_unfinished_node(document))):
        return state, _unpublished(statuses[-1:])
    return None, (_unpublished(statuses[:1]) or ("no status",))


def _too_many(images: tuple[ResultImage, ...]) -> tuple[str, ...]:
    return (f"more than {IMAGES_LIMIT} images",) if len(images) > IMAGES_LIMIT else ()


def _word(status: Any) -> str:
    """Return a status in the spelling of the published ones: "in-progress" and "In progress" are IN_PROGRESS."""
    return re.sub(r"[\s-]+", "_", status.strip()).upper() if isinstance(status, str) else ""


def _known_state(status: Any) -> RunState | None:
    word = _word(status)
    return RunState(word) if word in set(RunState) else UNPUBLISHED.get(word)


def _unpublished(statuses: list[Any]) -> tuple[str, ...]:
    words = [status for status in statuses if _word(status) not in set(RunState)]
    return tuple(dict.fromkeys(f"status {_loggable(status)}" for status in words))


def _has_unfinished_node(document: Any) -> bool:
    states = (_known_state(node.get("status")) for name in NODE_LISTS for node in _nodes(document, name))
    return any(state is not None and not state.terminal for state in states)


def _combined_state(states: list[RunState]) -> RunState:
    """Return the state of a batch: the first unfinished one, else the first that failed, else COMPLETED."""
    unfinished = [state for state in states if not state.terminal]
    failed = [state for state in states if state is not RunState.COMPLETED]
    return next(iter(unfinished or failed), RunState.COMPLETED)


def _models(document: Any) -> str | None:
    """Return the models that the response names, apart from those of the request that it repeats."""
    values = (value for name, value in json_paths.walk(document, json_paths.ECHOES | {"text"}) if name in MODEL_NAMES)
    models = dict.fromkeys(value for value in values if isinstance(value, str) and _MODEL.fullmatch(value))
    return ", ".join(models)[:MODEL_LIMIT] or None


def _execution_runs(document: Any) -> list[dict[str, Any]]:
    found = next((part["executionRuns"] for part in json_paths.envelopes(document) if "executionRuns" in part), None)
    return [run for run in found if isinstance(run, dict)] if isinstance(found, list) else []


def _unknown_names(document: Any) -> tuple[str, ...]:
    """Return a few of the names that are in no published shape."""
    names = (name for name, _ in json_paths.walk(document, OPAQUE))
    return tuple(sorted({f"name {_loggable(name)}" for name in names if name not in KNOWN_NAMES})[:UNKNOWN_NAMES_LIMIT])


def _loggable(value: Any) -> str:
    """Return a single word unchanged. Anything longer might quote a caller's text, which is never logged."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else "that is not a single word"


# --- nodes ---------------------------------------------------------------------------------------------------------


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

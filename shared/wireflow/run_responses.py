"""What an answer about a run says, pure: its state, images, nodes and error, and what nobody has seen before.

Every published shape is accepted (https://www.wireflow.ai/docs/api/executions, github.com/wireflowINC/wireflow-skill);
COMPLETED does not prove an image, and a refusal may stand in a node while the run's own error is null.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from shared.job_parts import Step
from shared.ports import RunResponse, RunState
from shared.wireflow import json_paths
from shared.wireflow.json_paths import DEPTH_LIMIT, TEXT_LIMIT

RAW_LIMIT = 4_096  # characters of an answer that are kept with a job
NEWS_LIMIT = 10
# A job's document may have 1 MiB: https://cloud.google.com/firestore/quotas
IMAGES_LIMIT, URL_LIMIT = 100, 4_096
STEPS_LIMIT, LABEL_LIMIT, WORD_LIMIT = 50, 200, 40

# Every name of the published shapes that is not free text; another one is news.
KNOWN_NAMES = frozenset(
    "status data error errors message code type success nodeResults nodeRuns executionRuns finalOutput outputs output "
    "images image url urls outputUrl outputUrls nodeStates nodeId nodeType label text progress requestId id "
    "executionId workflowId workflowName batchId name startTime endTime startedAt completedAt createdAt updatedAt "
    "duration diagnostics version counts severity target hint creditsUsed credits totalCredits execution run "
    "result runIndexInBatch inputIndex docs".split()
)
# What stands below these is a node's own matter.
FREE = frozenset({"output", "outputs", "finalOutput", "counts", "target", "error", "errors", "progress", "text"})
CREDITS = frozenset({"creditsUsed", "credits_used", "creditsCharged", "totalCredits"})

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,39}")
_URL = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_MODERATED = re.compile(
    r"moderat|content.?policy|policy.?violation|safety|prohibited|nsfw|inappropriate|blocked.*(content|prompt)"
    r"|(content|prompt).*blocked|sensitive content|violates",
    re.IGNORECASE,
)


def run_response(document: Any, body: bytes, headers: Mapping[str, str]) -> RunResponse:
    """What a JSON answer of the poll or details endpoint says; `headers` have lower-case names."""
    state, unheard = _run_state(document)
    error = _run_error(document)
    return RunResponse(
        state=state,
        image_urls=tuple(dict.fromkeys(_image_urls(document)))[:IMAGES_LIMIT],
        error=error,
        moderated=state is RunState.FAILED and bool(error and _MODERATED.search(error)),
        credits_used=json_paths.number(json_paths.first(document, CREDITS)),
        request_id=headers.get("x-request-id"),
        news=(*unheard, *_new_names(document)),
        steps=tuple(_steps(document))[:STEPS_LIMIT],
        raw=body[: 4 * RAW_LIMIT].decode("utf-8", "replace")[:RAW_LIMIT],
        pace=_pace(headers),
    )


def _run_state(document: Any) -> tuple[RunState | None, tuple[str, ...]]:
    """The run's state, and the words that nobody has heard before.

    The words of the envelopes count, and the run has ended when none of the known ones says that it goes on; a
    wrapper's own "success" says nothing. Without one, those of `executionRuns` count. Nodes never count.
    """
    words = [part["status"] for part in json_paths.envelopes(document) if "status" in part]
    known = [state for word in words if (state := _known(word))]
    if known:
        return next((state for state in known if not state.terminal), known[0]), ()
    runs = [_known(run.get("status")) for run in _execution_runs(document)]
    if runs and all(runs):
        return _of_several([state for state in runs if state]), ()
    return None, (f"status {_word(words[0])}" if words else "no status",)


def _new_names(document: Any) -> tuple[str, ...]:
    """Names that are in no published shape, a few of them."""
    names = (name for name, _ in json_paths.walk(document, FREE))
    return tuple(sorted({f"name {_word(name)}" for name in names if name not in KNOWN_NAMES})[:NEWS_LIMIT])


def _word(value: Any) -> str:
    """One word, as status words and names are; anything longer might be a caller's text."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else "that is no word"


def _of_several(states: list[RunState]) -> RunState:
    going_on = [state for state in states if not state.terminal]
    failed = [state for state in states if state is not RunState.COMPLETED]
    return next(iter(going_on or failed), RunState.COMPLETED)


def _known(word: Any) -> RunState | None:
    upper = word.strip().upper() if isinstance(word, str) else ""
    return RunState(upper) if upper in set(RunState) else None


def _execution_runs(document: Any) -> list[dict[str, Any]]:
    found = next((part["executionRuns"] for part in json_paths.envelopes(document) if "executionRuns" in part), None)
    return [run for run in found if isinstance(run, dict)] if isinstance(found, list) else []


# Where a result may stand, and under which names an address stands there.
_RESULTS = ("finalOutput", "output", "outputs", "outputUrl", "outputUrls")
_ADDRESSES = ("url", "urls", "image", "images", "imageUrl", "imageUrls", *_RESULTS)


def _image_urls(document: Any) -> Iterator[str]:
    """Every address of a result, the run's final one first."""
    for part in json_paths.envelopes(document):
        yield from _addresses(part.get("finalOutput"))
    for name, value in json_paths.walk(document):
        if name in _RESULTS:
            yield from _addresses(value)


def _addresses(value: Any, depth: int = 0) -> Iterator[str]:
    if isinstance(value, str) and len(value) <= URL_LIMIT and _URL.fullmatch(value.strip()):
        yield json_paths.storable(value.strip())
    elif depth < DEPTH_LIMIT and isinstance(value, list):
        for item in value:
            yield from _addresses(item, depth + 1)
    elif depth < DEPTH_LIMIT and isinstance(value, dict):
        for name in _ADDRESSES:
            yield from _addresses(value.get(name), depth + 1)


# Where something is said of single nodes; the first that says a thing of a node is believed.
_OF_NODES = ("nodeStates", "outputs", "nodeRuns")


def _steps(document: Any) -> Iterator[Step]:
    """What is said of each node. Nodes without an id are told apart by their place."""
    nodes: dict[str | int, dict[str, Any]] = {}
    for place in _OF_NODES:
        for index, node in enumerate(_nodes(document, place)):
            node_id = node.get("nodeId")
            key = node_id if isinstance(node_id, str) else index
            nodes[key] = {**_said_of(node), **nodes.get(key, {})}
    return (Step(**said) for said in nodes.values() if said)


def _nodes(document: Any, place: str) -> Iterator[dict[str, Any]]:
    """All that stand under this name, but not what a node has put out: that may have any names."""
    for name, value in json_paths.walk(document, FREE):
        if name == place and isinstance(value, list):
            yield from (node for node in value if isinstance(node, dict))


def _said_of(node: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a Step that the node has; its id is nobody's label."""
    label, word = (
        json_paths.text(node.get(name)) if isinstance(node.get(name), str) else None for name in ("label", "status")
    )
    state = _known(word)
    said = {
        "label": label[:LABEL_LIMIT] if label and label != node.get("nodeId") else None,
        "status": str(state) if state else word and word[:WORD_LIMIT],
        "progress": json_paths.number(node.get("progress")),
    }
    return {name: value for name, value in said.items() if value is not None}


def _run_error(document: Any) -> str | None:
    """The run's own error, else those of its nodes, else the diagnostics: a moderation refusal stands in a node."""
    own = next(
        (words for part in json_paths.envelopes(document) if (words := json_paths.text(part.get("error")))), None
    )
    if own:
        return own
    diagnostics = json_paths.first(document, {"diagnostics"})
    nodes = [json_paths.text(value) for name, value in json_paths.walk(document) if name == "error"]
    notes = [json_paths.text(value) for name, value in json_paths.walk(diagnostics) if name == "message"]
    found = dict.fromkeys(words for words in [*nodes, *notes] if words)
    return "; ".join(found)[:TEXT_LIMIT] or None


def _pace(headers: Mapping[str, str]) -> dict[str, int]:
    named = {name: json_paths.number(headers.get(f"x-ratelimit-{name}")) for name in ("limit", "remaining", "reset")}
    return {name: int(number) for name, number in named.items() if number is not None}

"""What a run has used: the credits that a response reports for the run, else the sum of those of its nodes. Pure."""

from collections.abc import Iterator
from typing import Any

from shared.wireflow import json_paths

CREDITS = frozenset({"creditsUsed", "credits_used", "creditsCharged", "totalCredits"})
# Lists of nodes, or objects from their ids. Where several describe the same node, the first wins.
NODES = ("nodeStates", "outputs", "nodeRuns", "nodeResults")
RUNS = "executionRuns"


def credits_used(document: Any) -> float | None:
    """Return the total of a run, wherever it is, else that of its runs, else that of its nodes, each counted once."""
    results = json_paths.first(document, {"nodeResults"})
    beside = results.items() if isinstance(results, dict) else ()
    outside = (value for name, value in (*json_paths.walk(document, {*NODES, RUNS}), *beside) if name in CREDITS)
    totals = [total for value in outside if (total := json_paths.number(value)) is not None]
    if totals:
        return totals[0]
    lists = [value for name, value in json_paths.walk(document) if name == RUNS and isinstance(value, list)]
    parts = [credits_used(run) for run in lists[0]] if lists else []
    known = [part for part in parts if part is not None] or list(_by_node(document).values())
    return json_paths.number(sum(known)) if known else None


def _by_node(document: Any) -> dict[str | int, float]:
    """Return the credits of each node by its id, or its position in the list."""
    credits: dict[str | int, float] = {}
    for list_name in NODES:
        for key, node in _nodes(document, list_name):
            found = json_paths.number(json_paths.first(node, CREDITS))
            if found is not None:
                credits.setdefault(key, found)
    return credits


def _nodes(document: Any, list_name: str) -> Iterator[tuple[str | int, dict[str, Any]]]:
    for name, value in json_paths.walk(document):
        if name != list_name or not isinstance(value, list | dict):
            continue
        for key, node in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(node, dict):
                node_id = node.get("nodeId")
                yield (node_id if isinstance(node_id, str) else key), node

"""Every published shape of an answer about a run, built from what Wireflow would know of it now.

Shapes by their numbers in the project's notes: 1 flat · 2, 3 and 7 wrapped · 4 in all, differently · 5 and 6
nested. Sources: www.wireflow.ai/docs/api/executions, and the vendor's clients on GitHub.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .clock import stamp
from .order import Node
from .routes import Endpoint
from .settings import Style
from .world import Run

WORKFLOW_ID = "cm1simulated"
PENDING_FOR = timedelta(seconds=1)

Json = dict[str, Any]


@dataclass(frozen=True)
class Progress:
    """A run as Wireflow would tell it now, before it is put into a shape."""

    run: Run
    now: datetime
    style: Style
    drawn: tuple[str, ...]  # the URLs of all pictures that the run ends with
    status: str | None  # in upper case; None leaves the word out
    node_status: str
    urls: tuple[str, ...] = ()  # those that are told
    error: str | None = None
    node_error: str | None = None
    lower: bool = False
    repeats: bool = False  # each URL in every place that a shape has for it

    @property
    def ended(self) -> bool:
        """Whether the run is over."""
        return self.run.ended(self.now)

    @property
    def percent(self) -> int | None:
        """How far the generating node is; None where it ended without a result."""
        if self.node_status == "COMPLETED":
            return 100
        if self.ended and self.node_status != "RUNNING":
            return None
        whole = (self.run.ends_at - self.run.started_at).total_seconds()
        return min(99, int(100 * (self.now - self.run.started_at).total_seconds() / whole)) if whole else 99

    def word(self, status: str) -> str:
        """A status word in this answer's case."""
        return status.lower() if self.lower or self.style == Style.NESTED else status


def progress(run: Run, now: datetime, style: Style, cdn: str) -> Progress:
    """A run without faults: PENDING for a second, RUNNING, then COMPLETED with its pictures.

    One that the executor refuses FAILED instead.
    """
    drawn = tuple(cdn + picture.path for picture in run.pictures())
    if run.ended(now) and run.refused:
        return Progress(run, now, style, drawn, "FAILED", "FAILED", error=run.refused, node_error=run.refused)
    if run.ended(now):
        return Progress(run, now, style, drawn, "COMPLETED", "COMPLETED", drawn)
    word = "PENDING" if now < run.started_at + PENDING_FOR else "RUNNING"
    return Progress(run, now, style, drawn, word, word)


def started(told: Progress) -> Json:
    """The answer to a paid call. It is the same at any time: it is replayed for its key."""
    brief = {"executionId": told.run.execution_id, "status": told.word("RUNNING")}
    if told.style == Style.FLAT and told.run.endpoint is Endpoint.TRIGGER:
        return {**brief, "status": "queued", "message": "Workflow execution queued successfully"}
    if told.run.endpoint is Endpoint.EXECUTE and told.style == Style.NESTED:
        return {"data": _batch(told)}
    if told.run.endpoint is Endpoint.EXECUTE and told.style == Style.FLAT:
        # With a target: https://github.com/wireflowINC/wireflow-skill/blob/main/references/api.md
        return brief if "targetNodeId" in told.run.body else _batch(told)
    return {"data": brief}


def _batch(told: Progress) -> Json:
    """The answer of https://www.wireflow.ai/docs/api/executions to a graph: a batch of one run."""
    batch_id = str(uuid.uuid5(uuid.NAMESPACE_URL, told.run.execution_id))
    entry: Json = {
        "id": told.run.execution_id,
        "startTime": stamp(told.run.started_at),
        "endTime": None,
        "status": told.word("RUNNING"),
        "error": None,
        "nodeRuns": [],
        "batchId": batch_id,
        "runIndexInBatch": 0,
        "inputIndex": 0,
    }
    return {"workflowId": _workflow_id(told.run), "batchId": batch_id, "executionRuns": [entry]}


def _workflow_id(run: Run) -> str:
    return WORKFLOW_ID if run.endpoint is Endpoint.TRIGGER else run.webhook_id


def health(webhook_active: bool) -> Json:
    """The answer to a GET on a webhook."""
    text = "Webhook is configured. Use POST to trigger execution."
    return {"workflowId": WORKFLOW_ID, "name": "Simulated workflow", "isActive": webhook_active, "message": text}


def poll(told: Progress) -> Json:
    """The answer to a poll."""
    return _POLLS[told.style](told)


def details(told: Progress) -> Json:
    """The answer of the details endpoint; its shape is not published, so it follows executionRuns[]."""
    if told.style == Style.NESTED:
        return _nested(told)
    entry = _execution_run(told)
    return entry if told.style == Style.FLAT else {"data": {**entry, "nodeStates": _node_states(told)}}


def _flat(told: Progress) -> Json:
    answer = {**_status(told), "error": told.error, "nodeResults": {"nodeRuns": [_node_run(told)]}}
    return {**answer, **_repeated(told)}


def _wrapped(told: Progress) -> Json:
    return {
        "data": {
            **_status(told),
            "error": told.error,
            "nodeResults": {"nodeRuns": [_node_run(told)]},
            "finalOutput": {"url": told.urls[0]} if told.urls else None,
            "nodeStates": _node_states(told),
            "diagnostics": {"version": 1, "counts": {"error": 0, "warning": 0, "info": 0}, "diagnostics": []},
            **_repeated(told),
        }
    }


def _nested(told: Progress) -> Json:
    entry = _execution_run(told)
    answer = {
        "workflowId": _workflow_id(told.run),
        **_status(told),
        "executionRuns": [entry],
        "outputs": _outputs(told),
    }
    return {"data": {**answer, **_repeated(told)}}


_POLLS: dict[Style, Callable[[Progress], Json]] = {
    Style.FLAT: _flat,
    Style.WRAPPED: _wrapped,
    Style.NESTED: _nested,
}


def _status(told: Progress) -> Json:
    return {} if told.status is None else {"status": told.word(told.status)}


def _execution_run(told: Progress) -> Json:
    return {
        "id": told.run.execution_id,
        "startTime": stamp(told.run.started_at),
        "endTime": stamp(told.run.ends_at) if told.ended else None,
        **_status(told),
        "error": told.error,
        "nodeRuns": [_node_run(told)],
    }


def _node_run(told: Progress) -> Json:
    output = _output(told) if told.urls else None
    return {
        "nodeId": told.run.order.generator.id,
        "status": told.word(told.node_status),
        "error": told.node_error,
        "output": output,
    }


def _output(told: Progress) -> object:
    """One output in the form of its style: "inconsistent", the vendor's client says of nodeRuns[].output."""
    if told.style == Style.FLAT or len(told.urls) > 1:
        return {"images": [{"url": url} for url in told.urls]}
    return {"url": told.urls[0]} if told.style == Style.WRAPPED else told.urls[0]


def _node_states(told: Progress) -> list[Json]:
    order = told.run.order
    inputs = [_node_state(told, node, "COMPLETED", 100) for node in order.inputs]
    last = _node_state(told, order.generator, told.node_status, told.percent)
    requested = {"error": told.node_error, "requestId": f"req-{told.run.execution_id}"}
    shown = {"outputUrl": told.urls[0] if told.urls else None, "outputUrls": list(told.urls)}
    return [*inputs, {**last, **requested, **shown}]


def _node_state(told: Progress, node: Node, status: str, percent: int | None) -> Json:
    return {
        **_named(node),
        "status": told.word(status),
        "error": None,
        "outputUrl": None,
        "outputUrls": [],
        "text": node.text,
        "progress": percent,
        "requestId": None,
    }


def _named(node: Node) -> Json:
    return {"nodeId": node.id, "label": node.label}


def _outputs(told: Progress) -> list[Json]:
    entry: Json = {**_named(told.run.order.generator), "status": told.word(told.node_status)}
    many = {"urls": list(told.urls)} if len(told.urls) > 1 else {"url": told.urls[0] if told.urls else None}
    return [{**entry, **many}]


def _repeated(told: Progress) -> Json:
    if not (told.repeats and told.urls):
        return {}
    final = {"url": told.urls[0]}
    return {"finalOutput": final, "nodeStates": _node_states(told), "outputs": _outputs(told)}

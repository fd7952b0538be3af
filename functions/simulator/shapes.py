"""Every published shape of an answer about a run, built from what Wireflow would know of it now.

Shapes by their numbers in the project's notes: 1 flat · 2, 3 and 7 wrapped · 4 in all, differently · 5 and 6
nested. Sources: www.wireflow.ai/docs/api/executions, and the vendor's clients on GitHub.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .clock import stamp
from .settings import Style
from .world import Run

WORKFLOW_ID = "cm1simulated"
NODE = {"nodeId": "gen-1", "label": "Nano Banana Pro"}
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

    def word(self, status: str) -> str:
        """A status word in this answer's case."""
        return status.lower() if self.lower or self.style == Style.NESTED else status


def progress(run: Run, now: datetime, style: Style, cdn: str) -> Progress:
    """A run without faults: PENDING for a second, RUNNING, then COMPLETED with its pictures."""
    drawn = tuple(cdn + picture.path for picture in run.pictures())
    if run.ended(now):
        return Progress(run, now, style, drawn, "COMPLETED", "COMPLETED", drawn)
    word = "PENDING" if now < run.started_at + PENDING_FOR else "RUNNING"
    return Progress(run, now, style, drawn, word, word)


def started(run: Run, style: Style, lower: bool) -> Json:
    """The answer to a trigger."""
    if style == Style.FLAT:
        text = "Workflow execution queued successfully"
        return {"executionId": run.execution_id, "status": "queued", "message": text}
    word = "running" if lower or style == Style.NESTED else "RUNNING"
    return {"data": {"executionId": run.execution_id, "status": word}}


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
    answer = {"workflowId": WORKFLOW_ID, **_status(told), "executionRuns": [entry], "outputs": _outputs(told)}
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
        "nodeId": NODE["nodeId"],
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
    return [
        {
            **NODE,
            "status": told.word(told.node_status),
            "error": told.node_error,
            "outputUrl": told.urls[0] if told.urls else None,
            "outputUrls": list(told.urls),
            "text": None,
            "progress": 100 if told.ended else 50,
            "requestId": f"req-{told.run.execution_id}",
        }
    ]


def _outputs(told: Progress) -> list[Json]:
    entry: Json = {**NODE, "status": told.word(told.node_status)}
    many = {"urls": list(told.urls)} if len(told.urls) > 1 else {"url": told.urls[0] if told.urls else None}
    return [{**entry, **many}]


def _repeated(told: Progress) -> Json:
    if not (told.repeats and told.urls):
        return {}
    final = {"url": told.urls[0]}
    return {"finalOutput": final, "nodeStates": _node_states(told), "outputs": _outputs(told)}

"""The published response bodies about workflows and runs, in each style.

Sources: www.wireflow.ai/docs/api/executions and /run, and the vendor's clients on GitHub.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from .api import Endpoint
from .run_effects import RunEffect
from .run_requests import EXAMPLE, INPUTS, Node
from .settings import Settings, Style
from .state import Run, timestamp

Json = dict[str, Any]

_PENDING_FOR = timedelta(seconds=1)
_WORKFLOW_ID = "cm1simulated"  # of the webhook's workflow
_WORKFLOW_NAME = "Simulated workflow"


@dataclass(frozen=True)
class Progress:
    """What Wireflow reports about a run now, whatever the style of the response."""

    run: Run
    now: datetime
    style: Style
    all_urls: tuple[str, ...]  # of the images that the run ends with
    status: str | None  # in upper case; None leaves it out
    node_status: str  # of the node that generates
    urls: tuple[str, ...] = ()  # those that are reported
    error: str | None = None
    node_error: Any = None
    text: str | None = None
    inline_bytes: int = 0
    lower_case: bool = False
    repeated_urls: bool = False
    credits_per_image: float | None = None  # None: Wireflow does not report credits

    @property
    def has_ended(self) -> bool:
        """Whether the run has ended, whatever is reported."""
        return self.run.has_ended(self.now)

    @property
    def percent(self) -> int | None:
        """The progress of the node that generates; None if it ended without a result."""
        if self.node_status == "COMPLETED":
            return 100
        if self.has_ended and self.node_status != "RUNNING":
            return None
        total = (self.run.ends_at - self.run.started_at).total_seconds()
        return min(99, int(100 * (self.now - self.run.started_at).total_seconds() / total)) if total else 99

    def spell(self, status: str) -> str:
        """Return a status in the case of this response."""
        return status.lower() if self.lower_case or self.style == Style.NESTED else status


def progress(run: Run, now: datetime, settings: Settings, cdn_url: str, effects: Sequence[RunEffect]) -> Progress:
    """Return what is reported: PENDING for a second, RUNNING, then COMPLETED with images or FAILED, and the faults."""
    style = settings.style
    urls = tuple(cdn_url + image.path for image in run.images())
    if not run.has_ended(now):
        status = "PENDING" if now < run.started_at + _PENDING_FOR else "RUNNING"
        reported = Progress(run, now, style, urls, status, status)
    elif run.failure:
        reported = Progress(run, now, style, urls, "FAILED", "FAILED", error=run.failure, node_error=run.failure)
    else:
        reported = Progress(run, now, style, urls, "COMPLETED", "COMPLETED", urls)
    reported = replace(reported, credits_per_image=settings.credits)
    for effect in effects:
        reported = _apply(effect, reported)
    if any(effect.signs_urls for effect in effects):
        signature = f"?X-Goog-Date={now:%Y%m%dT%H%M%SZ}&X-Goog-Signature={now.timestamp()}"
        reported = replace(reported, urls=tuple(url + signature for url in reported.urls))
    return reported


def _apply(effect: RunEffect, reported: Progress) -> Progress:
    reported = replace(
        reported,
        style=Style(effect.style or reported.style),
        lower_case=effect.lower_case or reported.lower_case,
        repeated_urls=effect.repeated_urls or reported.repeated_urls,
        inline_bytes=effect.inline_bytes or reported.inline_bytes,
        urls=() if effect.without_images else reported.urls,
    )
    if effect.never_ends:
        return replace(reported, status="RUNNING", node_status="RUNNING", urls=())
    if reported.has_ended:
        return _end_with(effect, reported)
    run, now = reported.run, reported.now
    if effect.early_images and now - run.started_at >= run.ends_at - now:
        reported = replace(reported, urls=reported.all_urls, node_status="COMPLETED")
    if effect.running_status == "":
        reported = replace(reported, status=None)
    elif effect.running_status:
        reported = replace(reported, status=effect.running_status, node_status=effect.running_status)
    return reported


def _end_with(effect: RunEffect, reported: Progress) -> Progress:
    if effect.status:
        reported = replace(reported, status=effect.status, node_status=effect.status, urls=())
        reported = replace(reported, error=effect.error, node_error=effect.node_error)
    if effect.final_status:
        reported = replace(reported, status=effect.final_status)
    return replace(reported, text=effect.text or reported.text)


# --- Workflows ------------------------------------------------------------------------------------------------------


def health() -> Json:
    """The response to a GET on a webhook."""
    message = "Webhook is configured. Use POST to trigger execution."
    return {"workflowId": _WORKFLOW_ID, "name": _WORKFLOW_NAME, "isActive": True, "message": message}


def description(workflow_id: str, base_url: str) -> Json:
    """The response that describes the inputs of the saved workflow."""
    return {
        "data": {
            "workflowId": workflow_id,
            "workflowName": _WORKFLOW_NAME,
            "inputs": [entry.to_json() for entry in INPUTS.values()],
            "endpoint": f"{base_url}/api/v1/workflows/{workflow_id}/run",
            "method": "POST",
            "example": EXAMPLE,
        }
    }


# --- Starts ---------------------------------------------------------------------------------------------------------


def started(reported: Progress) -> Json:
    """The response to a paid call. It does not depend on the time, because it is replayed for its key."""
    run, style = reported.run, reported.style
    short = {"executionId": run.execution_id, "status": reported.spell("RUNNING")}
    if style == Style.FLAT and run.endpoint is Endpoint.TRIGGER:
        return {**short, "status": "queued", "message": "Workflow execution queued successfully"}
    if run.endpoint is Endpoint.EXECUTE and style == Style.NESTED:
        return {"data": _batch(reported)}
    if run.endpoint is Endpoint.EXECUTE and style == Style.FLAT:
        # With a target: https://github.com/wireflowINC/wireflow-skill/blob/main/references/api.md
        return short if "targetNodeId" in run.body else _batch(reported)
    return {"data": short}


def _batch(reported: Progress) -> Json:
    """The response of https://www.wireflow.ai/docs/api/executions to a graph: a batch of one run."""
    run = reported.run
    batch_id = str(uuid.uuid5(uuid.NAMESPACE_URL, run.execution_id))
    entry: Json = {
        "id": run.execution_id,
        "startTime": timestamp(run.started_at),
        "endTime": None,
        "status": reported.spell("RUNNING"),
        "error": None,
        "nodeRuns": [],
        "batchId": batch_id,
        "runIndexInBatch": 0,
        "inputIndex": 0,
    }
    return {"workflowId": _workflow_id(run), "batchId": batch_id, "executionRuns": [entry]}


# --- Polls and details ----------------------------------------------------------------------------------------------


def poll(reported: Progress) -> Json:
    """The response to a poll."""
    if reported.style == Style.NESTED:
        return _nested(reported)
    node_results = {"nodeRuns": [_node_run(reported)]}
    body = {**_status(reported), "error": reported.error, "nodeResults": node_results}
    if reported.style == Style.FLAT:
        return {**body, **_repeated(reported)}
    diagnostics = {"version": 1, "counts": {"error": 0, "warning": 0, "info": 0}, "diagnostics": []}
    body["finalOutput"] = {"url": reported.urls[0]} if reported.urls else None
    body |= {"nodeStates": _node_states(reported), "diagnostics": diagnostics}
    return {"data": {**body, **_repeated(reported)}}


def details(reported: Progress) -> Json:
    """The response with the details; it is not published, so it follows executionRuns[]."""
    if reported.style == Style.NESTED:
        return _nested(reported)
    entry = _execution_run(reported)
    return entry if reported.style == Style.FLAT else {"data": {**entry, "nodeStates": _node_states(reported)}}


def _nested(reported: Progress) -> Json:
    body = {
        "workflowId": _workflow_id(reported.run),
        **_status(reported),
        "executionRuns": [_execution_run(reported)],
        "outputs": _outputs(reported),
    }
    return {"data": {**body, **_repeated(reported)}}


def _workflow_id(run: Run) -> str:
    return _WORKFLOW_ID if run.endpoint is Endpoint.TRIGGER else run.workflow_id


def _status(reported: Progress) -> Json:
    status = {} if reported.status is None else {"status": reported.spell(reported.status)}
    return status | _credits(reported)


def _credits(reported: Progress) -> Json:
    """The credits of a run that has ended: those of its images. https://www.wireflow.ai/docs/api/executions."""
    if reported.credits_per_image is None or not reported.has_ended:
        return {}
    return {"creditsUsed": reported.credits_per_image * len(reported.urls)}


def _execution_run(reported: Progress) -> Json:
    run = reported.run
    return {
        "id": run.execution_id,
        "startTime": timestamp(run.started_at),
        "endTime": timestamp(run.ends_at) if reported.has_ended else None,
        **_status(reported),
        "error": reported.error,
        "nodeRuns": [_node_run(reported)],
    }


def _node_run(reported: Progress) -> Json:
    return {
        "nodeId": reported.run.request.generator.id,
        "status": reported.spell(reported.node_status),
        "error": reported.node_error,
        "output": _output(reported) if reported.urls else reported.text,
    }


def _output(reported: Progress) -> object:
    """One output, as its style has it: "inconsistent", the vendor's client says of nodeRuns[].output."""
    if reported.inline_bytes:
        return {"images": [{"b64_json": "A" * reported.inline_bytes, "url": url} for url in reported.urls]}
    if reported.style == Style.FLAT or len(reported.urls) > 1:
        return {"images": [{"url": url} for url in reported.urls]}
    return {"url": reported.urls[0]} if reported.style == Style.WRAPPED else reported.urls[0]


def _node_states(reported: Progress) -> list[Json]:
    request = reported.run.request
    inputs = [_node_state(reported, node, "COMPLETED", 100) for node in request.inputs]
    generator = {
        **_node_state(reported, request.generator, reported.node_status, reported.percent),
        "error": reported.node_error,
        "requestId": f"req-{reported.run.execution_id}",
        "outputUrl": reported.urls[0] if reported.urls else None,
        "outputUrls": list(reported.urls),
        "text": reported.text,
    }
    return [*inputs, generator]


def _node_state(reported: Progress, node: Node, status: str, percent: int | None) -> Json:
    return {
        "nodeId": node.id,
        "label": node.label,
        "status": reported.spell(status),
        "error": None,
        "outputUrl": None,
        "outputUrls": [],
        "text": node.text,
        "progress": percent,
        "requestId": None,
    }


def _outputs(reported: Progress) -> list[Json]:
    node, urls = reported.run.request.generator, reported.urls
    entry: Json = {"nodeId": node.id, "label": node.label, "status": reported.spell(reported.node_status)}
    return [{**entry, "urls": list(urls)} if len(urls) > 1 else {**entry, "url": urls[0] if urls else None}]


def _repeated(reported: Progress) -> Json:
    """Each URL in every place that a response has for it, if a fault asks for that."""
    if not (reported.repeated_urls and reported.urls):
        return {}
    final = {"url": reported.urls[0]}
    return {"finalOutput": final, "nodeStates": _node_states(reported), "outputs": _outputs(reported)}

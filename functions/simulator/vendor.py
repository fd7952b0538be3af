"""The vendor's free calls: webhook health, a workflow's inputs, poll and details, answered as published."""

from starlette.responses import JSONResponse, Response

from . import keys, saved, shapes
from .book import with_stories
from .case import Case
from .refusals import refusal
from .shapes import Progress, progress
from .state import Simulator


async def health(case: Case, simulator: Simulator) -> Response:
    """Say that the webhook is there. Free."""
    if case.call.id != simulator.settings.webhook_id:
        return refusal(404, "Workflow not found", case.style)
    return JSONResponse(shapes.health(webhook_active=True))


async def describe(case: Case, simulator: Simulator) -> Response:
    """Name the inputs of the saved workflow. Free."""
    unauthorized = keys.refused(case)
    if unauthorized:
        return unauthorized
    if case.call.id != simulator.settings.run_id:
        return refusal(404, "Workflow not found", case.style)
    return JSONResponse(saved.describe(case.call.id, case.base))


async def poll(case: Case, _simulator: Simulator) -> Response:
    """Say how a run goes."""
    told = _told(case)
    return told if isinstance(told, Response) else JSONResponse(shapes.poll(told))


async def details(case: Case, _simulator: Simulator) -> Response:
    """Say how a run goes, in full."""
    told = _told(case)
    return told if isinstance(told, Response) else JSONResponse(shapes.details(told))


def _told(case: Case) -> Progress | Response:
    unauthorized = keys.refused(case)
    if unauthorized:
        return unauthorized
    if case.run is None:
        return refusal(404, "Execution not found", case.style)
    return with_stories(progress(case.run, case.now, case.style, case.cdn), case.call.endpoint)

"""The control routes, for tests and for people: their paths begin with an underscore."""

import asyncio
import hashlib
import json
from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from .faults import FAULTS, FaultRule, FaultSchedule
from .images import render
from .limits import MINUTE
from .state import Run, State

Json = dict[str, Any]


async def handle(request: Request, state: State, schedule: FaultSchedule) -> JSONResponse | None:
    """Return the response of a control route; None for any other method and path."""
    try:
        content = await _content(request, state, schedule)
    except ValueError as error:
        return JSONResponse({"error": str(error)}, 422)
    return None if content is None else JSONResponse(content)


async def _content(request: Request, state: State, schedule: FaultSchedule) -> Json | None:
    match request.method, request.url.path:
        case "GET", "/_stats":
            starts = state.runs.starts()
            paid = {"paidRuns": len(starts), "maxStartsPerMinute": max_within(starts, MINUTE)}
            return {**state.stats.to_json(), **paid}
        case "GET", "/_runs":
            base_url = state.settings.cdn_url or str(request.base_url).rstrip("/")
            with_images = request.query_params.get("pictures") == "true"
            return {"runs": [await _run(run, base_url, with_images) for run in state.runs.all()]}
        case "POST", "/_reset":
            state.reset()
            schedule.reset()
            return {"status": "ok"}
        case "POST", "/_settings":
            state.settings = state.settings.changed(await _object(request))
            return {"status": "ok"}
        case "GET", "/_faults":
            return {**_rules(schedule), "faults": [fault.to_json() for fault in FAULTS.values()]}
        case "POST", "/_faults":
            schedule.rules.append(FaultRule.parse(await _object(request)))
            return _rules(schedule)
        case "DELETE", "/_faults":
            schedule.rules.clear()
            return _rules(schedule)
    return None


def max_within(starts: Sequence[datetime], span: timedelta) -> int:
    """Return the maximum of starts in any period of this length; its end does not belong to it. `starts` are sorted."""
    return max((n + 1 - bisect_right(starts, start - span) for n, start in enumerate(starts)), default=0)


def _rules(schedule: FaultSchedule) -> Json:
    return {"rules": [rule.to_json() for rule in schedule.rules]}


async def _object(request: Request) -> Json:
    body = json.loads(await request.body())
    if not isinstance(body, dict):
        raise ValueError("the body must be a JSON object")
    return body


async def _run(run: Run, base_url: str, with_images: bool) -> Json:
    listed = {**run.to_json(), "input": run.input.sha256 if run.input else None}
    if with_images:
        listed["pictures"] = []
        for image in run.images():
            content = await asyncio.to_thread(render, image)
            listed["pictures"].append(
                {
                    "url": base_url + image.path,
                    "sha256": hashlib.sha256(content).hexdigest(),
                    "bytes": len(content),
                    "contentType": image.content_type,
                    "width": image.width,
                    "height": image.height,
                }
            )
    return listed

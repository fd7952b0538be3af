"""The simulator's own routes, for tests and for people: all begin with an underscore."""

import asyncio
import hashlib
import json
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .book import Rule
from .faults import FAULTS
from .pictures import Picture, render
from .state import Simulator
from .world import Run, most_within

MINUTE = timedelta(minutes=1)


async def control(request: Request, simulator: Simulator) -> Response | None:
    """The answer of one of these routes; None for any other."""
    handler = _ROUTES.get((request.method, request.url.path))
    if handler is None:
        return None
    try:
        return await handler(request, simulator)
    except ValueError as fault:
        return JSONResponse({"error": str(fault)}, 422)


async def _stats(_request: Request, simulator: Simulator) -> Response:
    starts = simulator.world.starts()
    paid = {"paidRuns": len(starts), "maxStartsPerMinute": most_within(starts, MINUTE)}
    return JSONResponse({**simulator.stats.to_json(), **paid})


async def _runs(request: Request, simulator: Simulator) -> Response:
    base = simulator.settings.cdn_url or str(request.base_url).rstrip("/")
    with_pictures = request.query_params.get("pictures") == "true"
    runs = [await _run(run, base, with_pictures) for run in simulator.world.runs()]
    return JSONResponse({"runs": runs})


async def _reset(_request: Request, simulator: Simulator) -> Response:
    simulator.reset()
    return JSONResponse({"status": "ok"})


async def _change(request: Request, simulator: Simulator) -> Response:
    simulator.change(simulator.settings.changed(await _object(request)))
    return JSONResponse({"status": "ok"})


async def _faults(_request: Request, simulator: Simulator) -> Response:
    known = [
        {"fault": fault.name, "what": fault.what, "at": [*fault.at], "usual": [*fault.usual], "times": fault.times}
        for fault in FAULTS.values()
    ]
    return JSONResponse({"rules": [rule.to_json() for rule in simulator.book.rules], "faults": known})


async def _add_fault(request: Request, simulator: Simulator) -> Response:
    simulator.book.rules.append(Rule.of(await _object(request)))
    return JSONResponse({"rules": [rule.to_json() for rule in simulator.book.rules]})


async def _drop_faults(_request: Request, simulator: Simulator) -> Response:
    simulator.book.rules.clear()
    return JSONResponse({"rules": []})


_ROUTES = {
    ("GET", "/_stats"): _stats,
    ("GET", "/_runs"): _runs,
    ("POST", "/_reset"): _reset,
    ("POST", "/_settings"): _change,
    ("GET", "/_faults"): _faults,
    ("POST", "/_faults"): _add_fault,
    ("DELETE", "/_faults"): _drop_faults,
}


async def _object(request: Request) -> dict[str, Any]:
    body = json.loads(await request.body())
    if not isinstance(body, dict):
        raise ValueError("the body must be a JSON object")
    return body


async def _run(run: Run, base: str, with_pictures: bool) -> dict[str, Any]:
    if not with_pictures:
        return run.to_json()
    return {**run.to_json(), "pictures": [await _picture(picture, base) for picture in run.pictures()]}


async def _picture(picture: Picture, base: str) -> dict[str, Any]:
    body = await asyncio.to_thread(render, picture)
    return {
        "url": base + picture.path,
        "sha256": hashlib.sha256(body).hexdigest(),
        "bytes": len(body),
        "contentType": picture.content_type,
        "width": picture.width,
        "height": picture.height,
    }

"""From a request to its answer: limits, replays and faults first, then the endpoint itself."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from . import files, starts, upload, vendor
from .case import Case
from .control import control
from .faults import Fault
from .refusals import rate_limited, refusal
from .routes import API, PAID, Call, Endpoint, allowed, route
from .state import Simulator
from .wire import Broken

Handler = Callable[[Case, Simulator], Awaitable[Response]]

HANDLERS: dict[Endpoint, Handler] = {
    Endpoint.TRIGGER: starts.start,
    Endpoint.RUN: starts.start,
    Endpoint.EXECUTE: starts.start,
    Endpoint.HEALTH: vendor.health,
    Endpoint.DESCRIBE: vendor.describe,
    Endpoint.UPLOAD: upload.upload,
    Endpoint.POLL: vendor.poll,
    Endpoint.DETAILS: vendor.details,
    Endpoint.DOWNLOAD: files.download,
    Endpoint.CDN: files.picture,
}


async def answer(request: Request, simulator: Simulator) -> Response:
    """Answer one request. All time comes from the simulator's clock."""
    call = route(request.method, request.url.path)
    if call is None:
        return await control(request, simulator) or _no_such_route(request, simulator)
    now = simulator.clock.now()
    simulator.stats.asked(call, now)
    response = await _answer(request, call, simulator)
    simulator.stats.answered(call, response.how if isinstance(response, Broken) else str(response.status_code))
    return response


async def _answer(request: Request, call: Call, simulator: Simulator) -> Response:
    body = await _json(request) if call.endpoint in PAID else {}
    run = simulator.world.find(files.execution_of(call, request))
    now = simulator.clock.now()
    case = Case(request, call, now, simulator.clock, simulator.settings, run, body or {})
    response = await _judged(case, simulator) if body is not None else refusal(400, "Invalid JSON body", case.style)
    _label(response.whole if isinstance(response, Broken) else response, case, simulator)
    return response


async def _judged(case: Case, simulator: Simulator) -> Response:
    exceeded = simulator.limits.request(case.now) if case.call.endpoint in API else None
    if exceeded:
        return rate_limited(exceeded, case.now, case.style)
    replay = await starts.first_answer(case, simulator)
    if replay:
        return _settled(replay, case, simulator)
    try:
        fault = simulator.book.strike(case)
    except ValueError:
        fault = None  # the prompt names a fault that there is not: the endpoint says so
    return await (_struck(case, fault, simulator) if fault else _honest(case, simulator))


async def _honest(case: Case, simulator: Simulator) -> Response:
    return _settled(await HANDLERS[case.call.endpoint](case, simulator), case, simulator)


def _settled(response: Response, case: Case, simulator: Simulator) -> Response:
    if case.call.endpoint in PAID and response.status_code in (201, 202):
        simulator.book.settle(case.prompt)
    return response


async def _struck(case: Case, fault: Fault, simulator: Simulator) -> Response:
    refused = fault.instead(case) if fault.instead else None
    if refused is None and fault.afterwards is None:
        return await _honest(case, simulator)
    simulator.stats.faults[fault.name] += 1
    if refused is None:
        whole = await HANDLERS[case.call.endpoint](case, simulator)
        return fault.afterwards(case, whole) if fault.afterwards else whole
    if fault.keeps_answer and case.key:
        simulator.kept[case.call.id, case.key] = refused
    return refused


def _label(response: Response, case: Case, simulator: Simulator) -> None:
    """Give an API answer its request id and, unless it is a 429, what is left of the limit.

    A 429 says for itself when to come back, and some of its published forms say it in one place only.
    """
    if case.call.endpoint not in API:
        return
    response.headers.setdefault("X-Request-Id", f"req_{simulator.new_id()}")
    if response.status_code != 429:
        for name, text in simulator.limits.headers(case.now).items():
            response.headers.setdefault(name, text)


def _no_such_route(request: Request, simulator: Simulator) -> Response:
    methods = allowed(request.url.path)
    if methods:
        return refusal(405, "Method not allowed", simulator.settings.style, {"Allow": ", ".join(methods)})
    return JSONResponse({"error": "Not found"}, 404)


async def _json(request: Request) -> dict[str, Any] | None:
    try:
        body = json.loads(await request.body())
    except ValueError:
        return None
    return body if isinstance(body, dict) else {}

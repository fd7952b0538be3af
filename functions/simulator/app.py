"""The simulator: rate limit, idempotency keys, and fault schedule, and behind them the endpoints."""

import json
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from . import control, executions, files, receivers, run_responses
from .api import (
    API,
    AUTHENTICATED,
    PAID,
    STATUS,
    Endpoint,
    Exchange,
    Rejected,
    allowed_methods,
    error_response,
    match,
)
from .fault_responses import BrokenResponse
from .faults import Fault, FaultSchedule, run_effects
from .limits import count_request, limit_headers
from .run_requests import parse
from .run_responses import Progress, progress
from .settings import Settings, Style
from .state import Clock, Run, State, SystemClock

_FILE_HANDLERS: dict[Endpoint, Callable[[Exchange, State], Awaitable[Response]]] = {
    Endpoint.UPLOAD: files.upload,
    Endpoint.DOWNLOAD: files.download,
    Endpoint.CDN: files.serve,
}


def random_id() -> str:
    """Return an id that no other process gives: runs outlive the process in the ledger."""
    return secrets.token_hex(8)


class Simulator:
    """One simulated Wireflow. Tests pass their own clock, ids, and `fetch`, which downloads an upload by URL."""

    def __init__(
        self,
        settings: Settings | None = None,
        clock: Clock | None = None,
        new_id: Callable[[], str] = random_id,
        fetch: Callable[[str], Awaitable[bytes]] = files.fetch,
    ) -> None:
        settings = settings or Settings()
        self.state = State(settings, clock or SystemClock(), new_id, fetch)
        self.schedule = FaultSchedule(settings.seed)

    async def handle(self, request: Request) -> Response:
        """Return the response to a request to Wireflow or to a control route."""
        found = match(request.method, request.url.path)
        if found is None:
            response = await receivers.handle(request, self.state)
            response = response or await control.handle(request, self.state, self.schedule)
            return response or self._no_route(request)
        self.state.stats.count_request(found.endpoint, found.resource_id, self.state.clock.now())
        body = await _json_object(request) if found.endpoint in PAID else {}
        exchange = Exchange(request, found.endpoint, found.resource_id, self.state.clock.now(), body or {})
        if body is None:
            response = self._error(Rejected(400, "Invalid JSON body"))
        else:
            response = await self._respond(exchange)
        if isinstance(response, BrokenResponse):
            self._add_headers(response.response, exchange)
            self.state.stats.count_response(found.endpoint, response.how)
        else:
            self._add_headers(response, exchange)
            self.state.stats.count_response(found.endpoint, str(response.status_code))
        return response

    async def _respond(self, exchange: Exchange) -> Response:
        """Return the response of the first that has one: rate limit, idempotency key, fault, endpoint."""
        state = self.state
        if exchange.endpoint in API:
            try:
                count_request(state.settings.plan, state.recent_requests, exchange.now)
            except Rejected as error:
                return self._error(error)
        run = state.runs.find(_execution_id(exchange))
        paid = exchange.endpoint in PAID
        prompt = run.prompt if run else parse(exchange.endpoint, exchange.body).prompt if paid else ""
        response = await self._replay(exchange) if paid else None
        if response is None:
            fault = None
            with suppress(ValueError):  # the endpoint rejects a prompt that names an unknown fault
                fault = self.schedule.next_fault(exchange.endpoint, prompt, run.execution_id if run else None)
            if fault:
                return await self._misbehave(fault, exchange)
            response = await self._serve(exchange)
        if paid and response.status_code in (201, 202):
            self.schedule.forget_prompt(prompt)
        return response

    async def _misbehave(self, fault: Fault, exchange: Exchange) -> Response:
        """Reply instead of the endpoint, or spoil the endpoint's response."""
        state, key = self.state, exchange.idempotency_key
        reply = fault.reply(exchange.request, exchange.now, state.settings) if fault.reply else None
        if fault.reply and reply is None:
            return await self._serve(exchange)  # this client is spared
        state.stats.faults[fault.name] += 1
        if reply:
            if fault.stores_reply and key:
                state.stored_errors[exchange.resource_id, key] = reply
            return reply
        response = await self._serve(exchange)
        if fault.breaks:
            return BrokenResponse(response, fault.breaks, state.settings.slow_seconds, state.clock.sleep)
        return fault.edit(response) if fault.edit else response

    async def _serve(self, exchange: Exchange) -> Response:
        """Return the response of the endpoint."""
        try:
            if exchange.endpoint in AUTHENTICATED:
                _check_api_key(exchange, self.state.settings)
            return await self._dispatch(exchange)
        except Rejected as error:
            return self._error(error)

    async def _dispatch(self, exchange: Exchange) -> Response:
        endpoint, settings = exchange.endpoint, self.state.settings
        if endpoint in PAID:
            return self._started(await executions.start(exchange, self.state, self.schedule), exchange)
        if endpoint in _FILE_HANDLERS:
            return await _FILE_HANDLERS[endpoint](exchange, self.state)
        if endpoint in STATUS:
            body = run_responses.poll if endpoint is Endpoint.POLL else run_responses.details
            return JSONResponse(body(self._progress(exchange)))
        known_id = settings.webhook_id if endpoint is Endpoint.HEALTH else settings.run_id
        if exchange.resource_id != known_id:
            raise Rejected(404, "Workflow not found")
        if endpoint is Endpoint.HEALTH:
            return JSONResponse(run_responses.health())
        return JSONResponse(run_responses.description(known_id, exchange.base_url))

    async def _replay(self, exchange: Exchange) -> Response | None:
        """Return what the idempotency key of a paid call replays; nothing without the API key."""
        try:
            if exchange.endpoint in AUTHENTICATED:
                _check_api_key(exchange, self.state.settings)
        except Rejected:
            return None
        replay = await executions.find_replay(exchange, self.state)
        return self._started(replay, exchange) if replay else None

    def _started(self, run: Run | Response, exchange: Exchange) -> Response:
        if isinstance(run, Response):
            return run  # a stored error
        body = run_responses.started(self._progress(exchange, run))
        if run.endpoint is not Endpoint.EXECUTE:
            return JSONResponse(body, 202)
        # https://www.wireflow.ai/docs/api/executions: the long response has a Location.
        location = f"{exchange.base_url}/api/v1/workflows/executions/{run.execution_id}/poll"
        return JSONResponse(body, 201, {"Location": location} if "executionRuns" in body.get("data", body) else {})

    def _progress(self, exchange: Exchange, run: Run | None = None) -> Progress:
        """Return what this endpoint reports about a run: the one that is given, or the one in the path."""
        run = run or self.state.runs.find(exchange.resource_id)
        if run is None:
            raise Rejected(404, "Execution not found")
        effects = run_effects(run.faults, exchange.endpoint)
        return progress(run, exchange.now, self.state.settings, self.state.cdn_url(exchange), effects)

    def _error(self, error: Rejected) -> Response:
        return error_response(error, typed=self.state.settings.style != Style.FLAT)

    def _add_headers(self, response: Response, exchange: Exchange) -> None:
        """Add the request id and the rate limit to a response of the API.

        Not the rate limit to a 429: that says itself when to retry, and some published forms say it in one place only.
        """
        if exchange.endpoint not in API:
            return
        response.headers.setdefault("X-Request-Id", f"req_{self.state.new_id()}")
        if response.status_code != 429:
            state = self.state
            for name, text in limit_headers(state.settings.plan, state.recent_requests, exchange.now).items():
                response.headers.setdefault(name, text)

    def _no_route(self, request: Request) -> Response:
        methods = allowed_methods(request.url.path)
        if methods:
            return self._error(Rejected(405, "Method not allowed", {"Allow": ", ".join(methods)}))
        return JSONResponse({"error": "Not found"}, 404)


async def _json_object(request: Request) -> dict[str, Any] | None:
    """Return the body; empty if it is another kind of JSON, None if it is no JSON."""
    try:
        body = json.loads(await request.body())
    except ValueError:
        return None
    return body if isinstance(body, dict) else {}


def _execution_id(exchange: Exchange) -> str:
    """Return the execution that a request is about; the download proxy has it in `url`."""
    if exchange.endpoint is not Endpoint.DOWNLOAD:
        return exchange.resource_id
    found = match("GET", urlsplit(exchange.request.query_params.get("url", "")).path)
    return found.resource_id if found else ""


def _check_api_key(exchange: Exchange, settings: Settings) -> None:
    given = exchange.request.headers.get("authorization")
    if given is None:
        raise Rejected(401, "Missing Authorization header")
    if not given.startswith("Bearer "):
        raise Rejected(401, "Invalid API key format. Expected: Bearer sk-...")
    if given != f"Bearer {settings.api_key}":
        raise Rejected(401, "Invalid API key")

"""The HTTP transport to Wireflow, its CDN, and other hosts: it records calls, and a test may script responses."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from functions.simulator.api import Endpoint, match
from functions.simulator.app import Simulator
from tests.simulator.in_process import InProcess


@dataclass(frozen=True)
class Call:
    """One request to Wireflow."""

    at: datetime
    endpoint: Endpoint
    request: httpx.Request

    @property
    def key(self) -> str | None:
        """Its Idempotency-Key."""
        return self.request.headers.get("idempotency-key")

    @property
    def prompt(self) -> str:
        """The prompt of a trigger."""
        return str(json.loads(self.request.content)["prompt"])


# Returns a response, or None to let the simulator respond.
Script = Callable[[Call], Awaitable[httpx.Response | None]]


class Vendor(httpx.AsyncBaseTransport):
    """The simulator behind an optional `script`. `calls` are in order."""

    def __init__(self, simulator: Simulator) -> None:
        self.calls: list[Call] = []
        self.script: Script | None = None
        # other hosts
        self.sites: dict[str, Callable[[httpx.Request], httpx.Response | Awaitable[httpx.Response]]] = {}
        self._simulator = simulator
        self._inner = InProcess(simulator)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = request.headers["host"]  # the URL has the IP address
        if host in self.sites:
            response = self.sites[host](request)
            return response if isinstance(response, httpx.Response) else await response
        found = match(request.method, request.url.path)
        assert found is not None, "Wireflow has no such endpoint"
        await request.aread()
        call = Call(self._simulator.state.clock.now(), found.endpoint, request)
        self.calls.append(call)
        scripted = await self.script(call) if self.script else None
        return scripted or await self._inner.handle_async_request(request)

    def to(self, endpoint: str) -> list[Call]:
        """Return the calls to one endpoint."""
        return [call for call in self.calls if call.endpoint == endpoint]

    def times(self, endpoint: str) -> list[datetime]:
        """Return when one endpoint was called."""
        return [call.at for call in self.to(endpoint)]

    def always(self, endpoint: str, status: int, body: Any = None, **headers: str) -> None:
        """From now on respond like this at an endpoint."""
        self.answer(endpoint, lambda _call: httpx.Response(status, json=body or {}, headers=_dashed(headers)))

    def answer(self, endpoint: str, how: Callable[[Call], httpx.Response | None]) -> None:
        """From now on let `how` respond at an endpoint. It may raise."""
        earlier = self.script

        async def script(call: Call) -> httpx.Response | None:
            if call.endpoint == endpoint:
                return how(call)
            return await earlier(call) if earlier else None

        self.script = script

    def reset(self) -> None:
        """From now on let the simulator respond to everything."""
        self.script = None


def _dashed(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}

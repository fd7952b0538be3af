"""The way to Wireflow, its CDN and the rest of the world, watched; a test may answer some of the calls itself."""

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


# What the test answers itself, or None for what the simulator answers.
Script = Callable[[Call], Awaitable[httpx.Response | None]]


class Vendor(httpx.AsyncBaseTransport):
    """The simulator behind `script`, if a test sets one; `calls` in the order in which they came."""

    def __init__(self, simulator: Simulator) -> None:
        self.calls: list[Call] = []
        self.script: Script | None = None
        self.sites: dict[str, Callable[[httpx.Request], httpx.Response]] = {}  # other places in the world, by host
        self._simulator = simulator
        self._inner = InProcess(simulator)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = request.headers["host"]  # the address has been put in its place
        if host in self.sites:
            return self.sites[host](request)
        found = match(request.method, request.url.path)
        assert found is not None, "the product asks for what Wireflow does not have"
        await request.aread()
        call = Call(self._simulator.state.clock.now(), found.endpoint, request)
        self.calls.append(call)
        scripted = await self.script(call) if self.script else None
        return scripted or await self._inner.handle_async_request(request)

    def to(self, endpoint: str) -> list[Call]:
        """The calls of one endpoint."""
        return [call for call in self.calls if call.endpoint == endpoint]

    def times(self, endpoint: str) -> list[datetime]:
        """When one endpoint was called."""
        return [call.at for call in self.to(endpoint)]

    def always(self, endpoint: str, status: int, body: Any = None, **headers: str) -> None:
        """From now on this endpoint gives this answer."""
        self.answer(endpoint, lambda _call: httpx.Response(status, json=body or {}, headers=_dashed(headers)))

    def answer(self, endpoint: str, how: Callable[[Call], httpx.Response | None]) -> None:
        """From now on this endpoint is answered by `how`, which may also raise."""
        earlier = self.script

        async def script(call: Call) -> httpx.Response | None:
            if call.endpoint == endpoint:
                return how(call)
            return await earlier(call) if earlier else None

        self.script = script

    def well(self) -> None:
        """From now on the simulator answers everything itself."""
        self.script = None


def _dashed(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}

"""A new simulator for each test, in process and on a simulated clock."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count

import httpx
import pytest

from functions.simulator.api import Endpoint
from functions.simulator.app import Simulator
from functions.simulator.settings import Settings
from tests.simulator.bodies import graph, inputs
from tests.simulator.in_process import InProcess

START = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
KEY = {"Authorization": "Bearer sk-simulator"}
HOOK = "/api/v1/workflow/demo-webhook/trigger"
SAVED = "/api/v1/workflows/demo-saved/run"
GRAPH = "/api/v1/workflows/demo-execute/execute"
UPLOAD = "/api/v1/media/upload"


class JumpingClock:
    """A clock on which sleeping is instant and advances the time."""

    def __init__(self) -> None:
        self.moment = START

    def now(self) -> datetime:
        return self.moment

    async def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


class Vendor:
    """A client of one simulator, and the simulator itself."""

    def __init__(self, http: httpx.AsyncClient, simulator: Simulator, clock: JumpingClock) -> None:
        self.http = http
        self.simulator = simulator
        self.clock = clock

    async def trigger(self, prompt: str = "a cat", key: str | None = None, **fields: object) -> httpx.Response:
        headers = {"Idempotency-Key": key} if key else {}
        return await self.http.post(HOOK, json={"prompt": prompt, **fields}, headers=headers)

    async def run(self, key: str | None = None, **values: object) -> httpx.Response:
        headers = KEY | ({"Idempotency-Key": key} if key else {})
        return await self.http.post(SAVED, json=inputs(**values), headers=headers)

    async def execute(self, prompt: str = "a cat", key: str | None = None, **wanted: object) -> httpx.Response:
        headers = KEY | ({"Idempotency-Key": key} if key else {})
        return await self.http.post(GRAPH, json=graph(prompt, **wanted), headers=headers)

    async def pay(self, endpoint: Endpoint, prompt: str = "a cat", key: str | None = None) -> httpx.Response:
        """Make one of the three paid calls."""
        if endpoint is Endpoint.RUN:
            return await self.run(key, prompt=prompt)
        return await (self.execute(prompt, key) if endpoint is Endpoint.EXECUTE else self.trigger(prompt, key))

    async def describe(self) -> httpx.Response:
        return await self.http.get(SAVED, headers=KEY)

    async def upload(self, content: bytes, image_format: str = "image/png") -> httpx.Response:
        return await self.http.post(UPLOAD, files={"file": ("image", content, image_format)}, headers=KEY)

    async def hosted(self, content: bytes) -> str:
        response = await self.upload(content)
        assert response.status_code == 200, response.text
        return str(response.json()["data"]["url"])

    async def start(self, prompt: str = "a cat", key: str | None = None, **fields: object) -> str:
        response = await self.trigger(prompt, key, **fields)
        assert response.status_code == 202, response.text
        body = response.json()
        return str((body.get("data") or body)["executionId"])

    async def poll(self, execution_id: str) -> httpx.Response:
        return await self.http.get(f"/api/v1/workflows/executions/{execution_id}/poll", headers=KEY)

    async def details(self, execution_id: str) -> httpx.Response:
        return await self.http.get(f"/api/v1/workflows/executions/{execution_id}", headers=KEY)

    async def fault(self, **rule: object) -> None:
        response = await self.http.post("/_faults", json=rule)
        assert response.status_code == 200, response.text

    async def stats(self) -> dict:
        return (await self.http.get("/_stats")).json()

    async def runs(self) -> list:
        return (await self.http.get("/_runs", params={"pictures": "true"})).json()["runs"]


Open = Callable[..., AbstractAsyncContextManager[Vendor]]


@pytest.fixture
def open_vendor() -> Open:
    """Open a simulator with these settings; its ids count up."""
    numbers = count(1)

    @asynccontextmanager
    async def opened(clock: JumpingClock | None = None, **settings: object) -> AsyncIterator[Vendor]:
        clock = clock or JumpingClock()
        simulator = Simulator(Settings(**settings), clock, lambda: f"{next(numbers):08x}")
        transport = InProcess(simulator)
        async with httpx.AsyncClient(transport=transport, base_url="http://wireflow.test", timeout=8) as http:
            yield Vendor(http, simulator, clock)

    return opened


@pytest.fixture
async def vendor(open_vendor: Open) -> AsyncIterator[Vendor]:
    """A simulator with default settings."""
    async with open_vendor() as opened:
        yield opened

"""The whole product in one process and in virtual time: both functions over SQLite and a folder, and the simulator.

Only the sockets are left out. The settings go through `shared.config`, the copies through `shared.egress`.
"""

import asyncio
import io
import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from functions.poller.api import Poller
from functions.poller.window import Window
from functions.simulator.app import Simulator
from functions.simulator.settings import Settings
from functions.trigger import router
from functions.trigger.context import Context, create_context
from shared import config, egress, wiring
from shared.images.directory import DirectoryImages
from shared.images.download import Downloader
from shared.job import Job
from shared.jobs.sqlite import SqliteJobs
from shared.log import Log
from shared.ports import JobStore, StoreUnavailable
from shared.runtime.admission import Admission
from shared.runtime.dependencies import Deps
from shared.runtime.request_limiter import RequestLimiter
from shared.runtime.unknown_shapes import UnknownShapes
from shared.runtime.workflow_inputs import WorkflowInputs
from shared.wireflow.client import WireflowClient
from tests.harness.leaks import Leaks
from tests.harness.vendor import Vendor
from tests.harness.virtual_time import NOON, ForThreads, Threads, VirtualClock, VirtualLoop
from tests.simulator.in_process import InProcess, InProcessSync

VENDOR = "https://wireflow.test"
PUBLIC_URL = "https://images.test"
PUBLIC_ADDRESS = "93.184.216.34"  # what every name resolves to; nothing ever connects to it
PRIVATE_ADDRESS = "10.0.0.7"  # or this, if "private" is in the name
MINUTE = timedelta(minutes=1)
# The simulator's smallest image: it is drawn and copied in a millisecond.
SMALL = {"aspect_ratio": "64:1"}

Wrap = Callable[[JobStore], JobStore]


class World:
    """One instance of both functions (`deps`), the way to Wireflow (`vendor`), and a caller (`http`).

    `leaks`: what must be in none of its answers and log lines.
    """

    def __init__(
        self,
        folder: Path,
        simulator: Simulator,
        environ: Mapping[str, str],
        wrap: Wrap,
        verifiers: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.simulator = simulator
        self.clock = simulator.state.clock
        self.lines = io.StringIO()
        self.vendor = Vendor(simulator)
        settings = _settings(folder, environ)
        self.leaks = Leaks.of(settings)
        self._kept = SqliteJobs(settings.jobs.path)
        self.deps = self._deps(settings, wrap(self._kept))
        self.store = self.deps.store
        self.poller = Poller(self.deps)
        self.asked = httpx.AsyncClient(transport=verifiers or httpx.MockTransport(_nobody))
        self.context = create_context(self.deps, lambda: self.asked)
        self.http = self.caller("127.0.0.1")

    def caller(self, address: str, **headers: str) -> httpx.AsyncClient:
        """Somebody at an address, with headers that it always sends."""
        transport = httpx.ASGITransport(_app(self.context, self.leaks), client=(address, 50_000))
        return httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL, headers=headers)

    # --- what a caller does ----------------------------------------------------------------------------------------

    async def post(self, prompt: str = "a cat", *, key: str | None = None, **fields: Any) -> httpx.Response:
        """`POST /` for one small image."""
        headers = {"Idempotency-Key": key} if key else {}
        return await self.http.post("/", json={"prompt": prompt, **SMALL, **fields}, headers=headers)

    async def accepted(self, prompt: str = "a cat", **fields: Any) -> str:
        """The id of a job that was just accepted."""
        answer = await self.post(prompt, **fields)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    async def job(self, job_id: str) -> dict[str, Any]:
        """The public job."""
        answer = await self.http.get(f"/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def record(self, job_id: str) -> Job:
        """The job as the store has it."""
        job = await self.store.get(job_id)
        assert job is not None
        return job

    # --- what the scheduler does -----------------------------------------------------------------------------------

    async def tick(self) -> dict[str, Any]:
        """One window."""
        return await Window(self.deps).run()

    async def run_until(self, done: Callable[[], Any], patience: timedelta = timedelta(hours=30)) -> None:
        """A window each minute, until `done` (awaited after each) is true."""
        end = self.clock.now() + patience
        while not await done():
            assert self.clock.now() < end, "it did not come to an end"
            began = self.clock.now()
            await self.tick()
            rest = MINUTE - (self.clock.now() - began) % MINUTE
            await self.clock.sleep(rest.total_seconds())

    async def end_of(self, *job_ids: str, patience: timedelta = timedelta(hours=30)) -> list[dict[str, Any]]:
        """The public jobs once all of them have ended."""

        async def ended() -> bool:
            jobs = [await self.record(job_id) for job_id in job_ids]
            return all(job.finished for job in jobs)

        await self.run_until(ended, patience)
        return [await self.job(job_id) for job_id in job_ids]

    async def run_for(self, span: timedelta) -> None:
        """A window each minute, for so long."""
        end = self.clock.now() + span

        async def over() -> bool:
            return self.clock.now() >= end

        await self.run_until(over, span + MINUTE)

    # --- what can be seen afterwards -------------------------------------------------------------------------------

    def log(self, event: str | None = None) -> list[dict[str, Any]]:
        """The log lines so far, or those of one event."""
        lines = [json.loads(line) for line in self.lines.getvalue().splitlines()]
        return [line for line in lines if event in (None, line["event"])]

    async def simulated(self, route: str, **rule: Any) -> Any:
        """One of the simulator's own routes; with a rule it is posted."""
        async with httpx.AsyncClient(transport=InProcess(self.simulator), base_url=VENDOR) as http:
            answer = await (http.post(route, json=rule) if rule else http.get(route))
        assert answer.status_code == 200, answer.text
        return answer.json()

    @property
    def paid(self) -> int:
        """How many runs were paid for."""
        return len(self.simulator.state.runs.all())

    async def check_leaks(self) -> None:
        """AssertionError if a secret was in an answer, or is in a log line."""
        with suppress(StoreUnavailable):  # a test has taken it away for good
            self.leaks.hide_id_secret(await self._kept.id_secret())
        self.leaks.look_at_lines("the log", self.lines.getvalue().encode())
        self.leaks.check()

    async def close(self) -> None:
        await self.http.aclose()
        await self.asked.aclose()
        await self.deps.wireflow.close()
        self.deps.copy_threads.shutdown()
        await self.store.close()

    # --- as shared/wiring.py does it -------------------------------------------------------------------------------

    def _deps(self, settings: config.Config, store: JobStore) -> Deps:
        log, clock = Log(self.lines), self.clock
        url, hook, key = settings.wireflow_base_url, settings.webhook_id, settings.api_key
        workflow_ids = [workflow.id for workflow in settings.workflows]
        requests = RequestLimiter(settings.requests_per_minute, clock)
        wireflow = WireflowClient(url, hook, key, clock, transport=self.vendor, secrets=workflow_ids)
        return Deps(
            config=settings,
            clock=clock,
            log=log,
            store=store,
            images=DirectoryImages(Path(settings.images.path)),
            source=_source(settings, self.vendor),
            wireflow=wireflow,
            admission=Admission(store, settings.limits, clock, log),
            requests=requests,
            unknown_shapes=UnknownShapes(log),
            workflow_inputs=WorkflowInputs(wireflow, requests, clock),
            inputs=_source(settings, self.vendor, inputs=True),
            image_from_bytes=wiring.image_from_bytes,
            uploads=asyncio.Semaphore(2),
            copy_threads=Threads(4, thread_name_prefix="copy"),
            random_id=lambda: secrets.token_hex(16),
        )


@asynccontextmanager
async def world(
    folder: Path,
    *,
    simulator: Simulator | None = None,
    wrap: Wrap = lambda store: store,
    verifiers: httpx.AsyncBaseTransport | None = None,
    now: datetime = NOON,
    **settings: Any,
) -> AsyncIterator[World]:
    """A world with these settings: those in capitals are the product's, the others the simulator's.

    `wrap` goes around the job store; `verifiers` responds for Google and Turnstile. A second world with the simulator
    of the first is a second instance: they share the store and the images too.
    """
    environ = {name: value for name, value in settings.items() if name.isupper()}
    others = {name: value for name, value in settings.items() if not name.isupper()}
    simulator = simulator or a_simulator(now, **others)
    made = World(folder, simulator, environ, wrap, verifiers)
    try:
        yield made
        await made.check_leaks()
    finally:
        await made.close()


def a_simulator(now: datetime = NOON, **settings: Any) -> Simulator:
    """A simulator in virtual time, which begins at `now`; its ids count upwards."""
    numbers = count(1)
    return Simulator(Settings(**settings), VirtualClock(now), lambda: f"{next(numbers):08x}")


def moment(text: str | None) -> datetime:
    """A time of the public job."""
    assert text is not None
    return datetime.fromisoformat(text)


def _settings(folder: Path, environ: Mapping[str, str]) -> config.Config:
    ours = {
        "WIREFLOW_BASE_URL": f"{VENDOR}/api/v1",
        "WIREFLOW_WEBHOOK_ID": "demo-webhook",
        "WIREFLOW_API_KEY": "sk-simulator",
        "WIREFLOW_PLAN": "enterprise",
        "EXECUTIONS_PER_MINUTE": "0",
        "IMAGE_HOSTS": httpx.URL(VENDOR).host,
        "JOBS_URL": f"sqlite:///{folder}/jobs.db",
        "IMAGES_URL": f"file://{folder}/images",
        "PUBLIC_URL": PUBLIC_URL,
    }
    return config.load({**ours, **environ})


def _source(settings: config.Config, vendor: Vendor, *, inputs: bool = False) -> Downloader:
    """Copies as in production, but for the connection itself."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    client = httpx.Client(transport=_Internet(settings, vendor, loop, inputs=inputs), timeout=egress.TIMEOUT)
    base_url = None if inputs else settings.wireflow_base_url
    limit = wiring.MAX_INPUT_BYTES if inputs else settings.max_image_bytes
    return Downloader(client, base_url=base_url, max_bytes=limit, monotonic=loop.time)


class _Internet(egress.Egress):
    """Everything that `Egress` checks is checked; whom it would connect to is the simulator, or the test's own site."""

    def __init__(self, settings: config.Config, vendor: Vendor, loop: VirtualLoop, *, inputs: bool) -> None:
        super().__init__(
            settings.image_hosts,
            allow_private=False,
            any_public=inputs,
            resolve=lambda host, _port: [PRIVATE_ADDRESS if "private" in host else PUBLIC_ADDRESS],
        )
        self._transport = _Connections(vendor, ForThreads(loop))  # in the place of its sockets


class _Connections(InProcessSync):
    """A worker thread's way to `vendor`."""

    def __init__(self, vendor: Vendor, loop: ForThreads) -> None:
        self._inner = vendor
        self._loop = loop


def _nobody(_request: httpx.Request) -> httpx.Response:
    """Google's certificates and the Turnstile check, where a test does not say who answers."""
    return httpx.Response(503)


def _app(context: Context, leaks: Leaks) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await router.handle(Request(scope, receive), context)
        await response(scope, receive, send)

    return leaks.watching(app)

"""Both functions and the simulator in one process and in virtual time, on SQLite and a folder.

Only the sockets are replaced. Settings go through `shared.config`, copies through `shared.egress`.
"""

import io
import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from copy import copy
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random
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
from shared import config, wiring
from shared.images.directory import DirectoryImages
from shared.job import Job
from shared.jobs.sqlite import SqliteJobs
from shared.log import Log
from shared.ports import JobStore
from shared.runtime.admission import Admission
from shared.runtime.batch_rows import BatchRows
from shared.runtime.dependencies import Deps
from shared.runtime.endpoints import Endpoints
from shared.runtime.executions import Executions
from shared.runtime.hooks import Hooks
from shared.runtime.queue_snapshot import QueueSnapshot
from shared.runtime.request_limiter import RequestLimiter
from shared.runtime.run_times import RunTimes
from shared.runtime.scans import Scans
from shared.runtime.slots import Slots, WindowEnd
from shared.runtime.unknown_shapes import UnknownShapes
from shared.runtime.usage_days import UsageDays
from shared.runtime.workflow_inputs import WorkflowInputs
from shared.store_errors import StoreUnavailable
from shared.wake_up.in_process import InProcessWakeUp, NoWakeUp
from shared.wireflow.client import WireflowClient
from tests.harness.internet import downloader, receivers
from tests.harness.leaks import Leaks
from tests.harness.vendor import Vendor
from tests.harness.virtual_time import NOON, Threads, VirtualClock, threads_done
from tests.simulator.in_process import InProcess

VENDOR = "https://wireflow.test"
PUBLIC_URL = "https://images.test"
LOCAL_URL = "http://localhost:8080"
MINUTE = timedelta(minutes=1)
# The simulator's smallest image takes a millisecond to draw and copy.
SMALL = {"aspect_ratio": "64:1"}

Wrap = Callable[[JobStore], JobStore]


class World:
    """One instance of both functions (`deps`), the transport to Wireflow (`vendor`), and a client (`http`).

    `leaks`: the secrets that no response and no log line may contain.
    """

    def __init__(
        self,
        folder: Path,
        simulator: Simulator,
        environ: Mapping[str, str],
        wrap: Wrap,
        *,
        wake_ups: bool = False,
    ) -> None:
        self.simulator = simulator
        self.clock = copy(simulator.state.clock)  # our own: setting it does not set the simulator's
        self.lines = io.StringIO()
        self.vendor = Vendor(simulator)
        settings = _settings(folder, environ)
        self.leaks = Leaks.of(settings)
        self._inner_store = SqliteJobs(settings.jobs.path)
        self._wake_up = InProcessWakeUp(self.clock, self.call_poller) if wake_ups else NoWakeUp()
        self.deps = self._deps(settings, wrap(self._inner_store))
        self.store = self.deps.store
        self.poller = Poller(self.deps)
        # Google's certificates and Turnstile: unavailable.
        self._verification = httpx.AsyncClient(transport=httpx.MockTransport(lambda _request: httpx.Response(503)))
        self.context = create_context(self.deps, lambda: self._verification)
        self.http = self.caller("127.0.0.1")

    def caller(self, address: str, **headers: str) -> httpx.AsyncClient:
        """Return a client at an IP address that always sends these headers. Its Host is loopback."""
        transport = httpx.ASGITransport(_app(self.context, self.leaks), client=(address, 50_000))
        return httpx.AsyncClient(transport=transport, base_url=LOCAL_URL, headers=headers)

    # --- requests -------------------------------------------------------------------------------------------

    async def post(self, prompt: str = "a cat", *, key: str | None = None, **fields: Any) -> httpx.Response:
        """Send `POST /` for one small image."""
        headers = {"Idempotency-Key": key} if key else {}
        return await self.http.post("/", json={"prompt": prompt, **SMALL, **fields}, headers=headers)

    async def accepted(self, prompt: str = "a cat", **fields: Any) -> str:
        """Submit a prompt; return the id of its job."""
        answer = await self.post(prompt, **fields)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    async def job(self, job_id: str) -> dict[str, Any]:
        """Return the public job."""
        answer = await self.http.get(f"/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def record(self, job_id: str) -> Job:
        """Return the stored job."""
        job = await self.store.get(job_id)
        assert job is not None
        return job

    # --- windows -----------------------------------------------------------------------------------------------

    async def call_poller(self) -> dict[str, Any]:
        """Call the poller as the scheduler and wake-ups do; return the JSON of the response."""
        request = Request({"type": "http", "method": "POST", "path": "/", "headers": [], "query_string": b""})
        response = await self.poller.handle(request)
        return dict(json.loads(bytes(response.body)))

    async def run_window(self) -> dict[str, Any]:
        """Run one window of the poller."""
        return await Window(self.deps).run()

    async def run_until(
        self, done: Callable[[], Any], patience: timedelta = timedelta(hours=30), every: timedelta = MINUTE
    ) -> None:
        """Run a window each minute, or at other intervals, until `done` is true; it is awaited before each."""
        end = self.clock.now() + patience
        while not await done():
            assert self.clock.now() < end, f"not done within {patience}"
            began = self.clock.now()
            await self.run_window()
            rest = every - (self.clock.now() - began) % every
            await self.clock.sleep(rest.total_seconds())

    async def end_of(
        self, *job_ids: str, patience: timedelta = timedelta(hours=30), every: timedelta = MINUTE
    ) -> list[dict[str, Any]]:
        """Run windows until the jobs are final; return the public jobs."""

        async def final() -> bool:
            jobs = [await self.record(job_id) for job_id in job_ids]
            return all(job.finished for job in jobs)

        await self.run_until(final, patience, every)
        return [await self.job(job_id) for job_id in job_ids]

    async def run_for(self, span: timedelta, every: timedelta = MINUTE) -> None:
        """Run a window each minute for a time span; at longer intervals, where nothing happens in between."""
        end = self.clock.now() + span

        async def over() -> bool:
            return self.clock.now() >= end

        await self.run_until(over, span + every, every)

    # --- results ---------------------------------------------------------------------------------------------------

    def log(self, event: str | None = None) -> list[dict[str, Any]]:
        """Return the log lines so far, or those of one event."""
        lines = [json.loads(line) for line in self.lines.getvalue().splitlines()]
        return [line for line in lines if event in (None, line["event"])]

    async def simulated(self, route: str, **rule: Any) -> Any:
        """GET one of the simulator's own routes, or POST a rule to it; return the JSON."""
        async with httpx.AsyncClient(transport=InProcess(self.simulator), base_url=VENDOR) as http:
            answer = await (http.post(route, json=rule) if rule else http.get(route))
        assert answer.status_code == 200, answer.text
        return answer.json()

    @property
    def paid(self) -> int:
        """The number of paid runs."""
        return len(self.simulator.state.runs.all())

    async def check_leaks(self) -> None:
        """Raise AssertionError if a secret was in a response or is in a log line."""
        with suppress(StoreUnavailable):  # a test has made it unavailable
            self.leaks.add_id_secret(await self._inner_store.id_secret())
        self.leaks.search_lines("the log", self.lines.getvalue().encode())
        self.leaks.check()

    async def close(self) -> None:
        if isinstance(self._wake_up, InProcessWakeUp):
            await self._wake_up.close()
        await self.http.aclose()
        await self._verification.aclose()
        await self.deps.wireflow.close()
        await threads_done()
        self.deps.input_threads.shutdown()
        self.deps.copy_threads.shutdown()
        await self.store.close()

    # --- as in shared/wiring.py ------------------------------------------------------------------------------------

    def _deps(self, settings: config.Config, store: JobStore) -> Deps:
        log, clock = Log(self.lines), self.clock
        url, hook, key = settings.wireflow_base_url, settings.webhook_id, settings.api_key
        workflow_ids = [workflow.id for workflow in settings.workflows]
        window = WindowEnd(clock)
        limits = settings.limits
        requests = RequestLimiter(settings.requests_per_minute, clock, window, limits.on_arrival.per_minute)
        admission = Admission(store, limits, clock, log)
        callers, bounded = limits.spending.callers, settings.max_queued_jobs > 0
        wireflow = WireflowClient(url, hook, key, clock, transport=self.vendor, secrets=workflow_ids)
        return Deps(
            config=settings,
            clock=clock,
            log=log,
            store=store,
            images=DirectoryImages(Path(settings.images.path)),
            source=downloader(settings, self.vendor),
            wireflow=wireflow,
            admission=admission,
            queue=QueueSnapshot(store, admission, clock, callers, bounded=bounded),
            hooks=Hooks(store, clock),
            requests=requests,
            run_times=RunTimes(admission),
            wake_up=self._wake_up,
            receivers=receivers(settings, self.vendor),
            endpoints=Endpoints(clock, Random(1).random),
            executions=Executions(),
            scans=Scans(store, [workflow.name for workflow in settings.workflows], clock, log),
            unknown_shapes=UnknownShapes(log),
            workflow_inputs=WorkflowInputs(wireflow, requests, clock),
            inputs=downloader(settings, self.vendor, inputs=True),
            image_from_bytes=wiring.image_from_bytes,
            usage_days=UsageDays(store, clock),
            batch_rows=BatchRows(store, clock),
            window=window,
            fetches=Slots(wiring.MAX_CONCURRENT_FETCHES, window),
            uploads=Slots(wiring.MAX_CONCURRENT_UPLOADS, window),
            copies=Slots(4, window),
            input_threads=Threads(wiring.INPUT_THREADS, thread_name_prefix="input"),
            copy_threads=Threads(4, thread_name_prefix="copy"),
            random_id=lambda: secrets.token_hex(16),
            random=Random(2).random,
        )


@asynccontextmanager
async def world(
    folder: Path,
    *,
    simulator: Simulator | None = None,
    wrap: Wrap = lambda store: store,
    now: datetime = NOON,
    wake_ups: bool = False,
    **settings: Any,
) -> AsyncIterator[World]:
    """Create a world with these settings: the product's in capitals, the simulator's in lower case.

    `wrap` wraps the job store. A second world with the same folder and simulator is a second instance: they share
    the store and the images.
    """
    environ = {name: value for name, value in settings.items() if name.isupper()}
    others = {name: value for name, value in settings.items() if not name.isupper()}
    simulator = simulator or a_simulator(now, **others)
    made = World(folder, simulator, environ, wrap, wake_ups=wake_ups)
    try:
        yield made
        await made.check_leaks()
    finally:
        await made.close()


def a_simulator(now: datetime = NOON, **settings: Any) -> Simulator:
    """Create a simulator in virtual time that starts at `now`; its ids count upwards."""
    numbers = count(1)
    return Simulator(Settings(**settings), VirtualClock(now), lambda: f"{next(numbers):08x}")


def moment(text: str | None) -> datetime:
    """Parse a time of the public job."""
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


def _app(context: Context, leaks: Leaks) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await router.handle(Request(scope, receive), context)
        await response(scope, receive, send)

    return leaks.watching(app)

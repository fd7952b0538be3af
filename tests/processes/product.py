"""The product as people run it: a simulator of Wireflow, the trigger and its pollers, each a process of its own."""

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

import httpx

from shared import config
from shared.job import FINAL
from shared.jobs.firestore import FirestoreJobs
from shared.jobs.sqlite import SqliteJobs
from shared.ports import JobStore
from tests.harness.leaks import Leaks
from tests.processes.function import ROOT, Function

WEBHOOK_ID, API_KEY = "hook-of-these-tests", "sk-of-these-tests"
PATIENCE = httpx.Timeout(60.0)  # a busy machine is no fault of the product
WINDOW_PATIENCE = httpx.Timeout(180.0)
SECONDS = 30.0
UNLIMITED = {"EXECUTIONS_PER_MINUTE": "0", "DAILY_EXECUTIONS": "0"}


@dataclass(frozen=True)
class Places:
    """Where jobs and images are kept; `jobs` opens the store from the test."""

    jobs_url: str
    images_url: str
    jobs: Callable[[], JobStore]
    environ: Mapping[str, str] = field(default_factory=dict)
    bucket: str = ""

    @classmethod
    def local(cls, folder: Path) -> Self:
        """A SQLite file and a folder."""
        file = folder / "jobs.db"
        return cls(f"sqlite:///{file}", f"file://{folder / 'images'}", lambda: SqliteJobs(file, SECONDS))

    @classmethod
    def cloud(cls, firestore: str, storage: str) -> Self:
        """A new project and a new bucket, on the emulators of both; `jobs` needs FIRESTORE_EMULATOR_HOST."""
        name = f"test-{uuid.uuid4().hex}"
        httpx.post(f"{storage}/storage/v1/b", json={"name": name}).raise_for_status()
        hosts = {"FIRESTORE_EMULATOR_HOST": firestore, "STORAGE_EMULATOR_HOST": storage}
        jobs = partial(FirestoreJobs, name, seconds=SECONDS)
        return cls(f"firestore://{name}/(default)", f"gs://{name}/images", jobs, hosts, name)


class Product:
    """The processes; `settings` go to triggers and pollers, `simulator` to the simulator.

    `leaks`: what none of them may let out. At the end their log files are searched, and all answers to `watched`
    clients have been.
    """

    def __init__(
        self,
        folder: Path,
        places: Places,
        *,
        settings: Mapping[str, str] | None = None,
        simulator: Mapping[str, str] | None = None,
        triggers: int = 1,
        pollers: int = 1,
    ) -> None:
        self.places = places
        repository = {"PYTHONPATH": str(ROOT)}
        vendor = {"SIMULATOR_WEBHOOK_ID": WEBHOOK_ID, "SIMULATOR_API_KEY": API_KEY, **(simulator or {})}
        self.simulator = Function(
            "simulator",
            folder,
            repository | vendor,
            source="functions/simulator/main.py",
            ready="/_stats",
        )
        environ = repository | self._settings() | dict(places.environ) | dict(settings or {})
        self.leaks = Leaks.of(config.load(environ))

        def function(target: str, name: str) -> Function:
            return Function(target, folder, environ, name=name, source=f"functions/{target}/main.py")

        self.triggers = [function("trigger", f"trigger{number or ''}") for number in range(triggers)]
        self.pollers = [function("poller", f"poller{number}") for number in range(pollers)]

    def _settings(self) -> dict[str, str]:
        return {
            "WIREFLOW_BASE_URL": f"{self.simulator.url}/api/v1",
            "WIREFLOW_WEBHOOK_ID": WEBHOOK_ID,
            "WIREFLOW_API_KEY": API_KEY,
            "ALLOW_PRIVATE_NETWORK": "true",
            "IMAGE_HOSTS": self.simulator.url.removeprefix("http://"),
            "JOBS_URL": self.places.jobs_url,
            "IMAGES_URL": self.places.images_url,
        }

    @property
    def trigger(self) -> Function:
        """The first one."""
        return self.triggers[0]

    @property
    def functions(self) -> list[Function]:
        """All processes, in the order in which they start."""
        return [self.simulator, *self.ours]

    @property
    def ours(self) -> list[Function]:
        """Those that must keep secrets: the vendor knows its own."""
        return [*self.triggers, *self.pollers]

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Caller"]:
        """Start everything, with somebody who keeps the pollers at work; no process is left at the end."""
        async with AsyncExitStack() as stack:
            for function in self.functions:
                stack.push_async_callback(asyncio.to_thread, function.kill)
            await asyncio.gather(*(asyncio.to_thread(function.start) for function in self.functions))
            for poller in self.pollers:
                await stack.enter_async_context(ticking(poller.url, self.watch))
            client = self.client(self.trigger)
            yield Caller(await stack.enter_async_context(client), self.simulator.url)
        self.check_leaks()

    # --- what they let out -----------------------------------------------------------------------------------------

    def client(self, function: Function, **headers: str) -> httpx.AsyncClient:
        """A caller of one of the functions who tells of every secret in an answer."""
        hooks = {"response": [self.watch]}
        return httpx.AsyncClient(
            base_url=function.url, timeout=PATIENCE, trust_env=False, headers=headers, event_hooks=hooks
        )

    async def watch(self, response: httpx.Response) -> None:
        """For `event_hooks` of an AsyncClient."""
        await response.aread()
        self.look_at(response)

    def look_at(self, response: httpx.Response) -> None:
        """Search an answer that has been read, if it is one of ours."""
        request, url = response.request, str(response.request.url)
        if not url.startswith(tuple(f"{function.url}/" for function in self.ours)):
            return
        with suppress(httpx.RequestNotRead):  # a body in pieces is gone
            self.leaks.hide_credentials(request.headers.get_list("authorization"), request.content)
        what = f"{request.method} {request.url.path}"
        self.leaks.look_at_answer(what, response.status_code, response.headers.raw, response.content)

    def check_leaks(self) -> None:
        """AssertionError if a secret was in an answer, or is in what the functions have written."""
        for file in (file for function in self.ours for file in (function.out, function.err) if file.exists()):
            self.leaks.look_at_lines(file.name, file.read_bytes())
        self.leaks.check()


Watch = Callable[[httpx.Response], Awaitable[None]]


@asynccontextmanager
async def ticking(url: str, *watch: Watch) -> AsyncIterator[None]:
    """Call a poller again and again, as a scheduler that never rests; whatever it answers, or if it is down."""
    ticker = asyncio.create_task(_tick(url, watch))
    try:
        yield
    finally:
        ticker.cancel()
        await asyncio.gather(ticker, return_exceptions=True)


async def _tick(url: str, watch: Sequence[Watch]) -> None:
    hooks = {"response": list(watch)}
    async with httpx.AsyncClient(timeout=WINDOW_PATIENCE, trust_env=False, event_hooks=hooks) as client:
        while True:
            try:
                worked = (await client.post(url)).json().get("seconds", 0.0) > 1
            except (httpx.TransportError, ValueError):
                worked = False
            await asyncio.sleep(0 if worked else 0.3)


@dataclass(frozen=True)
class Caller:
    """Somebody who posts prompts and follows jobs; and who may look behind the vendor's curtain."""

    http: httpx.AsyncClient
    simulator: str

    async def job(self, job_id: str) -> dict[str, Any]:
        """The public job."""
        return dict((await self.http.get(f"/jobs/{job_id}")).raise_for_status().json())

    async def finished(self, job_id: str, seconds: float, pause: float = 0.5) -> dict[str, Any]:
        """The job when it has ended, or as it is when `seconds` have passed; asked every `pause` seconds."""
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            job = await self.job(job_id)
            if job["status"] in FINAL or asyncio.get_running_loop().time() > deadline:
                return job
            await asyncio.sleep(pause)

    async def image_sha256(self, job_id: str) -> str:
        """Of the bytes that the image route serves."""
        answer = await self.http.get(f"/jobs/{job_id}/image", follow_redirects=True)
        return hashlib.sha256(answer.raise_for_status().content).hexdigest()

    async def stats(self) -> dict[str, Any]:
        """What the simulator was asked."""
        return dict((await self.http.get(f"{self.simulator}/_stats")).raise_for_status().json())

    async def runs(self) -> list[dict[str, Any]]:
        """The simulator's paid runs, each with what its images are."""
        answer = await self.http.get(f"{self.simulator}/_runs?pictures=true", timeout=300)
        return list(answer.raise_for_status().json()["runs"])

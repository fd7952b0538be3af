"""The product as real processes: the simulator, triggers, and pollers."""

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
from shared.job_states import FINAL
from shared.jobs.firestore import FirestoreJobs
from shared.jobs.sqlite import SqliteJobs
from shared.ports import JobStore
from tests.harness.background import meanwhile
from tests.harness.leaks import Leaks
from tests.processes.function import ROOT, Function
from tests.servers.process import IDLE_LIMITS

WEBHOOK_ID, API_KEY = "hook-of-these-tests", "sk-of-these-tests"
PATIENCE = httpx.Timeout(60.0)  # seconds, for a busy machine
WINDOW_PATIENCE = httpx.Timeout(180.0)
SECONDS = 30.0
MINUTE = 60.0
UNLIMITED = {"EXECUTIONS_PER_MINUTE": "0", "DAILY_EXECUTIONS": "0"}

Watch = Callable[[httpx.Response], Awaitable[None]]


@dataclass(frozen=True)
class Places:
    """Where jobs and images are stored; `jobs` opens the store in the test itself."""

    jobs_url: str
    images_url: str
    jobs: Callable[[], JobStore]
    environ: Mapping[str, str] = field(default_factory=dict)
    bucket: str = ""
    sqlite: Path | None = None  # the file of the jobs

    @classmethod
    def local(cls, folder: Path) -> Self:
        """Return a SQLite file and a folder for images."""
        file = folder / "jobs.db"
        return cls(f"sqlite:///{file}", f"file://{folder / 'images'}", lambda: SqliteJobs(file, SECONDS), sqlite=file)

    @classmethod
    def cloud(cls, firestore: str, storage: str) -> Self:
        """Return a new project and a new bucket on the emulators. `jobs` needs FIRESTORE_EMULATOR_HOST."""
        name = f"test-{uuid.uuid4().hex}"
        httpx.post(f"{storage}/storage/v1/b", json={"name": name}).raise_for_status()
        hosts = {"FIRESTORE_EMULATOR_HOST": firestore, "STORAGE_EMULATOR_HOST": storage}
        jobs = partial(FirestoreJobs, name, seconds=SECONDS)
        return cls(f"firestore://{name}/(default)", f"gs://{name}/images", jobs, hosts, name)


class Product:
    """The processes; `settings` go to triggers and pollers, `simulator` to the simulator.

    `scheduled`: each poller is called once a minute, as by Cloud Scheduler; otherwise again and again.
    Another source than the function's own is a file that loads it and changes it. `port`: of the first trigger, if a
    setting has to name it. `leaks`: the secrets that no response to `client` and no log file may contain.
    """

    def __init__(
        self,
        folder: Path,
        places: Places,
        *,
        settings: Mapping[str, str] | None = None,
        simulator: Mapping[str, str] | None = None,
        simulator_source: str = "functions/simulator/main.py",
        trigger_source: str = "functions/trigger/main.py",
        poller_source: str = "functions/poller/main.py",
        triggers: int = 1,
        pollers: int = 1,
        scheduled: bool = False,
        port: int | None = None,
    ) -> None:
        self.places = places
        self._calls = scheduled_calls if scheduled else polling
        repository = {"PYTHONPATH": str(ROOT)}
        vendor = {"SIMULATOR_WEBHOOK_ID": WEBHOOK_ID, "SIMULATOR_API_KEY": API_KEY, **(simulator or {})}
        self.simulator = Function(
            "simulator",
            folder,
            repository | vendor,
            source=simulator_source,
            ready="/_stats",
        )
        environ = repository | self._settings() | dict(places.environ) | dict(settings or {})
        self.leaks = Leaks.of(config.load(environ))

        def function(target: str, name: str, source: str, port: int | None = None) -> Function:
            return Function(target, folder, environ, name=name, source=source, port=port)

        ports = [port, *[None] * triggers][:triggers]
        self.triggers = [
            function("trigger", f"trigger{number or ''}", trigger_source, port) for number, port in enumerate(ports)
        ]
        self.pollers = [function("poller", f"poller{number}", poller_source) for number in range(pollers)]

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
        """All processes in the order of their start."""
        return [self.simulator, *self.ours]

    @property
    def ours(self) -> list[Function]:
        """Our processes: those that must not leak secrets."""
        return [*self.triggers, *self.pollers]

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Caller"]:
        """Start everything and keep calling the pollers. At the end kill all processes and check for leaks."""
        async with AsyncExitStack() as stack:
            for function in self.functions:
                stack.push_async_callback(asyncio.to_thread, function.kill)
            await asyncio.gather(*(asyncio.to_thread(function.start) for function in self.functions))
            for poller in self.pollers:
                await stack.enter_async_context(self._calls(poller.url, self.watch))
            client = self.client(self.trigger)
            yield Caller(await stack.enter_async_context(client), self.simulator.url)
        self.check_leaks()

    # --- leaks -----------------------------------------------------------------------------------------------------

    def client(self, function: Function, **headers: str) -> httpx.AsyncClient:
        """Return a client of one function that searches every response for secrets."""
        hooks = {"response": [self.watch]}
        return httpx.AsyncClient(
            base_url=function.url,
            timeout=PATIENCE,
            limits=IDLE_LIMITS,
            trust_env=False,
            headers=headers,
            event_hooks=hooks,
        )

    async def watch(self, response: httpx.Response) -> None:
        """Search a response; for `event_hooks` of an AsyncClient."""
        await response.aread()
        self.search(response)

    def search(self, response: httpx.Response) -> None:
        """Search a response that has been read, if it came from one of our functions."""
        request, url = response.request, str(response.request.url)
        if not url.startswith(tuple(f"{function.url}/" for function in self.ours)):
            return
        with suppress(httpx.RequestNotRead):  # a streamed body
            self.leaks.add_credentials(request.headers.get_list("authorization"), request.content)
        what = f"{request.method} {request.url.path}"
        self.leaks.search_response(what, response.status_code, response.headers.raw, response.content)

    def check_leaks(self) -> None:
        """Raise AssertionError if a secret was in a response or is in a log file."""
        for file in (file for function in self.ours for file in (function.out, function.err) if file.exists()):
            self.leaks.search_lines(file.name, file.read_bytes())
        self.leaks.check()


@asynccontextmanager
async def polling(url: str, *watch: Watch) -> AsyncIterator[None]:
    """Call a poller again and again, even while it is down or fails."""
    async with meanwhile(_call_forever(url, watch)):
        yield


@asynccontextmanager
async def scheduled_calls(url: str, *watch: Watch) -> AsyncIterator[None]:
    """Call a poller once a minute, whether or not it is busy."""

    async def call_forever() -> None:
        hooks = {"response": list(watch)}
        http = httpx.AsyncClient(timeout=WINDOW_PATIENCE, limits=IDLE_LIMITS, trust_env=False, event_hooks=hooks)
        async with http, asyncio.TaskGroup() as calls:
            while True:
                calls.create_task(http.post(url))
                await asyncio.sleep(MINUTE)

    async with meanwhile(call_forever()):
        yield


async def _call_forever(url: str, watch: Sequence[Watch]) -> None:
    hooks = {"response": list(watch)}
    async with httpx.AsyncClient(
        timeout=WINDOW_PATIENCE, limits=IDLE_LIMITS, trust_env=False, event_hooks=hooks
    ) as client:
        while True:
            try:
                worked = (await client.post(url)).json().get("seconds", 0.0) > 1
            except (httpx.TransportError, ValueError):
                worked = False
            await asyncio.sleep(0 if worked else 0.3)


@dataclass(frozen=True)
class Caller:
    """A client that submits prompts and follows jobs, and may read the simulator's own routes."""

    http: httpx.AsyncClient
    simulator: str

    async def submit(self, **fields: Any) -> str:
        """Submit a prompt with a key, again after each 503, as careful clients do. Return the id of the job."""
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        while True:
            response = await self.http.post("/", json=fields, headers=headers)
            if response.status_code != 503:
                return str(response.raise_for_status().json()["id"])
            await asyncio.sleep(float(response.headers["retry-after"]))

    async def job(self, job_id: str) -> dict[str, Any]:
        """Return the public job."""
        return dict((await self.http.get(f"/jobs/{job_id}")).raise_for_status().json())

    async def finished(self, job_id: str, seconds: float, pause: float = 0.5) -> dict[str, Any]:
        """Return the job when it is final or `seconds` have passed; poll every `pause` seconds."""
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            job = await self.job(job_id)
            if job["status"] in FINAL or asyncio.get_running_loop().time() > deadline:
                return job
            await asyncio.sleep(pause)

    async def image_sha256(self, job_id: str) -> str:
        """Return the sha256 of the bytes that the image route serves."""
        answer = await self.http.get(f"/jobs/{job_id}/image", follow_redirects=True)
        return hashlib.sha256(answer.raise_for_status().content).hexdigest()

    async def stats(self) -> dict[str, Any]:
        """Return the simulator's counts of requests."""
        return dict((await self.http.get(f"{self.simulator}/_stats")).raise_for_status().json())

    async def runs(self) -> list[dict[str, Any]]:
        """Return the simulator's paid runs with their images."""
        answer = await self.http.get(f"{self.simulator}/_runs?pictures=true", timeout=300)
        return list(answer.raise_for_status().json()["runs"])

"""Jobs of three callers, posted over a while, with or without hostile traffic beside them."""

import asyncio
import hashlib
import json
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from shared.job_states import FINAL
from tests.harness.background import meanwhile
from tests.processes.product import PATIENCE, UNLIMITED, Places, Product
from tests.servers.process import IDLE_LIMITS
from tests.storm.hostile import HONEST_IMAGE, POISONS, SMALL, input_images, poisons, send_anonymous_bodies

FORM = "https://shop.example"
TOKENS = {name: f"token-of-{name}" for name in ("zap", "ci", "mail", "mallory")}
HEADERS = {name: {"Authorization": f"Bearer {token}"} for name, token in TOKENS.items()}
HONEST = ("zap", "ci", "mail")
HOSTILE: tuple[Mapping[str, str], ...] = (HEADERS["mallory"], {"Origin": FORM})
FOLLOW_SECONDS, PATIENCE_SECONDS = 2.0, 300.0
DELETED = {"mode": "execute", "id": "id-of-nothing", "model": "nano_banana_pro"}
SETTINGS = {
    **UNLIMITED,
    "TRIGGER_TOKENS": json.dumps({name: hashlib.sha256(token.encode()).hexdigest() for name, token in TOKENS.items()}),
    "FORM_ORIGINS": FORM,
    "FORM_PER_MINUTE": "0",
    "FORM_PER_HOUR": "0",
    "WIREFLOW_WORKFLOWS": json.dumps(
        {"deleted": {"mode": "execute", "id": "id-of-nothing", "model": "nano_banana_pro"}}
    ),
    "IMAGE_HOSTS": "127.0.0.1",
}


@dataclass(frozen=True)
class Case:
    """`jobs`: honest ones, posted over `seconds`."""

    jobs: int
    seconds: float
    run_seconds: str
    triggers: int

    def __str__(self) -> str:
        return f"{self.jobs}-jobs"


# Runs as long as the real ones: the waits are then those of the product, not of a busy machine.
LONG = Case(jobs=200, seconds=20, run_seconds="10-20", triggers=2)


@dataclass
class Report:
    """What became of the jobs. Seconds are from the POST until the image is stored."""

    honest: list[dict[str, Any]] = field(default_factory=list)
    hostile: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # by poison
    seconds: list[float] = field(default_factory=list)
    anonymous: Counter[int] = field(default_factory=Counter)  # responses to bodies without a credential, by status
    met: Counter[str] = field(default_factory=Counter)  # poisoned responses of Wireflow, by poison
    memory: dict[str, int] = field(default_factory=dict)  # peak bytes by function

    def __str__(self) -> str:
        memory = ", ".join(f"{name} {peak / 2**20:.0f} MiB" for name, peak in self.memory.items())
        hostile = sum(map(len, self.hostile.values()))
        mean = sum(self.seconds) / len(self.seconds)
        return (
            f"{len(self.honest)} honest and {hostile} hostile jobs, {self.anonymous.total()} anonymous bodies: "
            f"worst wait {max(self.seconds):.1f} s, mean {mean:.1f} s; peak memory: {memory}"
        )


class StormRun:
    """One run on new processes and a new store."""

    def __init__(self, case: Case, places: Places, folder: Path, *, hostile: bool) -> None:
        folder.mkdir()
        self._case = case
        self._hostile = hostile
        self._images = ""  # URL of the input images
        self._report = Report()
        self._calm = asyncio.Event()  # all honest jobs are final
        self._product = Product(
            folder,
            places,
            settings=SETTINGS,
            simulator={"SIMULATOR_RUN_SECONDS": case.run_seconds},
            simulator_source="tests/storm/wireflow.py",
            triggers=case.triggers,
        )

    async def run(self) -> Report:
        """Return the report once all honest jobs are final."""
        with input_images() as self._images:
            async with self._product.running() as caller, self._bodies():
                await self._warm_up()
                async with asyncio.TaskGroup() as posting:
                    for number in range(self._case.jobs):
                        posting.create_task(self._honest(number))
                    for number, name in enumerate(poisons(self._case.jobs // 4) if self._hostile else []):
                        posting.create_task(self._poison(number, name))
                self._report.met.update((await caller.stats())["faults"])
                self._report.memory = {one.name: one.peak_memory() for one in self._product.ours}
        return self._report

    # --- honest --------------------------------------------------------------------------------------------------

    async def _warm_up(self) -> None:
        """Run a job through each trigger. The run of the first is the one whose id another job gets."""
        for number in range(self._case.triggers):
            async with self._client(number, HEADERS["zap"]) as http:
                await self._final(http, await self._submitted(http, {"json": {"prompt": "the first", **SMALL}}))

    async def _honest(self, number: int) -> None:
        await asyncio.sleep(self._case.seconds * number / self._case.jobs)
        began = time.time()
        async with self._client(number, HEADERS[HONEST[number % len(HONEST)]]) as http:
            job = await self._final(http, await self._submitted(http, _request(number, self._images)))
        self._report.honest.append(job)
        if len(self._report.honest) == self._case.jobs:
            self._calm.set()
        ended = datetime.fromisoformat(job["completedAt"]).timestamp() if job["completedAt"] else time.time()
        self._report.seconds.append(ended - began)

    async def _submitted(self, http: httpx.AsyncClient, request: Mapping[str, Any]) -> str:
        """Submit a job with a key; return its id."""
        answer = await self._response(http, "POST", "/", headers={"Idempotency-Key": uuid.uuid4().hex}, **request)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    async def _final(self, http: httpx.AsyncClient, job_id: str) -> dict[str, Any]:
        """Return the job when it is final."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            job = dict((await self._response(http, "GET", f"/jobs/{job_id}")).raise_for_status().json())
            if job["status"] in FINAL or time.monotonic() > deadline:
                return job
            await asyncio.sleep(FOLLOW_SECONDS)

    async def _response(self, http: httpx.AsyncClient, method: str, path: str, **request: Any) -> httpx.Response:
        """Send a request; retry after a 503, which a busy machine may cause, as a good client does."""
        while True:
            answer = await http.request(method, path, **request)
            if answer.status_code != 503:
                return answer
            await asyncio.sleep(int(answer.headers["retry-after"]))

    def _client(self, number: int, headers: Mapping[str, str]) -> httpx.AsyncClient:
        trigger = self._product.triggers[number % self._case.triggers]
        each = {**headers, "Connection": "close"}  # an idle connection may be closed just when it is used again
        return httpx.AsyncClient(
            base_url=trigger.url, timeout=PATIENCE, limits=IDLE_LIMITS, verify=False, trust_env=False, headers=each
        )

    # --- hostile -------------------------------------------------------------------------------------------------

    async def _poison(self, number: int, name: str) -> None:
        """Submit a poison job; look at it when the honest ones are final."""
        await asyncio.sleep(self._case.seconds * number / (self._case.jobs // 4))
        headers = HOSTILE[number % 2]
        async with self._client(number, headers) as http:
            job_id = await self._submitted(http, {"json": POISONS[name](self._images)})
            await self._calm.wait()
            job = (await self._response(http, "GET", f"/jobs/{job_id}")).raise_for_status().json()
        self._report.hostile.setdefault(name, []).append(job)

    @asynccontextmanager
    async def _bodies(self) -> AsyncIterator[None]:
        if not self._hostile:
            yield
            return
        urls = [trigger.url for trigger in self._product.triggers]
        async with meanwhile(send_anonymous_bodies(urls, self._report.anonymous)):
            yield


def _request(number: int, images: str) -> dict[str, Any]:
    """Return the request of an honest job: every tenth uploads an image, every tenth names one by its URL."""
    fields = {"prompt": f"cat {number}", **SMALL}
    if number % 10 == 3:
        return {"data": fields, "files": {"image1": ("cat.png", HONEST_IMAGE, "image/png")}}
    if number % 10 == 7:
        fields["image1"] = f"{images}/honest.png"
    return {"json": fields}

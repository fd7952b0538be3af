"""Jobs of two callers, with or without receivers that are told when they end, good ones and bad ones."""

import asyncio
import hashlib
import json
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import mean, quantiles
from typing import Any

import httpx

from functions.simulator.receivers import BEHAVIORS
from shared.job_states import FINAL
from tests.harness.world import SMALL
from tests.processes.function import ROOT, Function
from tests.processes.product import PATIENCE, UNLIMITED, Places, Product
from tests.servers.process import IDLE_LIMITS

TOKENS = {"zap": "token-of-zap", "ci": "token-of-ci", "admin": "token-of-admin"}
GOOD = ("live", "flaky")
BAD = tuple(name for name in BEHAVIORS if name not in GOOD)
FOLLOW_SECONDS, PATIENCE_SECONDS = 1.0, 300.0
FAILS = "[fault:moderation]"


def _entry(name: str) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(TOKENS[name].encode()).hexdigest(), "admin": name == "admin"}


@dataclass(frozen=True)
class Case:
    """`jobs`: posted over `seconds`; `slow_seconds`: of a slow receiver."""

    jobs: int
    seconds: float
    run_seconds: str
    slow_seconds: int


# Runs as long as the real ones: the times are then those of the product, not of a busy machine.
LONG = Case(jobs=200, seconds=20, run_seconds="10-20", slow_seconds=30)


@dataclass
class Report:
    """What became of the jobs, and what the receivers got. `secrets`: of the hooks, by receiver."""

    jobs: list[dict[str, Any]] = field(default_factory=list)
    expected: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))  # jobs by good receiver
    messages: list[dict[str, Any]] = field(default_factory=list)
    hooks: dict[str, dict[str, Any]] = field(default_factory=dict)  # by receiver, as they are in the end
    secrets: dict[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> list[float]:
        """How long each image took, from the request until it was stored."""
        return [
            (datetime.fromisoformat(job["completedAt"]) - datetime.fromisoformat(job["createdAt"])).total_seconds()
            for job in self.jobs
            if job["status"] == "succeeded"
        ]

    @property
    def speed(self) -> tuple[float, float]:
        """The mean of these seconds, and what nine out of ten images do not exceed."""
        return mean(self.seconds), quantiles(self.seconds, n=10)[-1]

    def got(self, receiver: str) -> dict[str, list[dict[str, Any]]]:
        """Return the messages of a receiver by their ids."""
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for message in self.messages:
            if message["receiver"] == receiver:
                found[message["headers"]["webhook-id"]].append(message)
        return found

    def missing(self) -> list[tuple[str, str]]:
        """Return the receivers and jobs of which they have not heard."""
        heard = {(one["receiver"], one["headers"].get("webhook-id", "")[:32]) for one in self.messages}
        return sorted({(name, job) for name, jobs in self.expected.items() for job in jobs} - heard)

    def states(self, *behaviors: str) -> set[str]:
        """Return the states of the callbacks of all receivers that behave like this."""
        callbacks = [callback for job in self.jobs for callback in job["callbacks"]]
        return {one["status"] for one in callbacks if one["url"].split("/")[4] in behaviors}

    def __str__(self) -> str:
        average, most = self.speed
        return f"{len(self.jobs)} jobs, {len(self.messages)} messages: mean {average:.2f} s, nine of ten {most:.2f} s"


class ReceiversRun:
    """One run on new processes and a new store."""

    def __init__(
        self,
        case: Case,
        places: Places,
        folder: Path,
        *,
        receivers: bool,
        poller: str = "functions/poller/main.py",
        **settings: str,
    ) -> None:
        folder.mkdir()
        self._case = case
        self._has_receivers = receivers
        self._report = Report()
        self._site = Function(
            "simulator",
            folder,
            {"PYTHONPATH": str(ROOT), "SIMULATOR_SLOW_SECONDS": str(case.slow_seconds)},
            name="receivers",
            source="functions/simulator/main.py",
            ready="/_receivers",
        )
        self._product = Product(
            folder,
            places,
            settings={
                **UNLIMITED,
                "TRIGGER_TOKENS": json.dumps({name: _entry(name) for name in TOKENS}),
                "CALLBACK_HOSTS": "127.0.0.1",
                **settings,
            },
            simulator={"SIMULATOR_RUN_SECONDS": case.run_seconds},
            poller_source=poller,
        )

    async def run(self) -> Report:
        """Return the report once all jobs are final and all good receivers have heard of them."""
        with ExitStack() as stack:
            stack.callback(self._site.kill)
            await asyncio.to_thread(self._site.start)
            async with (
                self._product.running(),
                httpx.AsyncClient(timeout=PATIENCE, limits=IDLE_LIMITS, trust_env=False) as self._http,
            ):
                if self._has_receivers:
                    await self._create_hooks()
                await self._submit("the first", "zap", [])
                await self._follow(1)
                async with asyncio.TaskGroup() as posting:
                    for number in range(self._case.jobs):
                        posting.create_task(self._post(number))
                await self._follow(1 + self._case.jobs)
                await self._hear()
                await self._read_hooks()
        return self._report

    async def _create_hooks(self) -> None:
        """Subscribe `zap` with every kind of receiver, and the admin with the good ones and a slow one."""
        formats = {"live": "standard", "flaky": "cloudevents", "slow": "flat"}
        receivers = {f"{name}/zap": "zap" for name in BEHAVIORS}
        receivers |= {f"{name}/admin": "admin" for name in (*GOOD, "slow")}
        for receiver, caller in receivers.items():
            fields = {"hookUrl": self._url(receiver), "format": formats.get(receiver.partition("/")[0], "standard")}
            hook = (await self._call("POST", "/hooks", caller, json=fields)).json()
            self._report.secrets[receiver] = hook["secret"]

    async def _post(self, number: int) -> None:
        """Submit a job; every second one names a receiver of its own, and a bad one."""
        await asyncio.sleep(self._case.seconds * number / self._case.jobs)
        prompt = f"cat {number} {FAILS}" if number % 10 == 9 else f"cat {number}"
        own = f"{GOOD[number // 2 % 2]}/of-{number}"
        names = [own, f"{BAD[number // 2 % len(BAD)]}/of-{number}"] if number % 2 and self._has_receivers else []
        job_id = await self._submit(prompt, ("zap", "ci", "ci")[number % 3], names)
        if names:
            self._report.expected[own].add(job_id)

    async def _submit(self, prompt: str, caller: str, receivers: Iterable[str]) -> str:
        callbacks = [f"{self._url(name)}?key=1" for name in receivers]
        fields = {"prompt": prompt, **SMALL, **({"callbackUrl": callbacks} if callbacks else {})}
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        job_id = str((await self._call("POST", "/", caller, json=fields, headers=headers)).json()["id"])
        for name in GOOD if self._has_receivers else ():
            self._report.expected[f"{name}/admin"].add(job_id)
            if caller == "zap":
                self._report.expected[f"{name}/zap"].add(job_id)
        return job_id

    async def _follow(self, count: int) -> None:
        """Wait until so many jobs are final."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            self._report.jobs = await self._jobs()
            if sum(job["status"] in FINAL for job in self._report.jobs) == count or time.monotonic() > deadline:
                return
            await asyncio.sleep(FOLLOW_SECONDS)

    async def _jobs(self) -> list[dict[str, Any]]:
        jobs: list[dict[str, Any]] = []
        cursor = ""
        while cursor is not None:
            page = (await self._call("GET", f"/jobs?limit=100&cursor={cursor}", "admin")).json()
            jobs, cursor = jobs + page["jobs"], page["nextCursor"]
        return jobs

    async def _hear(self) -> None:
        """Wait until the good receivers have heard of all their jobs, and that is recorded."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            answer = await self._http.get(f"{self._site.url}/_receivers")
            self._report.messages = answer.raise_for_status().json()["messages"]
            self._report.jobs = await self._jobs()
            is_done = not self._report.missing() and self._report.states(*GOOD) <= {"delivered"}
            if is_done or time.monotonic() > deadline:
                return
            await asyncio.sleep(FOLLOW_SECONDS)

    async def _read_hooks(self) -> None:
        for caller in ("zap", "admin"):
            for hook in (await self._call("GET", "/hooks", caller)).json()["hooks"]:
                self._report.hooks[hook["hookUrl"].partition("/_receivers/")[2]] = hook

    async def _call(self, method: str, path: str, caller: str, **request: Any) -> httpx.Response:
        """Send a request; retry after a 503, which a busy machine may cause, as a good client does."""
        headers = {"Authorization": f"Bearer {TOKENS[caller]}", "Connection": "close", **request.pop("headers", {})}
        while True:
            url = f"{self._product.trigger.url}{path}"
            answer = await self._http.request(method, url, headers=headers, **request)
            if answer.status_code != 503:
                return answer.raise_for_status()
            await asyncio.sleep(int(answer.headers["retry-after"]))

    def _url(self, receiver: str) -> str:
        return f"{self._site.url}/_receivers/{receiver}"

"""The product under SIGKILL: prompts keep coming while its functions die at random moments and are started again.

A kill can hide one thing only: whether a paid call that was on its way started a run. After each kill the store tells
which jobs it left so: `triggering`, since before the kill. Those are the hits.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from shared.job import Status
from shared.ports import JobStore
from tests.processes.product import PATIENCE, UNLIMITED, Caller, Places, Product

LEASE_SECONDS = 20  # the shortest that is allowed: an open paid call waits for its end
SETTLE_SECONDS = 240.0
BETWEEN_KILLS = (0.5, 3.5)  # seconds
BETWEEN_POSTS = (0.1, 0.6)
CALLERS = (
    1,
    3,
)  # first one, whose jobs the trigger pays for itself; then several, who get in each other's way and wait in line
VICTIMS = (("trigger",), ("poller",), ("trigger", "poller"))


@dataclass(frozen=True)
class Case:
    """Which store, and whether the vendor's keys are `honoured` or `ignored`."""

    store: str
    keys: str

    def __str__(self) -> str:
        return f"{self.store}-keys-{self.keys}"


@dataclass
class Report:
    """What happened, as callers, the store and the vendor saw it."""

    case: Case
    kills: Counter[str] = field(default_factory=Counter)
    hitting: int = 0  # kills that left at least one paid call open
    accepted: set[str] = field(default_factory=set)  # ids of jobs that were answered with 202
    hits: dict[str, set[datetime]] = field(default_factory=dict)  # by job: when the calls that were left open were made
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)  # accepted or hit, as they ended
    runs: list[dict[str, Any]] = field(default_factory=list)  # paid
    served: dict[str, str] = field(default_factory=dict)  # sha256 of the image of each job that succeeded

    @property
    def marked(self) -> set[str]:
        """Jobs that say that they may have been paid for twice."""
        return {job_id for job_id, job in self.jobs.items() if job["possibleDuplicate"]}

    @property
    def paid_twice(self) -> set[str]:
        """Prompts with more than one run."""
        return {prompt for prompt, runs in Counter(run["prompt"] for run in self.runs).items() if runs > 1}

    @property
    def unknown(self) -> set[str]:
        """Jobs that were given up on because nobody knows whether they were paid for."""
        return {job_id for job_id, job in self.jobs.items() if job["errorCode"] == "outcome_unknown"}

    def __str__(self) -> str:
        victims = ", ".join(f"{name} {count}" for name, count in sorted(self.kills.items()))
        return (
            f"{self.case}: {self.kills.total()} kills ({victims}), {self.hitting} of them left {len(self.hits)} paid "
            f"calls open; {len(self.accepted)} jobs, {len(self.runs)} paid runs, {len(self.marked)} jobs marked, "
            f"{len(self.paid_twice)} prompts paid twice, {len(self.unknown)} outcomes unknown"
        )


class Siege:
    """One case from its first prompt to the end of its last job."""

    def __init__(self, case: Case, places: Places, folder: Path, kills: int, chance: random.Random) -> None:
        self._plan = [(chance.uniform(*BETWEEN_KILLS), chance.choice(VICTIMS)) for _ in range(kills)]
        self._chance = chance
        self._places = places
        self._report = Report(case)
        honour = "true" if case.keys == "honoured" else "false"
        simulator = {"SIMULATOR_RUN_SECONDS": "0.5-2", "SIMULATOR_HONOUR_KEYS": honour, "SIMULATOR_SLOW_SECONDS": "0.6"}
        settings = {**UNLIMITED, "LEASE_SECONDS": str(LEASE_SECONDS)}
        self._product = Product(folder, places, settings=settings, simulator=simulator)

    async def run(self) -> Report:
        """The report; an assertion that fails on the way is raised."""
        store = self._places.jobs()
        try:
            async with self._product.running() as caller:
                await self._slow_down(caller)
                for turn, callers in enumerate(CALLERS):
                    async with self._prompts(callers):
                        await self._kill_by_turns(self._plan[turn :: len(CALLERS)], store)
                await self._settle(caller)
        finally:
            await store.close()
        return self._report

    async def _slow_down(self, caller: Caller) -> None:
        """Half of the paid calls are answered late, after the run was paid for: a kill meets some on their way."""
        fault = {"fault": "slow_first_byte", "for": "trigger", "share": 0.5}
        (await caller.http.post(f"{caller.simulator}/_faults", json=fault)).raise_for_status()

    # --- callers -------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _prompts(self, count: int) -> AsyncIterator[None]:
        """Callers who go on until the block ends, and then finish what they have begun."""
        over = asyncio.Event()
        async with asyncio.TaskGroup() as callers:
            for number in range(count):
                callers.create_task(self._call(f"caller {number} of {count}", over))
            try:
                yield
            finally:
                over.set()

    async def _call(self, name: str, over: asyncio.Event) -> None:
        number = 0
        async with httpx.AsyncClient(base_url=self._product.trigger.url, timeout=PATIENCE, trust_env=False) as http:
            while not over.is_set():
                number += 1
                key = f"{name.replace(' ', '-')}-{number}" if number % 3 else None
                await self._post(http, f"{name}, prompt {number}", key)
                await asyncio.sleep(self._chance.uniform(*BETWEEN_POSTS))

    async def _post(self, http: httpx.AsyncClient, prompt: str, key: str | None) -> None:
        """As a good client: what got no answer is sent again, with its key; without a key it is not."""
        headers = {"Idempotency-Key": key} if key else {}
        while True:
            try:
                answer = await http.post("/", json={"prompt": prompt, "aspect_ratio": "16:1"}, headers=headers)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code != 503:
                assert answer.status_code in (200, 202), answer.text
                self._report.accepted.add(answer.json()["id"])
                return
            if key is None:
                return
            await asyncio.sleep(self._chance.uniform(*BETWEEN_POSTS))

    # --- kills ---------------------------------------------------------------------------------------------------

    async def _kill_by_turns(self, plan: list[tuple[float, tuple[str, ...]]], store: JobStore) -> None:
        for pause, names in plan:
            await asyncio.sleep(pause)
            await self._kill(names, store)

    async def _kill(self, names: tuple[str, ...], store: JobStore) -> None:
        functions = {"trigger": self._product.trigger, "poller": self._product.pollers[0]}
        victims = [functions[name] for name in names]
        await asyncio.gather(*(asyncio.to_thread(victim.kill) for victim in victims))
        killed_at = datetime.now(UTC)
        self._report.kills[" and ".join(names)] += 1
        await asyncio.gather(*(asyncio.to_thread(victim.start) for victim in victims))
        await self._note_hits(store, killed_at)

    async def _note_hits(self, store: JobStore, killed_at: datetime) -> None:
        """An open paid call is due within a lease; what was on its way elsewhere has been answered since the kill."""
        in_flight = await store.due(killed_at + timedelta(hours=1), 10_000)
        hits = [
            job
            for job in in_flight
            if job.status is Status.TRIGGERING and job.triggered_at and job.triggered_at <= killed_at
        ]
        new = [job for job in hits if job.triggered_at not in self._report.hits.get(job.id, set())]
        for job in new:
            assert job.triggered_at
            self._report.hits.setdefault(job.id, set()).add(job.triggered_at)
        self._report.hitting += bool(new)

    # --- the end -------------------------------------------------------------------------------------------------

    async def _settle(self, caller: Caller) -> None:
        report, loop = self._report, asyncio.get_running_loop()
        deadline = loop.time() + SETTLE_SECONDS
        for job_id in report.accepted | set(report.hits):
            report.jobs[job_id] = await caller.finished(job_id, max(0.0, deadline - loop.time()))
        report.runs = await caller.runs()
        for job_id, job in report.jobs.items():
            if job["status"] == "succeeded":
                report.served[job_id] = await caller.image_sha256(job_id)

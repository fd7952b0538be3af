"""The product under SIGKILL: requests keep coming while its functions die at random moments and are started again.

A kill can hide one thing only: whether a paid call that was on its way started a run. After each kill the store tells
which jobs it left so: `triggering`, since before the kill. Those are the hits. A second thing may be left of a POST
that nobody answered: its file, which is stored before its job is recorded.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from shared.job import Job, Status
from shared.ports import JobQuery, JobStore
from tests.crash.inputs import inputs_in, job_of
from tests.crash.posts import BEARER, SETTINGS, Post, Sender, ids_of
from tests.processes.product import UNLIMITED, Caller, Places, Product

LEASE_SECONDS = 20  # the shortest that is allowed: an open paid call waits for its end
SETTLE_SECONDS = 240.0
BETWEEN_KILLS = (0.5, 3.5)  # seconds
AFTER_A_FILE = (0.0, 0.06)  # from the moment when it is sent: while it is read, stored and recorded
FORGETTING_SECONDS = 30.0  # a few windows
BETWEEN_POSTS = (0.15, 0.8)
CALLERS = (
    1,
    3,
)  # first one, whose jobs the trigger pays for itself; then several, who get in each other's way and wait in line
EVERYTHING = JobQuery(limit=10_000)
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
    posts: list[Post] = field(default_factory=list)  # whatever became of them
    answered: list[Post] = field(default_factory=list)  # with a 2xx
    accepted: dict[str, str] = field(default_factory=dict)  # prompts of the jobs that were answered with a 2xx, by id
    torn: list[tuple[str, ...]] = field(default_factory=list)  # arrays of which a kill left only some rows
    hits: dict[str, set[datetime]] = field(default_factory=dict)  # by job: when the calls that were left open were made
    stored: list[Job] = field(default_factory=list)  # all of them, as they ended
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)  # all of them, as the caller sees them
    kept: set[str] = field(default_factory=set)  # names of input images that were there after a kill
    inputs: list[str] = field(default_factory=list)  # names of input images that are left, and of halves of some
    uploads: int = 0  # that the vendor was sent
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
    def unanswered_files(self) -> int:
        """Files that were sent and never answered with a 2xx."""
        return sum(post.has_file for post in self.posts) - sum(post.has_file for post in self.answered)

    @property
    def unknown(self) -> set[str]:
        """Jobs that were given up on because nobody knows whether they were paid for."""
        return {job_id for job_id, job in self.jobs.items() if job["errorCode"] == "outcome_unknown"}

    def __str__(self) -> str:
        victims = ", ".join(f"{name} {count}" for name, count in sorted(self.kills.items()))
        return (
            f"{self.case}: {self.kills.total()} kills ({victims}), {self.hitting} of them left {len(self.hits)} paid "
            f"calls open; {len(self.posts)} requests, {len(self.posts) - len(self.answered)} of them not answered "
            f"({self.unanswered_files} with a file); {len(self.stored)} jobs, {len(self.runs)} paid runs, "
            f"{len(self.marked)} jobs marked, {len(self.paid_twice)} prompts paid twice, "
            f"{len(self.unknown)} outcomes unknown; "
            f"{sum(bool(run['input']) for run in self.runs)} runs from a image, {self.uploads} uploads, "
            f"{len(self.inputs)} input images left"
        )


class Siege:
    """One case from its first prompt to the end of its last job."""

    def __init__(self, case: Case, places: Places, folder: Path, kills: int, chance: random.Random) -> None:
        self._plan: list[tuple[float, tuple[str, ...]]]
        self._plan = [(chance.uniform(*BETWEEN_KILLS), chance.choice(VICTIMS)) for _ in range(kills)]
        self._chance = chance
        self._places = places
        self._report = Report(case)
        honour = "true" if case.keys == "honoured" else "false"
        simulator = {"SIMULATOR_RUN_SECONDS": "0.5-2", "SIMULATOR_HONOUR_KEYS": honour, "SIMULATOR_SLOW_SECONDS": "0.6"}
        settings = {**UNLIMITED, **SETTINGS, "LEASE_SECONDS": str(LEASE_SECONDS)}
        self._file_sent = asyncio.Event()
        self._product = Product(folder, places, settings=settings, simulator=simulator)

    async def run(self) -> Report:
        """The report; an assertion that fails on the way is raised."""
        store = self._places.jobs()
        try:
            async with self._product.running() as caller:
                caller.http.headers.update(BEARER)
                await self._slow_down(caller)
                for turn, callers in enumerate(CALLERS):
                    async with self._requests(callers):
                        await self._kill_by_turns(self._plan[turn :: len(CALLERS)], store)
                await self._settle(caller, store)
        finally:
            await store.close()
        return self._report

    async def _slow_down(self, caller: Caller) -> None:
        """Half of the paid calls and uploads are answered late, after all is done: a kill meets some on their way."""
        for place in ("trigger", "run", "execute", "upload"):
            fault = {"fault": "slow_first_byte", "for": place, "share": 0.5}
            (await caller.http.post(f"{caller.simulator}/_faults", json=fault)).raise_for_status()

    # --- callers -------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _requests(self, count: int) -> AsyncIterator[None]:
        """Callers who go on until the block ends, and then finish what they have begun."""
        over = asyncio.Event()
        async with asyncio.TaskGroup() as callers:
            for number in range(count):
                sender = Sender(f"caller {number} of {count}", self._chance)
                callers.create_task(self._call(sender, over))
            try:
                yield
            finally:
                over.set()

    async def _call(self, sender: Sender, over: asyncio.Event) -> None:
        async with self._product.client(self._product.trigger, **BEARER) as http:
            while not over.is_set():
                post = await sender.next(http)
                self._report.posts.append(post)
                sender.earlier += await self._post(http, post)
                await asyncio.sleep(self._chance.uniform(*BETWEEN_POSTS))

    async def _post(self, http: httpx.AsyncClient, post: Post) -> list[str]:
        """As a good client: what got no answer is sent again, with its key; without a key it is not."""
        while True:
            if post.has_file:
                self._file_sent.set()
            try:
                answer = await post.send(http)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code != 503:
                assert answer.status_code in (200, 202), answer.text
                self._report.answered.append(post)
                self._report.accepted |= zip(ids_of(answer), post.prompts, strict=True)
                return ids_of(answer)
            if post.key is None:
                return []
            await asyncio.sleep(self._chance.uniform(*BETWEEN_POSTS))

    # --- kills ---------------------------------------------------------------------------------------------------

    async def _kill_by_turns(self, plan: list[tuple[float, tuple[str, ...]]], store: JobStore) -> None:
        for pause, names in plan:
            await asyncio.sleep(pause)
            if names == VICTIMS[0]:
                await self._just_after_a_file()
            await self._kill(names, store)

    async def _just_after_a_file(self) -> None:
        """The moment between a stored file and its recorded job is too short to be met by chance alone."""
        self._file_sent.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._file_sent.wait(), BETWEEN_KILLS[1])
        await asyncio.sleep(self._chance.uniform(*AFTER_A_FILE))

    async def _kill(self, names: tuple[str, ...], store: JobStore) -> None:
        functions = {"trigger": self._product.trigger, "poller": self._product.pollers[0]}
        victims = [functions[name] for name in names]
        await asyncio.gather(*(asyncio.to_thread(victim.kill) for victim in victims))
        killed_at = datetime.now(UTC)
        self._report.kills[" and ".join(names)] += 1
        await self._note_torn(store)
        await asyncio.gather(*(asyncio.to_thread(victim.start) for victim in victims))
        await self._note_hits(store, killed_at)
        self._report.kept.update(await asyncio.to_thread(inputs_in, self._places))

    async def _note_torn(self, store: JobStore) -> None:
        """Before a repetition can mend it."""
        recorded = {job.prompt for job in await store.list_jobs(EVERYTHING)}
        rows = [recorded & set(post.prompts) for post in self._report.posts]
        pairs = zip(self._report.posts, rows, strict=True)
        self._report.torn += [post.prompts for post, there in pairs if 0 < len(there) < len(post.prompts)]

    async def _note_hits(self, store: JobStore, killed_at: datetime) -> None:
        """An open paid call is due within a lease; what was on its way elsewhere has been answered since the kill."""
        rows = await store.due(killed_at + timedelta(hours=1), 10_000)
        in_flight = [await store.get(row.id) for row in rows if row.status is Status.TRIGGERING]
        hits = [
            job
            for job in in_flight
            if job and job.status is Status.TRIGGERING and job.triggered_at and job.triggered_at <= killed_at
        ]
        new = [job for job in hits if job.triggered_at not in self._report.hits.get(job.id, set())]
        for job in new:
            assert job.triggered_at
            self._report.hits.setdefault(job.id, set()).add(job.triggered_at)
        self._report.hitting += bool(new)

    # --- the end -------------------------------------------------------------------------------------------------

    async def _settle(self, caller: Caller, store: JobStore) -> None:
        report, loop = self._report, asyncio.get_running_loop()
        deadline = loop.time() + SETTLE_SECONDS
        for job in await store.list_jobs(EVERYTHING):
            report.jobs[job.id] = await caller.finished(job.id, max(0.0, deadline - loop.time()))
        await self._forget()
        report.stored = await store.list_jobs(EVERYTHING)
        report.runs = await caller.runs()
        report.uploads = (await caller.stats())["endpoints"]["upload"]
        for job_id, told in report.jobs.items():
            if told["status"] == "succeeded":
                report.served[job_id] = await caller.image_sha256(job_id)

    async def _forget(self) -> None:
        """Give the poller a few windows to remove the input images of jobs that have ended."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + FORGETTING_SECONDS
        while loop.time() < deadline:
            self._report.inputs = await asyncio.to_thread(inputs_in, self._places)
            if not {job_of(name) for name in self._report.inputs} & set(self._report.jobs):
                return
            await asyncio.sleep(1)

"""Requests keep coming while the functions are killed at random moments with SIGKILL and started again.

A kill can leave one thing unknown: whether a paid call in flight has started a run. After each kill the store shows
which jobs are in that state: `triggering` since before the kill. These are the open calls. A kill can also leave an
input image without a job: the file of a POST is stored before its job is recorded.
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

from shared.job import Job
from shared.job_states import Status
from shared.ports import JobQuery, JobStore
from shared.spending.budget import NOTHING, Spent
from tests.crash.input_images import inputs_in, is_kept_for_a_retry, job_of
from tests.crash.senders import BEARER, KINDS, SETTINGS, Post, Sender, ids_of
from tests.processes.product import UNLIMITED, Caller, Places, Product
from tests.processes.spend_watch import CALLER, SpendWatch

LEASE_SECONDS = 20  # the shortest that is allowed: an open paid call waits for its end
SETTLE_SECONDS = 240.0
BETWEEN_KILLS = (0.5, 3.5)  # seconds
AFTER_A_FILE = (0.0, 0.06)  # seconds after it was sent, while it is read, stored, and recorded
CLEANUP_SECONDS = 30.0  # a few windows
BETWEEN_POSTS = (0.15, 0.8)  # seconds
# Callers at a time: first one, whose runs the trigger starts itself; then three, whose jobs queue.
CALLERS = (1, 3)
EVERYTHING = JobQuery(limit=10_000)
VICTIMS = (("trigger",), ("poller",), ("trigger", "poller"))


@dataclass(frozen=True)
class Case:
    """A store, whether the vendor's idempotency keys are `honored` or `ignored`, and the number of kills."""

    store: str
    keys: str
    kills: int

    def __str__(self) -> str:
        return f"{self.store}-keys-{self.keys}-kills-{self.kills}"


@dataclass
class Report:
    """What happened, as seen by callers, the store, and the vendor."""

    case: Case
    kills: Counter[str] = field(default_factory=Counter)
    kills_with_open_calls: int = 0
    posts: list[Post] = field(default_factory=list)  # all requests
    answered: list[Post] = field(default_factory=list)  # with a 2xx
    accepted: dict[str, str] = field(default_factory=dict)  # prompt by job id, of the posts answered with a 2xx
    torn: list[tuple[str, ...]] = field(default_factory=list)  # batches of which a kill left only some jobs
    open_calls: dict[str, set[datetime]] = field(default_factory=dict)  # when each was made, by job id
    stored: list[Job] = field(default_factory=list)  # all jobs at the end
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)  # all jobs as the caller sees them, by id
    kept: set[str] = field(default_factory=set)  # names of input images found after a kill
    inputs: list[str] = field(default_factory=list)  # names of input images left at the end, partial files included
    uploads: int = 0  # to the vendor
    runs: list[dict[str, Any]] = field(default_factory=list)  # paid
    spending: SpendWatch = field(default_factory=SpendWatch)
    reserved: Spent = NOTHING
    reserved_by_caller: Spent = NOTHING
    served: dict[str, str] = field(default_factory=dict)  # sha256 of the image of each succeeded job, by id

    @property
    def marked(self) -> set[str]:
        """Jobs marked `possibleDuplicate`."""
        return {job_id for job_id, job in self.jobs.items() if job["possibleDuplicate"]}

    @property
    def paid_twice(self) -> set[str]:
        """Prompts with more than one run."""
        return {prompt for prompt, runs in Counter(run["prompt"] for run in self.runs).items() if runs > 1}

    @property
    def unanswered_files(self) -> int:
        """The number of posted files that were not answered with a 2xx."""
        return sum(post.has_file for post in self.posts) - sum(post.has_file for post in self.answered)

    @property
    def unknown(self) -> set[str]:
        """Jobs that failed because the outcome of their paid call is unknown."""
        return {job_id for job_id, job in self.jobs.items() if job["errorCode"] == "outcome_unknown"}

    def __str__(self) -> str:
        victims = ", ".join(f"{name} {count}" for name, count in sorted(self.kills.items()))
        return (
            f"{self.case}: {self.kills.total()} kills ({victims}), "
            f"{self.kills_with_open_calls} of them left {len(self.open_calls)} paid calls open; "
            f"{len(self.posts)} requests, {len(self.posts) - len(self.answered)} of them not answered "
            f"({self.unanswered_files} with a file); {len(self.stored)} jobs, {len(self.runs)} paid runs, "
            f"{len(self.marked)} jobs marked, {len(self.paid_twice)} prompts paid twice, "
            f"{len(self.unknown)} outcomes unknown; "
            f"{sum(bool(run['input']) for run in self.runs)} runs from an image, {self.uploads} uploads, "
            f"{len(self.inputs)} input images left; {self.spending}"
        )


class CrashRun:
    """One case, from its first prompt until its last job is final."""

    def __init__(self, case: Case, places: Places, folder: Path, kills: int, chance: random.Random) -> None:
        self._plan: list[tuple[float, tuple[str, ...]]]
        self._plan = [(chance.uniform(*BETWEEN_KILLS), chance.choice(VICTIMS)) for _ in range(kills)]
        self._chance = chance
        self._places = places
        self._report = Report(case)
        simulator = {
            "SIMULATOR_RUN_SECONDS": "0.5-2",
            "SIMULATOR_HONOUR_KEYS": "true" if case.keys == "honored" else "false",
            "SIMULATOR_SLOW_SECONDS": "0.6",
        }
        settings = {**UNLIMITED, **SETTINGS, "LEASE_SECONDS": str(LEASE_SECONDS)}
        self._file_sent = asyncio.Event()
        self._product = Product(folder, places, settings=settings, simulator=simulator)

    async def run(self) -> Report:
        """Return the report. AssertionError for an unexpected response on the way."""
        store = self._places.jobs()
        try:
            watching = self._report.spending.watching(store, self._places.sqlite)
            async with self._product.running() as caller, watching:
                caller.http.headers.update(BEARER)
                await self._slow_down(caller)
                for turn, callers in enumerate(CALLERS):
                    async with self._requests(callers):
                        await self._kill_as_planned(self._plan[turn :: len(CALLERS)], store)
                await self._settle(caller, store)
        finally:
            await store.close()
        return self._report

    async def _slow_down(self, caller: Caller) -> None:
        """Delay half of the responses to paid calls and uploads, so that kills meet some of them in flight."""
        for endpoint in ("trigger", "run", "execute", "upload"):
            fault = {"fault": "slow_first_byte", "for": endpoint, "share": 0.5}
            (await caller.http.post(f"{caller.simulator}/_faults", json=fault)).raise_for_status()

    # --- callers -------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _requests(self, count: int) -> AsyncIterator[None]:
        """Send requests until the block ends and each caller has sent every kind."""
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
            while not over.is_set() or sender.sent < KINDS:
                post = await sender.next(http)
                self._report.posts.append(post)
                sender.earlier += await self._post(http, post)
                await asyncio.sleep(self._chance.uniform(*BETWEEN_POSTS))

    async def _post(self, http: httpx.AsyncClient, post: Post) -> list[str]:
        """Retry like a good client: only with an idempotency key."""
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

    async def _kill_as_planned(self, plan: list[tuple[float, tuple[str, ...]]], store: JobStore) -> None:
        for pause, names in plan:
            await asyncio.sleep(pause)
            if names == VICTIMS[0]:
                await self._just_after_a_file()
            await self._kill(names, store)

    async def _just_after_a_file(self) -> None:
        """Wait until a file was just sent: chance alone would rarely hit the moment before its job is recorded."""
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
        await self._note_open_calls(store, killed_at)
        self._report.kept.update(await asyncio.to_thread(inputs_in, self._places))

    async def _note_torn(self, store: JobStore) -> None:
        """Note incomplete batches before a retry can complete them."""
        recorded = {job.prompt for job in await store.list_jobs(EVERYTHING)}
        found = [(post.prompts, recorded & set(post.prompts)) for post in self._report.posts]
        self._report.torn += [prompts for prompts, there in found if 0 < len(there) < len(prompts)]

    async def _note_open_calls(self, store: JobStore, killed_at: datetime) -> None:
        """Note the jobs whose paid call the kill left open; calls of other processes have been answered by now."""
        rows = await store.due(killed_at + timedelta(hours=1), 10_000)
        in_flight = [await store.get(row.id) for row in rows if row.status is Status.TRIGGERING]
        open_ = [
            job
            for job in in_flight
            if job and job.status is Status.TRIGGERING and job.triggered_at and job.triggered_at <= killed_at
        ]
        new = [job for job in open_ if job.triggered_at not in self._report.open_calls.get(job.id, set())]
        for job in new:
            assert job.triggered_at
            self._report.open_calls.setdefault(job.id, set()).add(job.triggered_at)
        self._report.kills_with_open_calls += bool(new)

    # --- the end -------------------------------------------------------------------------------------------------

    async def _settle(self, caller: Caller, store: JobStore) -> None:
        report, loop = self._report, asyncio.get_running_loop()
        deadline = loop.time() + SETTLE_SECONDS
        for job in await store.list_jobs(EVERYTHING):
            report.jobs[job.id] = await caller.finished(job.id, max(0.0, deadline - loop.time()))
        await self._await_cleanup()
        found = [await store.get(job.id) for job in await store.list_jobs(EVERYTHING)]
        report.stored = [job for job in found if job]
        report.runs = await caller.runs()
        budget = (await store.read_gate()).budget
        report.reserved, report.reserved_by_caller = budget.total, budget.callers[CALLER]
        report.uploads = (await caller.stats())["endpoints"]["upload"]
        for job_id, job in report.jobs.items():
            if job["status"] == "succeeded":
                report.served[job_id] = await caller.image_sha256(job_id)

    async def _await_cleanup(self) -> None:
        """Give the poller a few windows to remove the input images of final jobs that cannot be retried."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + CLEANUP_SECONDS
        expected = {job_id for job_id, job in self._report.jobs.items() if not is_kept_for_a_retry(job)}
        while loop.time() < deadline:
            self._report.inputs = await asyncio.to_thread(inputs_in, self._places)
            if not {job_of(name) for name in self._report.inputs} & expected:
                return
            await asyncio.sleep(1)

"""The product against a Wireflow that fails in every known way: in a fifth of all calls and a fifth of all runs.

Some faults suspend the gate for five minutes and more, and a test cannot set the clock of another process. It shortens
long waits in the store instead: the gate's and the jobs' are moved to the next second. The product's own trial then
resumes the gate.
"""

import asyncio
import hashlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import httpx

from shared.error_codes import ErrorCode
from shared.job_states import FINAL, Status
from shared.log import Event
from shared.spending import gate
from shared.spending.gate_state import Limits, Suspension
from shared.store_errors import StoreError
from tests.crash.input_images import inputs_in, is_kept_for_a_retry, job_of
from tests.crash.senders import BEARER, SETTINGS, Post, Sender, ids_of
from tests.processes.product import UNLIMITED, Caller, Places, Product
from tests.processes.spend_watch import SpendWatch

SHARE = 0.2
SECRET_WORD = "saffron"  # part of every prompt, must be in no log
CALLERS, BETWEEN_POSTS = 4, (0.05, 0.6)  # seconds
ATTEMPTS = 40  # half a second apart
# At most; with faults a second more for each job.
WITH_FAULTS_SECONDS, WITHOUT_FAULTS_SECONDS = 120.0, 60.0
LONGEST_WAIT = timedelta(seconds=25)  # longer than a lease: a leased job is left alone
NO_LIMITS = Limits(per_minute=0, per_day=0)
IN_FLIGHT = {Status.TRIGGERING, Status.RUNNING, Status.COPYING}
# Short enough that slow faults end: a run that never ends, a trickling response, a paid call without a response.
SHORT_DEADLINES = {"LEASE_SECONDS": "20", "RUN_DEADLINE_SECONDS": "20", "MAX_IMAGE_BYTES": "1000000"}
SIMULATOR = {"SIMULATOR_RUN_SECONDS": "0.5-3", "SIMULATOR_SLOW_SECONDS": "2", "SIMULATOR_LARGE_BYTES": "2000000"}


@dataclass(frozen=True)
class Case:
    """Whether the vendor's idempotency keys are `honored` or `ignored`, and the number of jobs."""

    keys: str
    jobs: int

    def __str__(self) -> str:
        return f"keys-{self.keys}-jobs-{self.jobs}"


@dataclass
class Report:
    """What happened, as seen by callers and the vendor."""

    keys: str
    accepted: dict[str, str] = field(default_factory=dict)  # prompt by job id
    posts: list[Post] = field(default_factory=list)
    repeats: list[tuple[list[str], list[str]]] = field(default_factory=list)  # job ids of a request, and of its retry
    inputs: list[str] = field(default_factory=list)  # names of input images left at the end
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)  # as the caller sees them, by id
    served: dict[str, str] = field(default_factory=dict)  # sha256 of the bytes at each image URL
    runs: list[dict[str, Any]] = field(default_factory=list)  # paid
    faults: Counter[str] = field(default_factory=Counter)
    shortened: Counter[str] = field(default_factory=Counter)  # waits, by the gate's reason or the job's status
    seconds: dict[str, float] = field(default_factory=dict)  # with faults, and without them afterwards
    output: dict[str, str] = field(default_factory=dict)  # standard output of each function
    errors: dict[str, str] = field(default_factory=dict)  # standard error of each function
    spending: SpendWatch = field(default_factory=SpendWatch)
    reserved: int = 0  # micro-dollars in the gate at the end
    vendor: str = ""  # URL of the simulator

    def paid_by(self, function: str) -> int:
        """Return how many runs the trigger or the poller has started."""
        return sum(text.count(Event.JOB_STARTED) for name, text in self.output.items() if name.startswith(function))

    @property
    def unfinished(self) -> list[dict[str, Any]]:
        """Jobs that are not final."""
        return [job for job in self.jobs.values() if job["status"] not in FINAL]

    @property
    def paid(self) -> Counter[str]:
        """Runs by prompt."""
        return Counter(run["prompt"] for run in self.runs)

    def __str__(self) -> str:
        ends = Counter(job["errorCode"] or job["status"] for job in self.jobs.values())
        marked = sum(job["possibleDuplicate"] for job in self.jobs.values())
        times = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in self.seconds.items())
        return (
            f"keys {self.keys}: {len(self.jobs)} jobs, {times}; "
            f"{self.faults.total()} faults of {len(self.faults)} kinds, "
            f"{self.shortened.total()} long waits shortened; {len(self.runs)} paid runs "
            f"({self.paid_by('trigger')} by the trigger), {marked} jobs marked, "
            f"{sum(times > 1 for times in self.paid.values())} prompts paid twice; "
            + ", ".join(f"{name} {count}" for name, count in ends.most_common())
            + f"; {self.spending}"
        )


class ChaosRun:
    """A run from its first prompt until its last job is final."""

    def __init__(self, folder: Path, jobs: int, keys: str) -> None:
        self._count = jobs
        self._chance = random.Random(keys)
        self._report = Report(keys)
        keys_honored = {"SIMULATOR_HONOUR_KEYS": "true" if keys == "honored" else "false"}
        self._places = Places.local(folder)
        self._store = self._places.jobs()
        self._product = Product(
            folder, self._places, settings=UNLIMITED | SETTINGS | SHORT_DEADLINES, simulator=SIMULATOR | keys_honored
        )

    async def run(self) -> Report:
        """Return the report. AssertionError for an unexpected response on the way."""
        try:
            watching = self._report.spending.watching(self._store, self._places.sqlite)
            async with self._product.running() as caller, watching, self._waits_shortened():
                caller.http.headers.update(BEARER)
                await self._with_faults(caller)
                await self._without_faults(caller)
                await self._inspect(caller)
        finally:
            await self._store.close()
        return self._report

    async def _with_faults(self, caller: Caller) -> None:
        numbers = iter(range(self._count))
        names = [f"a {SECRET_WORD} lighthouse by caller {number}" for number in range(CALLERS)]
        senders = [Sender(name, self._chance, always_keyed=True, sent=1) for name in names]  # 1: plain JSON
        await self._call(caller, senders[0], islice(numbers, 1))  # without faults: the trigger starts a run
        rule = {"fault": "any", "share": SHARE}
        (await caller.http.post(f"{caller.simulator}/_faults", json=rule)).raise_for_status()
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(self._call(caller, sender, numbers) for sender in senders))
        await self._follow(caller, began + WITH_FAULTS_SECONDS + self._count)
        self._report.seconds["with faults"] = asyncio.get_running_loop().time() - began

    async def _without_faults(self, caller: Caller) -> None:
        (await caller.http.delete(f"{caller.simulator}/_faults")).raise_for_status()
        began = asyncio.get_running_loop().time()
        await self._follow(caller, began + WITHOUT_FAULTS_SECONDS)
        self._report.seconds["without"] = asyncio.get_running_loop().time() - began

    async def _follow(self, caller: Caller, deadline: float) -> None:
        """Follow every job until it is final or the deadline has passed."""
        report, clock = self._report, asyncio.get_running_loop().time
        for job_id in report.accepted:
            if job_id not in report.jobs or report.jobs[job_id]["status"] not in FINAL:
                report.jobs[job_id] = await caller.finished(job_id, max(0.0, deadline - clock()))

    async def _inspect(self, caller: Caller) -> None:
        """Collect images, runs, and output once nothing changes any more."""
        report = self._report
        for job in report.jobs.values():
            for url in job["imageUrls"]:
                response = await caller.http.get(url, follow_redirects=True)
                report.served[url] = hashlib.sha256(response.raise_for_status().content).hexdigest()
        report.inputs = await self._inputs_left(report)
        report.runs = await caller.runs()
        report.reserved = (await self._store.read_gate()).budget.total.this_month
        report.faults.update((await caller.stats())["faults"])
        report.vendor = caller.simulator
        for function in (self._product.trigger, *self._product.pollers):
            report.output[function.out.name] = function.out.read_text()
            report.errors[function.err.name] = function.err.read_text()

    async def _inputs_left(self, report: Report) -> list[str]:
        """Return the input images that a few windows have not removed, of final jobs that cannot be retried."""
        for _ in range(ATTEMPTS):
            jobs = report.jobs.items()
            final = {job_id for job_id, job in jobs if job["status"] in FINAL and not is_kept_for_a_retry(job)}
            left = [name for name in await asyncio.to_thread(inputs_in, self._places) if job_of(name) in final]
            if not left:
                break
            await asyncio.sleep(0.5)
        return left

    # --- callers -------------------------------------------------------------------------------------------------

    async def _call(self, caller: Caller, sender: Sender, numbers: Iterator[int]) -> None:
        """Send one request after the other, and every fifth one twice.

        Every third waits until the queue is empty, so that the trigger starts its run.
        """
        for number in numbers:
            if number % 3 == 0:
                await self._queue_is_empty()
            post = await sender.next(caller.http)
            self._report.posts.append(post)
            job_ids = await self._post(caller.http, post)
            sender.earlier += job_ids
            self._report.accepted |= zip(job_ids, post.prompts, strict=True)
            if number % 5 == 0:
                self._report.repeats.append((job_ids, await self._post(caller.http, post)))
            await asyncio.sleep(self._chance.uniform(*BETWEEN_POSTS))

    async def _post(self, http: httpx.AsyncClient, post: Post) -> list[str]:
        while True:
            response = await post.send(http)
            if response.status_code != 503:
                assert response.status_code in (200, 202), response.text
                return ids_of(response)
            await asyncio.sleep(int(response.headers["retry-after"]))

    async def _queue_is_empty(self) -> None:
        for _ in range(ATTEMPTS):
            now, state = datetime.now(UTC), await self._store.read_gate()
            if gate.free_slots(state, NO_LIMITS, now) and not await self._store.queue_head(now, 1):
                return
            await asyncio.sleep(0.5)

    # --- time ----------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _waits_shortened(self) -> AsyncIterator[None]:
        shortening = asyncio.create_task(self._shorten_waits())
        try:
            yield
        finally:
            shortening.cancel()
            with suppress(asyncio.CancelledError):
                await shortening

    async def _shorten_waits(self) -> None:
        while True:
            with suppress(StoreError):  # a function was faster: try again
                await self._resume_soon()
                await self._due_soon()
            await asyncio.sleep(0.5)

    async def _resume_soon(self) -> None:
        state, soon = await self._store.read_gate(), datetime.now(UTC) + timedelta(seconds=1)

        def shortened(suspension: Suspension) -> Suspension:
            if suspension.until <= soon + LONGEST_WAIT:
                return suspension
            self._report.shortened[suspension.reason] += 1
            return replace(suspension, until=soon)

        resumed = replace(
            state,
            suspension=shortened(state.suspension) if state.suspension else None,
            workflows=tuple(shortened(suspension) for suspension in state.workflows),
        )
        if resumed != state:
            await self._store.save_gate(resumed)

    async def _due_soon(self) -> None:
        """Move the due time of jobs that wait for the gate, for a trial, or for the retry of a copy."""
        now = datetime.now(UTC)
        for row in await self._store.due(now + timedelta(hours=2), 10_000):
            job = await self._store.get(row.id)
            held = job and job.held and job.wait_reason is not ErrorCode.SPEND_LIMIT  # SpendWatch lets it go
            waits = job and (job.status in IN_FLIGHT or not job.prepared or held or job.stored_input)
            if job and waits and job.due_at and job.due_at > now + LONGEST_WAIT:
                await self._store.save(job.evolve(due_at=now))
                self._report.shortened[job.status] += 1

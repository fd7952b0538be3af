"""The product while Wireflow does all that it can do wrong: a fault at a fifth of all calls and in a fifth of all runs.

Some refusals are the operator's to mend, and close the gate for five minutes and more. A store that the test can write
to stands for a clock that it cannot turn: the end of a long wait, the gate's or a job's, is moved to the next second.
What opens the gate then is the product's own trial.
"""

import asyncio
import hashlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from shared.job import FINAL, Status
from shared.log import Event
from shared.ports import StoreError
from shared.spending import gate
from tests.crash.inputs import inputs_in, job_of
from tests.crash.posts import BEARER, SETTINGS, Post, Sender, ids_of
from tests.processes.product import UNLIMITED, Caller, Places, Product

SHARE = 0.2
SECRET_WORD = "saffron"  # stands in every prompt, and may stand in no log
CALLERS, BETWEEN_POSTS = 4, (0.05, 0.6)  # seconds
QUIET_LOOKS = 40  # half a second apart
STORM_SECONDS, CALM_SECONDS = 120.0, 60.0  # at most; the storm a second more for each job
LONGEST_WAIT = timedelta(seconds=25)  # above a lease: who holds a job is not meddled with
NO_LIMITS = gate.Limits(per_minute=0, per_day=0)
IN_FLIGHT = {Status.TRIGGERING, Status.RUNNING, Status.COPYING}
# So short that slow faults end: a run that never does, an answer in drops, a paid call that nobody answered.
IMPATIENT = {"LEASE_SECONDS": "20", "RUN_DEADLINE_SECONDS": "20", "MAX_IMAGE_BYTES": "1000000"}
SIMULATOR = {"SIMULATOR_RUN_SECONDS": "0.5-3", "SIMULATOR_SLOW_SECONDS": "2", "SIMULATOR_LARGE_BYTES": "2000000"}


@dataclass
class Report:
    """What came of it, as callers and the vendor saw it."""

    keys: str
    accepted: dict[str, str] = field(default_factory=dict)  # prompts by job
    posts: list[Post] = field(default_factory=list)
    repeats: list[tuple[list[str], list[str]]] = field(default_factory=list)  # jobs of a request, and of its repetition
    inputs: list[str] = field(default_factory=list)  # names of input images that are left
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    served: dict[str, str] = field(default_factory=dict)  # sha256 of the bytes, by each image URL that a job names
    runs: list[dict[str, Any]] = field(default_factory=list)  # paid
    struck: Counter[str] = field(default_factory=Counter)  # faults
    shortened: Counter[str] = field(default_factory=Counter)  # waits, by the closure's reason or the job's status
    seconds: dict[str, float] = field(default_factory=dict)  # of the storm and of the calm after it
    output: dict[str, str] = field(default_factory=dict)  # of each function
    errors: dict[str, str] = field(default_factory=dict)
    vendor: str = ""  # the simulator's address

    def paid_by(self, function: str) -> int:
        """How many paid calls of the trigger or the poller were answered with a run."""
        return sum(text.count(Event.JOB_STARTED) for name, text in self.output.items() if name.startswith(function))

    @property
    def unfinished(self) -> list[dict[str, Any]]:
        """Jobs that have not ended."""
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
            f"{self.struck.total()} faults of {len(self.struck)} kinds, "
            f"{self.shortened.total()} long waits shortened; {len(self.runs)} paid runs "
            f"({self.paid_by('trigger')} by the trigger), {marked} jobs marked, "
            f"{sum(times > 1 for times in self.paid.values())} prompts paid twice; "
            + ", ".join(f"{name} {count}" for name, count in ends.most_common())
        )


class Storm:
    """From the first prompt to the end of the last job. `keys`: whether the vendor honours or ignores them."""

    def __init__(self, folder: Path, jobs: int, keys: str) -> None:
        self._count = jobs
        self._chance = random.Random(keys)
        self._report = Report(keys)
        honour = {"SIMULATOR_HONOUR_KEYS": "true" if keys == "honoured" else "false"}
        self._places = Places.local(folder)
        self._store = self._places.jobs()
        self._product = Product(
            folder, self._places, settings=UNLIMITED | SETTINGS | IMPATIENT, simulator=SIMULATOR | honour
        )

    async def run(self) -> Report:
        """The report; an assertion that fails on the way is raised."""
        try:
            async with self._product.running() as caller, self._in_a_hurry():
                caller.http.headers.update(BEARER)
                await self._storm(caller)
                await self._calm(caller)
                await self._look(caller)
        finally:
            await self._store.close()
        return self._report

    async def _storm(self, caller: Caller) -> None:
        rule = {"fault": "any", "share": SHARE}
        (await caller.http.post(f"{caller.simulator}/_faults", json=rule)).raise_for_status()
        began = asyncio.get_running_loop().time()
        numbers = iter(range(self._count))
        names = [f"a {SECRET_WORD} lighthouse by caller {number}" for number in range(CALLERS)]
        senders = [Sender(name, self._chance, careful=True) for name in names]
        await asyncio.gather(*(self._call(caller, sender, numbers) for sender in senders))
        await self._follow(caller, began + STORM_SECONDS + self._count)
        self._report.seconds["storm"] = asyncio.get_running_loop().time() - began

    async def _calm(self, caller: Caller) -> None:
        (await caller.http.delete(f"{caller.simulator}/_faults")).raise_for_status()
        began = asyncio.get_running_loop().time()
        await self._follow(caller, began + CALM_SECONDS)
        self._report.seconds["calm"] = asyncio.get_running_loop().time() - began

    async def _follow(self, caller: Caller, deadline: float) -> None:
        """Every job to its end, or to where it is at the deadline."""
        report, clock = self._report, asyncio.get_running_loop().time
        for job_id in report.accepted:
            if job_id not in report.jobs or report.jobs[job_id]["status"] not in FINAL:
                report.jobs[job_id] = await caller.finished(job_id, max(0.0, deadline - clock()))

    async def _look(self, caller: Caller) -> None:
        """At what is left when nothing moves any more."""
        report = self._report
        for job in report.jobs.values():
            for url in job["imageUrls"]:
                answer = await caller.http.get(url, follow_redirects=True)
                report.served[url] = hashlib.sha256(answer.raise_for_status().content).hexdigest()
        report.inputs = await self._left(report)
        report.runs = await caller.runs()
        report.struck.update((await caller.stats())["faults"])
        report.vendor = caller.simulator
        for function in (self._product.trigger, *self._product.pollers):
            report.output[function.out.name] = function.out.read_text()
            report.errors[function.err.name] = function.err.read_text()

    async def _left(self, report: Report) -> list[str]:
        """The input images that a few windows have not removed, but for those of jobs that have not ended."""
        for _ in range(QUIET_LOOKS):
            ended = {job_id for job_id, job in report.jobs.items() if job["status"] in FINAL}
            left = [name for name in await asyncio.to_thread(inputs_in, self._places) if job_of(name) in ended]
            if not left:
                break
            await asyncio.sleep(0.5)
        return left

    # --- callers -------------------------------------------------------------------------------------------------

    async def _call(self, caller: Caller, sender: Sender, numbers: Iterator[int]) -> None:
        """Send one request after the other: every third when nobody waits in line, so that the trigger pays for it.

        Of every fifth the answer is lost, and it is sent again.
        """
        for number in numbers:
            if number % 3 == 0:
                await self._nobody_waits()
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
            answer = await post.send(http)
            if answer.status_code != 503:
                assert answer.status_code in (200, 202), answer.text
                return ids_of(answer)
            await asyncio.sleep(int(answer.headers["retry-after"]))

    async def _nobody_waits(self) -> None:
        for _ in range(QUIET_LOOKS):
            now, state = datetime.now(UTC), await self._store.read_gate()
            if gate.free_slots(state, NO_LIMITS, now) and not await self._store.queue_head(now, 1):
                return
            await asyncio.sleep(0.5)

    # --- time ----------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _in_a_hurry(self) -> AsyncIterator[None]:
        hurrying = asyncio.create_task(self._shorten_waits())
        try:
            yield
        finally:
            hurrying.cancel()
            with suppress(asyncio.CancelledError):
                await hurrying

    async def _shorten_waits(self) -> None:
        while True:
            with suppress(StoreError):  # somebody else was faster: the next look shows what he wrote
                await self._open_soon()
                await self._due_soon()
            await asyncio.sleep(0.5)

    async def _open_soon(self) -> None:
        state, soon = await self._store.read_gate(), datetime.now(UTC) + timedelta(seconds=1)
        if state.suspension and state.suspension.until > soon + LONGEST_WAIT:
            await self._store.save_gate(replace(state, suspension=replace(state.suspension, until=soon)))
            self._report.shortened[state.suspension.reason] += 1

    async def _due_soon(self) -> None:
        """Jobs that were told to come back when the gate opens, or when a copy is tried again."""
        now = datetime.now(UTC)
        for job in await self._store.due(now + timedelta(hours=2), 10_000):
            waits = job.status in IN_FLIGHT or not job.prepared or job.stored_input
            if waits and job.due_at and job.due_at > now + LONGEST_WAIT:
                await self._store.save(job.evolve(due_at=now))
                self._report.shortened[job.status] += 1

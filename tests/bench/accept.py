"""How many requests a second `POST /` accepts on Firestore, beside functions that do the least for the same.

All are measured in each round, again and again for a short time in turn, so that what else the machine does concerns
all of them: other machines on the same processors change its speed within seconds. A miss of a target ends the bench
with exit code 1.
"""

import asyncio
import os
import statistics
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from shared.error_codes import ErrorCode
from shared.job import Job
from shared.job_states import Status
from shared.jobs.documents import MAX_BATCH
from shared.jobs.firestore import FirestoreJobs
from shared.spending.gate_state import Gate, ResumeOn, Suspension
from tests.bench import clients
from tests.bench.row import Row
from tests.processes.function import ROOT, Function
from tests.processes.product import API_KEY, UNLIMITED, WEBHOOK_ID
from tests.servers.firestore import running_emulator

HOUR = timedelta(hours=1)
FIRST_TRIES = 10
TURNS = 3  # of each function in a round
# By the number of clients: the least ratio of a queued POST, and its most CPU time in ms; the least of a started one.
CLOSED, CPU, OPEN = {1: 0.75, 16: 0.55, 64: 0.55}, {64: 2.5}, 0.9


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is measured: each function in each round for so many seconds, in TURNS."""

    rounds: int = 5
    seconds: float = 3.0
    waiting: tuple[int, ...] = (0, 100_000)
    clients: tuple[int, ...] = (1, 16, 64)
    targets: bool = True


FULL = Plan()
SHORT = Plan(rounds=1, seconds=0.3, waiting=(0, 200), clients=(1, 16), targets=False)


@dataclass(frozen=True)
class Target:
    """At least this ratio, at most this CPU time in ms."""

    ratio: float
    cpu: float | None = None


@dataclass(frozen=True)
class Sample:
    """One function under one load: requests a second, seconds per response, CPU seconds per request."""

    rate: float
    p50: float
    p99: float
    cpu: float


@dataclass(frozen=True)
class Load:
    """One turn of a function: the seconds of each response, of all, and of CPU time."""

    taken: list[float]
    lasted: float
    cpu: float


def measure(folder: Path, plan: Plan) -> list[Row]:
    """Requests a second, latency, and CPU time: medians of the rounds."""
    with running_emulator(folder / "emulator.log") as emulator:
        os.environ["FIRESTORE_EMULATOR_HOST"] = emulator
        return [row for waiting in plan.waiting for row in _measure(folder, plan, waiting, emulator)]


def _measure(folder: Path, plan: Plan, waiting: int, emulator: str) -> list[Row]:
    samples: dict[tuple[str, int], list[Sample]] = {}
    with _functions(folder, waiting, emulator) as functions:
        for function in functions.values():
            _connect(function)
            clients.load(function.port, 16, plan.seconds)  # the emulator compiles what it runs often
        for _ in range(plan.rounds):
            for count in plan.clients:
                for name, sample in _round(functions, count, plan.seconds).items():
                    samples.setdefault((name, count), []).append(sample)
    rows = []
    for count in plan.clients:
        of = {name: samples[name, count] for name in functions}
        what = f"{count} clients, {waiting:,} waiting"
        queued, started = (Target(CLOSED[count], CPU.get(count)), Target(OPEN)) if plan.targets else (None, None)
        rows += [
            *_rows(f"bare function, {what}", of["bare"]),
            *_rows(f"POST / queued, {what}", of["queued"], of["bare"], queued),
            *_rows(f"floor handler, {what}", of["floor"]),
            *_rows(f"POST / started, {what}", of["started"], of["floor"], started),
        ]
    return rows


def _connect(function: Function) -> None:
    """Let a function import and connect: on a busy machine its first request may take longer than a call may."""
    for _ in range(FIRST_TRIES):
        if httpx.post(f"{function.url}/", json={"prompt": "a red fox"}, timeout=60.0).status_code != 503:
            return


def _rows(what: str, ours: list[Sample], plain: list[Sample] | None = None, target: Target | None = None) -> list[Row]:
    """Four lines of the table."""
    ratio, cpu = (target.ratio, target.cpu) if target else (None, None)
    return [
        Row(what, _median(ours, "rate"), "/s", plain and _median(plain, "rate"), at_least=ratio),
        Row("  p50", 1000 * _median(ours, "p50"), "ms", plain and 1000 * _median(plain, "p50")),
        Row("  p99", 1000 * _median(ours, "p99"), "ms", plain and 1000 * _median(plain, "p99")),
        Row("  CPU a request", 1000 * _median(ours, "cpu"), "ms", plain and 1000 * _median(plain, "cpu"), at_most=cpu),
    ]


def _median(samples: list[Sample], name: str) -> float:
    return statistics.median(getattr(sample, name) for sample in samples)


def _round(functions: dict[str, Function], count: int, seconds: float) -> dict[str, Sample]:
    """Measure each function in turns, every other time in reverse order."""
    loads: dict[str, list[Load]] = {name: [] for name in functions}
    for turn in range(TURNS):
        for name in [*functions][:: -1 if turn % 2 else 1]:
            loads[name].append(_load(functions[name], count, seconds / TURNS))
    return {name: _sample(turns) for name, turns in loads.items()}


def _load(function: Function, count: int, seconds: float) -> Load:
    before = function.cpu_seconds()
    try:
        taken, lasted = clients.load(function.port, count, seconds)
    except AssertionError as error:
        error.add_note(f"{function.name}:\n{function.err.read_text()[-2000:]}")
        raise
    return Load(taken, lasted, function.cpu_seconds() - before)


def _sample(loads: list[Load]) -> Sample:
    taken = sorted(one for load in loads for one in load.taken)
    lasted, cpu = sum(load.lasted for load in loads), sum(load.cpu for load in loads)
    return Sample(len(taken) / lasted, taken[len(taken) // 2], taken[len(taken) * 99 // 100], cpu / len(taken))


# --- the functions -------------------------------------------------------------------------------------------------


@contextmanager
def _functions(folder: Path, waiting: int, emulator: str) -> Iterator[dict[str, Function]]:
    """Start them, each with a project of its own, in which so many jobs wait."""
    repository = {"PYTHONPATH": str(ROOT), "FIRESTORE_EMULATOR_HOST": emulator}
    vendor = {"SIMULATOR_WEBHOOK_ID": WEBHOOK_ID, "SIMULATOR_API_KEY": API_KEY, "SIMULATOR_RUN_SECONDS": "3600"}
    simulator = Function(
        "simulator", folder, repository | vendor, source="functions/simulator/main.py", ready="/_stats"
    )
    base = {"WIREFLOW_BASE_URL": f"{simulator.url}/api/v1", "WIREFLOW_WEBHOOK_ID": WEBHOOK_ID}

    def function(name: str, kind: str) -> Function:
        project = f"{name}-{uuid.uuid4().hex[:8]}"
        if kind == "plain":
            source, settings, ready = "tests/bench/plain.py", {"PROJECT": project}, "/"
            return Function(name, folder, repository | base | settings, source=source, ready=ready)
        asyncio.run(_prepare(project, kind, waiting))
        settings = {
            "WIREFLOW_API_KEY": API_KEY,
            "ALLOW_PRIVATE_NETWORK": "true",
            "JOBS_URL": f"firestore://{project}/(default)",
            "IMAGES_URL": f"file://{folder / 'images'}",
            "MAX_QUEUED_JOBS": "0",
            **UNLIMITED,
        }
        source = "functions/trigger/main.py"
        return Function("trigger", folder, repository | base | settings, name=name, source=source)

    functions = {
        "bare": function("bare", "plain"),
        "queued": function("queued", "closed"),
        "floor": function("floor", "plain"),
        "started": function("started", "open"),
    }
    with ExitStack() as stack:
        for one in (simulator, *functions.values()):
            stack.callback(one.kill)
            one.start()
        yield functions


async def _prepare(project: str, gate: str, waiting: int) -> None:
    """Suspend the gate if it is to be closed, and store the jobs that wait: held ones, if it is open."""
    store, now = FirestoreJobs(project, seconds=60.0), datetime.now(UTC)
    if gate == "closed":
        suspension = Suspension(
            reason=ErrorCode.KEY_REFUSED, resume_on=ResumeOn.TRIAL, since=now, until=now + timedelta(minutes=59)
        )
        await store.save_gate(Gate(suspension=suspension))
    for jobs in waiting_jobs(waiting, held=gate == "open"):
        await store.create_all(jobs)
    await store.close()


def waiting_jobs(count: int, *, held: bool) -> Iterator[list[Job]]:
    """Yield jobs in batches that can be stored together. `held`: out of the queue."""
    now = datetime.now(UTC)
    for first in range(0, count, MAX_BATCH):
        yield [_waiting_job(number, now, held=held) for number in range(first, min(first + MAX_BATCH, count))]


def _waiting_job(number: int, now: datetime, *, held: bool) -> Job:
    place = now - HOUR + number * timedelta(microseconds=1)
    job = Job(
        id=uuid.uuid4().hex,
        status=Status.QUEUED,
        prompt="a red fox",
        created_at=now - HOUR,
        expire_at=now + 90 * 24 * HOUR,
        give_up_at=now + 72 * HOUR,
        caller=f"caller {number % 3}",
        queue_at=place,
        place=place,
        due_at=now + 72 * HOUR,
        wait_reason=ErrorCode.RATE_LIMITED,
    )
    return replace(job, queue_at=job.give_up_at) if held else job

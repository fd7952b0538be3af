"""Spend limits that hold jobs for a few seconds each, while every state of the gate is checked against them.

A test cannot set the clock of another process. When a limit has held jobs for a while, its counter begins anew in the
store, as at midnight or ten minutes later.
"""

import asyncio
import json
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from shared.error_codes import ErrorCode
from shared.job_states import Status
from shared.jobs.documents import gate_from_document
from shared.jobs.sqlite import GATE
from shared.ports import JobQuery, JobStore
from shared.spending.budget import Budget, Spent
from shared.spending.gate_state import Gate
from shared.store_errors import StoreError
from tests.harness.background import meanwhile

CALLER = "tests"
PRICE = 100_000  # micro-dollars of one image
TEN_MINUTES, DAY, CALLERS_DAY = "SPEND_PER_10_MINUTES_USD", "DAILY_SPEND_USD", "usdPerDay"
LIMITS = {TEN_MINUTES: 8 * PRICE, CALLERS_DAY: 10 * PRICE, DAY: 12 * PRICE}
SETTINGS = {
    TEN_MINUTES: str(LIMITS[TEN_MINUTES] / 1e6),
    DAY: str(LIMITS[DAY] / 1e6),
    "CALLER_LIMITS": json.dumps({CALLER: {CALLERS_DAY: LIMITS[CALLERS_DAY] / 1e6}}),
}
UNSTARTED = (Status.QUEUED, Status.TRIGGERING)  # one waits for the retry of its call
HOLDS = 1.0  # seconds for which a limit holds jobs
BETWEEN_STATES = 0.1  # seconds, of a store that tells only its current state
HISTORY = f"""
CREATE TABLE gates (document TEXT NOT NULL);
CREATE TRIGGER first_gate AFTER INSERT ON control WHEN new.id = '{GATE}'
    BEGIN INSERT INTO gates VALUES (new.document); END;
CREATE TRIGGER next_gate AFTER UPDATE ON control WHEN new.id = '{GATE}'
    BEGIN INSERT INTO gates VALUES (new.document); END;
"""


@dataclass
class SpendWatch:
    """What was seen. `held`: how often each limit has held jobs; `states`: how many states of the gate were checked."""

    held: Counter[str] = field(default_factory=Counter)
    states: int = 0
    exceeded: list[str] = field(default_factory=list)  # limits that a start exceeded; actual costs may
    starts: int = 0  # of the day, in the last state that was checked

    def __str__(self) -> str:
        held = ", ".join(f"{name} {times}" for name, times in sorted(self.held.items()))
        return f"{self.states} states of the gate, in which limits have held jobs: {held}"

    @asynccontextmanager
    async def watching(self, store: JobStore, sqlite: Path | None) -> AsyncIterator[None]:
        """Check the gate's states until the block ends, and let limits go after a while.

        `sqlite`: the file of the store, which then tells every state.
        """
        if sqlite:
            await store.read_gate()  # creates the tables
            with closing(sqlite3.connect(sqlite)) as sql:
                sql.executescript(HISTORY)
        async with meanwhile(self._watch(store, sqlite)):
            yield
        if sqlite:
            with closing(sqlite3.connect(sqlite)) as sql:
                texts = [text for (text,) in sql.execute("SELECT document FROM gates")]
            for text in texts:
                self._check(gate_from_document({"budget": json.loads(text).get("budget")}, None))

    async def _watch(self, store: JobStore, sqlite: Path | None) -> None:
        since: dict[str, float] = {}
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(BETWEEN_STATES)
            with suppress(StoreError):  # a function was faster: try again
                state = await store.read_gate()
                if sqlite is None:
                    self._check(state)
                full = [name for name, spent in _spent(state).items() if spent + PRICE > LIMITS[name]]
                waits = full and any([await store.list_jobs(JobQuery(limit=1, status=status)) for status in UNSTARTED])
                since = {name: since.get(name, clock()) for name in full if waits}
                for name in [name for name, at in since.items() if clock() - at >= HOLDS]:
                    await self._let_go(name, state, store)
                    del since[name]
                    break  # the state is another one now

    async def _let_go(self, name: str, state: Gate, store: JobStore) -> None:
        """Let the counter of a limit begin anew, and jobs that were held for it come back."""
        await store.save_gate(replace(state, budget=_renewed(state.budget, name)))
        self.held[name] += 1
        now = datetime.now(UTC)
        for row in await store.due(now + timedelta(hours=2), 10_000) if name == CALLERS_DAY else ():
            job = await store.get(row.id)
            if job and job.held and job.wait_reason is ErrorCode.SPEND_LIMIT:
                with suppress(StoreError):
                    await store.save(job.due(now))

    def _check(self, state: Gate) -> None:
        """Check a state after a start: a run with more images than expected may cost more than was reserved."""
        started, self.starts = state.budget.total.starts > self.starts, state.budget.total.starts
        self.states += 1
        over = [f"{name}: {spent}" for name, spent in _spent(state).items() if spent > LIMITS[name]]
        self.exceeded += over if started else []


def _spent(state: Gate) -> dict[str, int]:
    budget = state.budget
    caller = budget.callers.get(CALLER, Spent())
    return {
        TEN_MINUTES: sum(amount for _, amount in budget.recent),
        CALLERS_DAY: caller.today,
        DAY: budget.total.today,
    }


def _renewed(budget: Budget, name: str) -> Budget:
    if name == TEN_MINUTES:
        return replace(budget, recent=())
    if name == DAY:
        return replace(budget, total=budget.total._replace(today=0))
    callers = {caller: spent._replace(today=0) for caller, spent in budget.callers.items()}
    return replace(budget, callers=callers)

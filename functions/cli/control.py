"""`control`: the operator's switch, and what the gate does now. Works on a local store and on a deployed one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from functions.cli.errors import RequestRejected
from functions.cli.output import print_control, print_line
from functions.cli.stores import open_store
from shared.error_codes import EXPLANATIONS
from shared.public_job import timestamp
from shared.spending.budget import NOTHING, spent_recently
from shared.spending.gate_state import Gate, Limits, ResumeOn, Suspension
from shared.spending.money import dollars
from shared.steps import control as steps
from shared.store_errors import Conflict

NO_LIMIT = "no limit"
ENDS = {
    ResumeOn.TIME: "at that time",
    ResumeOn.HEALTH: "when Wireflow's health call succeeds",
    ResumeOn.TRIAL: "when a trial succeeds",
    ResumeOn.OPERATOR: "with `control resume`",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the status."""

    name: str
    value: str


async def status(environ: Mapping[str, str], *, live: bool) -> None:
    """Print what is suspended, why, since when, and what was spent. Raises SetupError."""
    async with open_store(environ, live=live) as deps:
        gate = await deps.admission.read()
        print_control([(row.name, row.value) for row in rows(gate, deps.config.limits, deps.clock.now())])


async def pause(environ: Mapping[str, str], *, live: bool) -> None:
    """Let no job start until `resume`. Raises SetupError."""
    async with open_store(environ, live=live) as deps:
        await steps.pause(deps)
        print_line("Paused: no job starts until `control resume`. Runs that have started continue.")


async def resume(environ: Mapping[str, str], *, live: bool) -> None:
    """End every suspension. Raises SetupError."""
    async with open_store(environ, live=live) as deps:
        await steps.resume(deps)
        print_line("Resumed: jobs may start again.")


async def trial(job_id: str, environ: Mapping[str, str], *, live: bool) -> None:
    """Let the poller start one queued job, through every suspension. Raises SetupError and RequestRejected."""
    async with open_store(environ, live=live) as deps:
        try:
            await steps.start_one(job_id, deps)
        except steps.NotWaiting as error:
            raise RequestRejected(str(error)) from error
        except Conflict:
            raise RequestRejected("A worker has just taken the job. Try again.") from None
        print_line("The poller starts the job next. If Wireflow accepts it, the suspension ends; a pause stays.")


# --- status --------------------------------------------------------------------------------------------------------


def rows(gate: Gate, limits: Limits, now: datetime) -> Iterator[Row]:
    """Yield the lines of the status: the suspensions, then what was started and spent against each limit."""
    suspensions = list(filter(None, (gate.suspension, *gate.workflows)))
    if not suspensions:
        yield Row("starts", "not suspended")
    for suspension in suspensions:
        yield from _suspension(suspension)
    yield Row("executions today", _of(str(gate.today(now)), str(limits.per_day) if limits.per_day else NO_LIMIT))
    yield from _spent(gate, limits, now)


def _suspension(suspension: Suspension) -> Iterator[Row]:
    whose = f"the workflow {suspension.workflow}" if suspension.workflow else "all jobs"
    yield Row("suspended", f"{whose}: {suspension.reason}. {EXPLANATIONS[suspension.reason].message}")
    yield Row("  since", str(timestamp(suspension.since)))
    yield Row("  ends", ENDS[suspension.resume_on])
    if suspension.resume_on is not ResumeOn.OPERATOR:
        name = {ResumeOn.TRIAL: "  next trial", ResumeOn.HEALTH: "  next health call"}.get(suspension.resume_on)
        yield Row(name or "  until", str(timestamp(suspension.until)))
    if suspension.credits_required is not None:
        yield Row("  credits", f"{suspension.credits_required:g} required, {suspension.credits_available or 0:g} left")


def _spent(gate: Gate, limits: Limits, now: datetime) -> Iterator[Row]:
    """What was reserved; nothing is counted without limits."""
    spending, day = limits.spending, max(gate.budget.total.day, now.date().isoformat())
    if not spending.configured:
        yield Row("spend", "not counted: no spend limit is set in the environment of this command")
        return
    total = gate.budget.total.on(day)
    yield Row("spent in 10 minutes", _money(spent_recently(gate.budget, now), spending.per_10_minutes))
    yield Row("spent today", _money(total.today, spending.per_day))
    yield Row("spent this month", _money(total.this_month, spending.per_month))
    for name, own in spending.callers.items():
        spent = gate.budget.callers.get(name, NOTHING).on(day)
        yield Row(f"caller {name}", _of(f"{spent.starts} starts today", str(own.per_day) if own.per_day else NO_LIMIT))
        yield Row("  today", _money(spent.today, own.spend_per_day))
        yield Row("  this month", _money(spent.this_month, own.spend_per_month))


def _money(spent: int, limit: int) -> str:
    return _of(f"${dollars(spent):.2f}", f"${dollars(limit):.2f}" if limit else NO_LIMIT)


def _of(spent: str, limit: str) -> str:
    return f"{spent} ({NO_LIMIT})" if limit == NO_LIMIT else f"{spent} of {limit}"

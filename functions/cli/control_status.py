"""What `control status` shows of the gate: the suspensions, and what was started and spent against each limit."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from functions.cli.text import dollars_text
from shared.error_codes import EXPLANATIONS
from shared.public_job import timestamp
from shared.spending.budget import NOTHING, spent_recently
from shared.spending.gate_state import Gate, Limits, ResumeOn, Suspension
from shared.spending.money import dollars

NO_LIMIT = "no limit"
ENDS = {
    ResumeOn.TIME: "at that time",
    ResumeOn.HEALTH: "when Wireflow's health call succeeds",
    ResumeOn.TRIAL: "when a trial succeeds",
    ResumeOn.OPERATOR: "with `control resume`",
}
UNTIL = {ResumeOn.TIME: "  until", ResumeOn.HEALTH: "  next health call", ResumeOn.TRIAL: "  next trial"}
SPEND = {"in10Minutes": "spent in 10 minutes", "today": "spent today", "thisMonth": "spent this month"}

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the status."""

    name: str
    value: str


def gate_status(gate: Gate, limits: Limits, now: datetime) -> Values:
    """Return the status as JSON values: amounts in dollars, limits null if there is none.

    `spend` and `callers` are null if no spend limit is set: then nothing is counted. `until` of a suspension: when the
    next trial or health call is due, null if the operator must resume.
    """
    spending, day = limits.spending, max(gate.budget.total.day, now.date().isoformat())
    total, recent = gate.budget.total.on(day), spent_recently(gate.budget, now)
    spend = {
        "in10Minutes": _spent(recent, spending.per_10_minutes),
        "today": _spent(total.today, spending.per_day),
        "thisMonth": _spent(total.this_month, spending.per_month),
    }
    callers = []
    for name, own in spending.callers.items():
        spent = gate.budget.callers.get(name, NOTHING).on(day)
        starts = {"startsToday": spent.starts, "startsPerDay": own.per_day or None}
        today, month = _spent(spent.today, own.spend_per_day), _spent(spent.this_month, own.spend_per_month)
        callers.append({"name": name, **starts, "today": today, "thisMonth": month})
    return {
        "suspensions": [_suspension(one) for one in (gate.suspension, *gate.workflows) if one],
        "executionsToday": gate.today(now),
        "executionsPerDay": limits.per_day or None,
        "spend": spend if spending.configured else None,
        "callers": callers if spending.configured else None,
    }


def _suspension(suspension: Suspension) -> Values:
    by_operator = suspension.resume_on is ResumeOn.OPERATOR
    return {
        "workflow": suspension.workflow,  # None: all jobs
        "reason": str(suspension.reason),
        "message": EXPLANATIONS[suspension.reason].message,
        "since": timestamp(suspension.since),
        "endsBy": str(suspension.resume_on),
        "until": None if by_operator else timestamp(suspension.until),
        "creditsRequired": suspension.credits_required,
        "creditsAvailable": suspension.credits_available,
    }


def _spent(spent: int, limit: int) -> Values:
    return {"spent": dollars(spent), "limit": dollars(limit) if limit else None}


# --- as text -------------------------------------------------------------------------------------------------------


def rows(gate: Gate, limits: Limits, now: datetime) -> Iterator[Row]:
    """Yield the lines of the status."""
    status = gate_status(gate, limits, now)
    if not status["suspensions"]:
        yield Row("starts", "not suspended")
    for suspension in status["suspensions"]:
        yield from _suspension_rows(suspension)
    yield Row("executions today", _of(status["executionsToday"], status["executionsPerDay"]))
    if status["spend"] is None:
        yield Row("spend", "not counted: no spend limit is set in the environment of this command")
        return
    for key, name in SPEND.items():
        yield Row(name, _money(status["spend"][key]))
    for caller in status["callers"]:
        yield Row(f"caller {caller['name']}", _of(f"{caller['startsToday']} starts today", caller["startsPerDay"]))
        yield Row("  today", _money(caller["today"]))
        yield Row("  this month", _money(caller["thisMonth"]))


def _suspension_rows(suspension: Values) -> Iterator[Row]:
    whose = f"the workflow {suspension['workflow']}" if suspension["workflow"] else "all jobs"
    yield Row("suspended", f"{whose}: {suspension['reason']}. {suspension['message']}")
    yield Row("  since", suspension["since"])
    yield Row("  ends", ENDS[suspension["endsBy"]])
    if suspension["until"]:
        yield Row(UNTIL[suspension["endsBy"]], suspension["until"])
    if suspension["creditsRequired"] is not None:
        left = suspension["creditsAvailable"] or 0
        yield Row("  credits", f"{suspension['creditsRequired']:g} required, {left:g} left")


def _money(amount: Values) -> str:
    limit = amount["limit"]
    return _of(dollars_text(amount["spent"]), limit and dollars_text(limit))


def _of(spent: object, limit: object) -> str:
    return f"{spent} of {limit}" if limit else f"{spent} ({NO_LIMIT})"

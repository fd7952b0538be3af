"""The gate on spending: whether an execution may start now, and if not, when. Pure; its state is one document.

A closed gate never refuses a job: the job waits, and `estimate` says when it can go.
Limits: https://www.wireflow.ai/docs/api (10 executions a minute on every plan; 50, 200 or 1,000 a day).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from shared.error_codes import ErrorCode

# A start counts where it arrives, not where it was reserved: one second more than Wireflow's minute covers the way.
WINDOW = timedelta(seconds=61)
FIRST_TRIAL, LAST_TRIAL = timedelta(minutes=5), timedelta(minutes=60)
FIRST_PROBE, LAST_PROBE = timedelta(seconds=5), timedelta(seconds=300)
UNLIMITED = 1_000  # what one look at an unlimited gate lets through at once


class ResumeOn(StrEnum):
    """What ends a closure. The later ones in this list outweigh the earlier ones."""

    TIME = "time"  # 429: the time that Wireflow named
    HEALTH = "health"  # unreachable or failing: its free health call answers again
    TRIAL = "trial"  # credits, key, workflow: one job tries, at growing intervals


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the plan and the operator allow; 0 means no limit."""

    per_minute: int
    per_day: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """Why the gate is closed, and when it is tried again. `credits_*` are Wireflow's figures of a 402."""

    reason: ErrorCode
    reopening: ResumeOn
    since: datetime
    until: datetime
    tries: int = 1
    credits_required: float | None = None
    credits_available: float | None = None
    by_poll: bool = False  # heard from a poll, not from a paid call: an answered poll ends it


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The start times of the last minute, the executions of the (UTC) day, and the closure if there is one."""

    starts: tuple[datetime, ...] = ()
    day: str = ""
    executions_today: int = 0
    closure: Suspension | None = None
    revision: Any = None

    def today(self, now: datetime) -> int:
        """Executions since midnight UTC."""
        return self.executions_today if self.day == _day(now) else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Leave to start one execution. `trial`: this one shows whether the gate may open."""

    at: datetime
    trial: bool = False


def free(gate: Gate, limits: Limits, now: datetime) -> int:
    """How many executions may start now."""
    slots = UNLIMITED
    if limits.per_minute:
        slots = min(slots, limits.per_minute - len(_recent(gate, now)))
    if limits.per_day:
        slots = min(slots, limits.per_day - gate.today(now))
    if gate.closure and _shut(gate.closure, now):
        slots = 0
    elif gate.closure and gate.closure.reopening is ResumeOn.TRIAL:
        slots = min(slots, 1)
    return max(slots, 0)


def reserve(gate: Gate, limits: Limits, wanted: int, now: datetime) -> tuple[Gate, list[Slot]]:
    """The gate after letting through as many of `wanted` as it allows, and their slots."""
    count = min(wanted, free(gate, limits, now))
    if not count:
        return gate, []
    trial = gate.closure is not None and gate.closure.reopening is ResumeOn.TRIAL
    starts = (*_recent(gate, now), *[now] * count) if limits.per_minute else ()
    passed = replace(
        gate,
        starts=starts,
        day=_day(now),
        executions_today=gate.today(now) + count,
        closure=_postponed(gate.closure, now) if trial and gate.closure else _lasting(gate.closure, now),
    )
    return passed, [Slot(at=now, trial=trial)] * count


def release(gate: Gate, slots: Sequence[Slot]) -> Gate:
    """The gate without starts that did not happen: refused by Wireflow, or not needed after all."""
    starts = list(gate.starts)
    for slot in slots:
        if slot.at in starts:
            starts.remove(slot.at)
    today = [slot for slot in slots if _day(slot.at) == gate.day]
    return replace(gate, starts=tuple(starts), executions_today=max(0, gate.executions_today - len(today)))


def close(gate: Gate, closure: Suspension) -> Gate:
    """The gate with `closure`, unless what closes it already is as strong and lasts."""
    there = gate.closure
    if there is None or not _shut(there, closure.since):
        return replace(gate, closure=closure)
    ranks = list(ResumeOn)
    stronger = ranks.index(closure.reopening) > ranks.index(there.reopening)
    later = closure.reopening is there.reopening is ResumeOn.TIME and closure.until > there.until
    return replace(gate, closure=closure) if stronger or later else gate


def reopen(gate: Gate) -> Gate:
    """The gate without its closure."""
    return replace(gate, closure=None)


def probe_failed(gate: Gate, now: datetime) -> Gate:
    """The gate after a health call that did not answer 200: asked again after twice the time."""
    closure = gate.closure
    return replace(gate, closure=_postponed(closure, now)) if closure else gate


def first_trial(now: datetime) -> datetime:
    """When one job tries after a refusal that only the operator can mend."""
    return now + FIRST_TRIAL


def first_probe(now: datetime) -> datetime:
    """When the health call is first asked after an outage began."""
    return now + FIRST_PROBE


def wait_reason_of(gate: Gate, limits: Limits, now: datetime) -> ErrorCode | None:
    """What keeps a job from starting now, or None."""
    if gate.closure and _shut(gate.closure, now):
        return gate.closure.reason
    return ErrorCode.RATE_LIMITED if not free(gate, limits, now) else None


def estimate(gate: Gate, limits: Limits, ahead: int, now: datetime) -> datetime:
    """When a job with `ahead` others before it can go, if nothing changes."""
    at = max(now, gate.closure.until) if gate.closure else now
    if limits.per_day:
        at = _after_days(gate, limits.per_day, ahead, at, now)
    if limits.per_minute:
        at = _after_minutes(gate, limits.per_minute, ahead, at)
    return at


def _after_days(gate: Gate, per_day: int, ahead: int, at: datetime, now: datetime) -> datetime:
    days = (gate.today(now) + ahead) // per_day
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return max(at, midnight + timedelta(days=days)) if days else at


def _after_minutes(gate: Gate, per_minute: int, ahead: int, at: datetime) -> datetime:
    taken = [start + WINDOW for start in sorted(gate.starts) if start + WINDOW > at]
    slots = [at] * (per_minute - len(taken)) + taken
    rounds, place = divmod(ahead, per_minute)
    return max(at, slots[place]) + rounds * WINDOW


def _shut(closure: Suspension, now: datetime) -> bool:
    return closure.reopening is ResumeOn.HEALTH or now < closure.until


def _lasting(closure: Suspension | None, now: datetime) -> Suspension | None:
    return closure if closure and _shut(closure, now) else None


def _postponed(closure: Suspension, now: datetime) -> Suspension:
    trial = closure.reopening is ResumeOn.TRIAL
    first, last = (FIRST_TRIAL, LAST_TRIAL) if trial else (FIRST_PROBE, LAST_PROBE)
    pause = min(first * 2 ** min(closure.tries, 10), last)
    return replace(closure, until=now + pause, tries=closure.tries + 1)


def _recent(gate: Gate, now: datetime) -> list[datetime]:
    return [start for start in gate.starts if start > now - WINDOW]


def _day(now: datetime) -> str:
    return now.date().isoformat()

"""The gate on spending: whether an execution may start now, and if not, when. Pure; its state is one document.

The gate never rejects a job: the job waits, and `estimate_start` says when it can start.
Limits: https://www.wireflow.ai/docs/api (10 executions a minute on every plan; 50, 200 or 1,000 a day).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any

from shared.error_codes import ErrorCode

# A start counts when it arrives, not when it was reserved: one second more than Wireflow's minute covers the latency.
WINDOW = timedelta(seconds=61)
# The first and the longest pause before a trial, and before a health call; each pause is twice as long as the last.
FIRST_TRIAL, MAX_TRIAL = timedelta(minutes=5), timedelta(minutes=60)
FIRST_PROBE, MAX_PROBE = timedelta(seconds=5), timedelta(seconds=300)
UNLIMITED = 1_000  # executions that a gate without limits admits at once


class ResumeOn(StrEnum):
    """What ends a suspension. Later members outweigh earlier ones."""

    TIME = "time"  # 429: the time that Wireflow named has come
    HEALTH = "health"  # unreachable or failing: Wireflow's free health call succeeds again
    TRIAL = "trial"  # credits, key, workflow: a single job is tried at growing intervals, and one succeeds


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the plan and the operator allow; 0 means no limit."""

    per_minute: int
    per_day: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """Why the gate is suspended, and when it is tried again. `credits_*` are Wireflow's figures in a 402."""

    reason: ErrorCode
    resume_on: ResumeOn
    since: datetime
    until: datetime
    tries: int = 1
    credits_required: float | None = None
    credits_available: float | None = None
    by_poll: bool = False  # caused by a poll, not by a paid call: a successful poll ends it


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The starts of the last minute, the executions of the (UTC) day, and the suspension if there is one."""

    starts: tuple[datetime, ...] = ()
    day: str = ""
    executions_today: int = 0
    suspension: Suspension | None = None
    revision: Any = None

    def today(self, now: datetime) -> int:
        """Return the executions since midnight UTC."""
        return self.executions_today if self.day >= _day(now) else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Permission to start one execution. `trial`: its outcome decides whether the gate resumes."""

    at: datetime
    trial: bool = False


def free_slots(gate: Gate, limits: Limits, now: datetime) -> int:
    """Return how many executions may start now."""
    slots = UNLIMITED
    if limits.per_minute:
        slots = min(slots, limits.per_minute - len(_recent_starts(gate, now)))
    if limits.per_day:
        slots = min(slots, limits.per_day - gate.today(now))
    if gate.suspension and _in_force(gate.suspension, now):
        slots = 0
    elif gate.suspension and gate.suspension.resume_on is ResumeOn.TRIAL:
        slots = min(slots, 1)
    return max(slots, 0)


def reserve(gate: Gate, limits: Limits, wanted: int, now: datetime) -> tuple[Gate, list[Slot]]:
    """Return the gate after admitting as many of `wanted` as it allows, and their slots."""
    gate = without_future(gate, now)
    count = min(wanted, free_slots(gate, limits, now))
    if not count:
        return gate, []
    suspension, trial = gate.suspension, False
    if suspension and suspension.resume_on is ResumeOn.TRIAL:
        suspension, trial = _extended(suspension, now), True
    elif suspension and not _in_force(suspension, now):
        suspension = None
    reserved = replace(
        gate,
        starts=(*_recent_starts(gate, now), *[now] * count) if limits.per_minute else (),
        day=max(gate.day, _day(now)),
        executions_today=gate.today(now) + count,
        suspension=suspension,
    )
    return reserved, [Slot(at=now, trial=trial)] * count


def without_future(gate: Gate, now: datetime) -> Gate:
    """Return the gate with starts of the future as starts of now, and a suspension of the future beginning now.

    The clock was set back: without this, it would have to catch up before anything may start.
    """
    starts, suspension = tuple(min(start, now) for start in gate.starts), gate.suspension
    if suspension:
        ahead = max(suspension.since - now, timedelta())
        until = min(suspension.until - ahead, now + MAX_TRIAL)  # no pause is longer
        suspension = replace(suspension, since=suspension.since - ahead, until=until)
    return replace(gate, starts=starts, suspension=suspension)


def release(gate: Gate, slots: Sequence[Slot]) -> Gate:
    """Return the gate without starts that did not happen: refused by Wireflow, or not needed after all."""
    starts = list(gate.starts)
    for slot in slots:
        if slot.at in starts:
            starts.remove(slot.at)
    today = [slot for slot in slots if _day(slot.at) == gate.day]
    return replace(gate, starts=tuple(starts), executions_today=max(0, gate.executions_today - len(today)))


def suspend(gate: Gate, suspension: Suspension) -> Gate:
    """Return the gate with `suspension`, unless one as strong is in force."""
    current = gate.suspension
    if current is None or not _in_force(current, suspension.since):
        return replace(gate, suspension=suspension)
    ranks = list(ResumeOn)
    stronger = ranks.index(suspension.resume_on) > ranks.index(current.resume_on)
    later = suspension.resume_on is current.resume_on is ResumeOn.TIME and suspension.until > current.until
    return replace(gate, suspension=suspension) if stronger or later else gate


def resume(gate: Gate) -> Gate:
    """Return the gate without its suspension."""
    return replace(gate, suspension=None)


def probe_failed(gate: Gate, now: datetime) -> Gate:
    """Return the gate after a failed health call: the pause before the next one doubles."""
    return replace(gate, suspension=_extended(gate.suspension, now)) if gate.suspension else gate


def wait_reason(gate: Gate, limits: Limits, now: datetime) -> ErrorCode | None:
    """Return what keeps a job from starting now, or None."""
    if gate.suspension and _in_force(gate.suspension, now):
        return gate.suspension.reason
    return ErrorCode.RATE_LIMITED if not free_slots(gate, limits, now) else None


def estimate_start(gate: Gate, limits: Limits, ahead: int, now: datetime) -> datetime:
    """Return when a job that has `ahead` jobs before it can start, if nothing changes."""
    at = max(now, gate.suspension.until) if gate.suspension else now
    if limits.per_day and (days := (gate.today(now) + ahead) // limits.per_day):
        midnight = datetime.combine(date.fromisoformat(max(gate.day, _day(now))), time(), UTC)
        at = max(at, midnight + timedelta(days=days))
    if limits.per_minute:
        occupied = [start + WINDOW for start in sorted(_recent_starts(gate, now)) if start + WINDOW > at]
        free_at = [at] * (limits.per_minute - len(occupied)) + occupied
        rounds, place = divmod(ahead, limits.per_minute)
        at = max(at, free_at[place]) + rounds * WINDOW
    return at


def _in_force(suspension: Suspension, now: datetime) -> bool:
    return suspension.resume_on is ResumeOn.HEALTH or now < suspension.until


def _extended(suspension: Suspension, now: datetime) -> Suspension:
    """Return the suspension after one more unsuccessful trial or probe: the pause doubles up to its maximum."""
    trial = suspension.resume_on is ResumeOn.TRIAL
    first, longest = (FIRST_TRIAL, MAX_TRIAL) if trial else (FIRST_PROBE, MAX_PROBE)
    pause = min(first * 2 ** min(suspension.tries, 10), longest)
    return replace(suspension, until=now + pause, tries=suspension.tries + 1)


def _recent_starts(gate: Gate, now: datetime) -> list[datetime]:
    return [min(start, now) for start in gate.starts if start > now - WINDOW]


def _day(now: datetime) -> str:
    return now.date().isoformat()

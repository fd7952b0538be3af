"""The state of the gate: limits, suspensions, and slots. The rules are in `gate.py`."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.error_codes import ErrorCode
from shared.spending.budget import FREE, Budget, Charge, Reservation, SpendLimits


class ResumeOn(StrEnum):
    """What ends a suspension. Later members outweigh earlier ones."""

    TIME = "time"  # 429: the time that Wireflow named has come
    HEALTH = "health"  # unreachable or failing: Wireflow's free health call succeeds again
    TRIAL = "trial"  # credits, key, workflow: a single job is tried at growing intervals, and one succeeds
    OPERATOR = "operator"  # the operator resumes


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the plan and the operator allow; 0 means no limit.

    `at_once`: how many of `per_minute` executions may start on arrival; the poller, which knows how many requests are
    left, starts the others.
    """

    per_minute: int
    per_day: int
    spending: SpendLimits = field(default_factory=SpendLimits)
    at_once: int = 0

    @property
    def on_arrival(self) -> "Limits":
        """The limits for a job that was just accepted."""
        at_once = min(self.at_once or self.per_minute, self.per_minute)
        return replace(self, per_minute=at_once)

    @property
    def exist(self) -> bool:
        """Whether anything is limited."""
        return bool(self.per_minute or self.per_day)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """Why jobs may not start, and when one of them is tried again.

    `workflow`: only its jobs are suspended; None: all are. `refused_workflow` and `refused_caller` describe the job
    whose refusal was the cause: one job from elsewhere is tried at once, at `contested_at`. `credits_*` are Wireflow's
    figures in a 402.
    """

    reason: ErrorCode
    resume_on: ResumeOn
    since: datetime
    until: datetime
    tries: int = 1
    credits_required: float | None = None
    credits_available: float | None = None
    by_poll: bool = False  # caused by a poll, not by a paid call: a successful poll ends it
    workflow: str | None = None
    refused_workflow: str | None = None
    refused_caller: str | None = None
    contested_at: datetime | None = None
    tried_at: datetime | None = None  # when the trial began whose outcome is not known yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The starts of the last minute, the executions of the (UTC) day, the suspensions, and what was reserved.

    `suspension` holds all jobs, each of `workflows` the jobs of one workflow. `run_seconds`: how long runs of each
    workflow took lately, of which the gate's rules make no use.
    """

    starts: tuple[datetime, ...] = ()
    day: str = ""
    executions_today: int = 0
    suspension: Suspension | None = None
    workflows: tuple[Suspension, ...] = ()
    budget: Budget = field(default_factory=Budget)
    run_seconds: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    revision: Any = None

    def today(self, now: datetime) -> int:
        """Return the executions since midnight UTC."""
        return self.executions_today if self.day >= utc_day(now) else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A job that would start. `refused_for`: why Wireflow refused it before; `charge`: what its start reserves.

    `caller_refused_at`: when Wireflow last refused a job of its caller, as far as this instance knows. `chosen`: the
    operator lets it through every suspension.
    """

    workflow: str
    caller: str
    refused_for: ErrorCode | None = None
    caller_refused_at: datetime | None = None
    charge: Charge = FREE
    chosen: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Permission to start one execution. `trials`: the suspensions that its outcome decides about, as they were before.

    A trial that was not made is released with its slot, and so is its reservation, which belongs to `caller`.
    """

    at: datetime
    trials: tuple[Suspension, ...] = ()
    reservation: Reservation | None = None
    caller: str | None = None


def utc_day(now: datetime) -> str:
    """Return the date of a time in UTC, such as `2026-03-01`."""
    return now.date().isoformat()

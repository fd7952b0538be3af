"""The state of the gate: limits, suspensions, and slots. The rules are in `gate.py`."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.error_codes import ErrorCode


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
    """The starts of the last minute, the executions of the (UTC) day, and the suspensions.

    `suspension` holds all jobs, each of `workflows` the jobs of one workflow.
    """

    starts: tuple[datetime, ...] = ()
    day: str = ""
    executions_today: int = 0
    suspension: Suspension | None = None
    workflows: tuple[Suspension, ...] = ()
    revision: Any = None

    def today(self, now: datetime) -> int:
        """Return the executions since midnight UTC."""
        return self.executions_today if self.day >= utc_day(now) else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A job that would start. `refused_for`: why Wireflow refused it before.

    `caller_refused_at`: when Wireflow last refused a job of its caller, as far as this instance knows.
    """

    workflow: str
    caller: str
    refused_for: ErrorCode | None = None
    caller_refused_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Permission to start one execution. `trials`: the suspensions that its outcome decides about, as they were before.

    A trial that was not made is released with its slot.
    """

    at: datetime
    trials: tuple[Suspension, ...] = ()


def utc_day(now: datetime) -> str:
    """Return the date of a time in UTC, such as `2026-03-01`."""
    return now.date().isoformat()

"""Rate limits for new jobs from browsers: per minute and client address, and per hour in total. Pure.

All instances share one document, the `RateWindow`. It holds counters, not requests:

- Each counter covers up to a sixtieth of its window (a second, or a minute) and counts all its jobs at the time of the
  newest one. So no sliding window ever exceeds its quota, and a used quota is free again after the window and at most
  a sixtieth of it.
- The jobs of the last hour are remembered by their hash, so that a repeat of the same job is not counted again, and so
  is the form token that each was submitted with, which is valid for one job.

The document stays below 256 KiB whatever the traffic. At `MAX_COUNTERS` (addresses in a minute) and at
`MAX_RECENT_JOBS` submitted with a form token (in an hour), new jobs are rejected until there is space. Beyond
`MAX_RECENT_JOBS` the oldest jobs without a form token are forgotten: a repeat of one is then counted as a new job.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
PARTS = 60  # of a window, each with one counter
MAX_COUNTERS = 2_000
MAX_RECENT_JOBS = 2_000
TOTAL = "total"  # the key of the counters that are not of one address

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Policy:
    """At most `quota` new jobs within any `window`: from one address, or from all addresses."""

    name: str
    quota: int
    window: timedelta
    by_address: bool


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to admit. `address`, `id`, and `form_token` are hashes of 16 characters, which keeps the document small."""

    at: datetime
    address: str
    id: str
    form_token: str | None = None


class Counter(NamedTuple):
    """How many jobs were admitted in a part of a window; `at`: the newest, in microseconds since 1970."""

    at: int
    jobs: int


class RecentJob(NamedTuple):
    """A job that was admitted, until `forget_at`, in seconds since 1970."""

    forget_at: int
    form_token: str | None = None


@dataclass(frozen=True, slots=True)
class RateWindow:
    """What was admitted recently: `counters` by address or `TOTAL`, and `jobs` by id, each the oldest first."""

    counters: Mapping[str, tuple[Counter, ...]] = field(default_factory=dict)
    jobs: Mapping[str, RecentJob] = field(default_factory=dict)
    revision: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class QuotaUsage:
    """`remaining` more jobs are admitted now; in `reset_seconds` there will be quota for more."""

    policy: Policy
    remaining: int
    reset_seconds: int


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a job is admitted. `window` then counts it; otherwise `retry_seconds` says when it would be admitted.

    `usage`: of every policy, or of those that reject the job. `token_reused`: another job used its form token.
    """

    admitted: bool
    window: RateWindow
    usage: tuple[QuotaUsage, ...] = ()
    retry_seconds: int = 0
    token_reused: bool = False


def policies(per_minute: int, per_hour: int) -> tuple[Policy, ...]:
    """Return the policies of these quotas; 0 is no limit."""
    both = (
        Policy("per-minute", per_minute, MINUTE, by_address=True),
        Policy("per-hour", per_hour, HOUR, by_address=False),
    )
    return tuple(policy for policy in both if policy.quota)


def admit(stored: RateWindow, job: NewJob, limits: Sequence[Policy]) -> Decision:
    """Decide whether a job is admitted. The decision has the stored window itself if nothing is to be saved."""
    current = _without_expired(stored, job.at)
    if job.id in current.jobs:
        return Decision(True, stored, _usage(current, job, limits))
    if job.form_token and any(recent.form_token == job.form_token for recent in current.jobs.values()):
        return Decision(False, stored, token_reused=True)
    exhausted = tuple(usage for usage in _usage(current, job, limits) if not usage.remaining)
    waits = [*(usage.reset_seconds for usage in exhausted), *_waits_for_space(current, job.at)]
    if waits:
        return Decision(False, stored, exhausted, max(waits))
    counted = _with_job(current, job, limits)
    return Decision(True, counted, _usage(counted, job, limits))


def _without_expired(window: RateWindow, now: datetime) -> RateWindow:
    counters = {}
    for key, counted in window.counters.items():
        start = _microseconds(now - (HOUR if key == TOTAL else MINUTE))
        if recent := tuple(counter for counter in counted if counter.at > start):
            counters[key] = recent
    seconds = _microseconds(now) // 1_000_000
    jobs = {job_id: recent for job_id, recent in window.jobs.items() if recent.forget_at > seconds}
    return replace(window, counters=counters, jobs=jobs)


def _with_job(window: RateWindow, job: NewJob, limits: Sequence[Policy]) -> RateWindow:
    counters, jobs = dict(window.counters), dict(window.jobs)
    for policy in limits:
        key = _key(policy, job)
        counters[key] = _incremented(counters.get(key, ()), job.at, policy.window)
    forget_at = math.ceil(_microseconds(job.at + HOUR) / 1_000_000)
    jobs[job.id] = RecentJob(forget_at, job.form_token)
    if len(jobs) > MAX_RECENT_JOBS:
        del jobs[next(job_id for job_id, recent in jobs.items() if recent.form_token is None)]
    return replace(window, counters=counters, jobs=jobs)


def _incremented(counted: tuple[Counter, ...], at: datetime, window: timedelta) -> tuple[Counter, ...]:
    """Count one more job, in the newest counter if that covers the same part of the window."""
    part = window // PARTS // _MICROSECOND
    now = max(_microseconds(at), counted[-1].at if counted else 0)  # the clock of another instance may be ahead
    if counted and counted[-1].at // part == now // part:
        return (*counted[:-1], Counter(now, counted[-1].jobs + 1))
    return (*counted, Counter(now, 1))


def _usage(window: RateWindow, job: NewJob, limits: Sequence[Policy]) -> tuple[QuotaUsage, ...]:
    usage = []
    for policy in limits:
        counted = window.counters.get(_key(policy, job), ())
        used = sum(counter.jobs for counter in counted)
        reset_seconds = int(policy.window.total_seconds())
        freed = 0
        for counter in counted:
            freed += counter.jobs
            if freed > used - policy.quota:  # more than the excess of a quota that was lowered
                reset_seconds = _seconds_until(counter.at, policy.window, job.at)
                break
        usage.append(QuotaUsage(policy, max(policy.quota - used, 0), reset_seconds))
    return tuple(usage)


def _waits_for_space(window: RateWindow, now: datetime) -> list[int]:
    """Return the seconds until a full window has space for one more address, and for one more form token."""
    waits = []
    counters = [counter for key, counted in window.counters.items() if key != TOTAL for counter in counted]
    if len(counters) >= MAX_COUNTERS:
        waits.append(_seconds_until(min(counters).at, MINUTE, now))
    with_token = [recent.forget_at for recent in window.jobs.values() if recent.form_token]
    if len(with_token) >= MAX_RECENT_JOBS:
        waits.append(max(min(with_token) - _microseconds(now) // 1_000_000, 1))
    return waits


def _seconds_until(counted_at: int, window: timedelta, now: datetime) -> int:
    """Return when a counter leaves the window, in whole seconds from now."""
    microseconds = counted_at + window // _MICROSECOND - _microseconds(now)
    return min(max(math.ceil(microseconds / 1_000_000), 1), int(window.total_seconds()))


def _key(policy: Policy, job: NewJob) -> str:
    return job.address if policy.by_address else TOTAL


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND

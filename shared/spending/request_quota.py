"""The quota of requests to Wireflow: polls and starts of both functions stay within the plan's limit. Pure.

Limits: https://www.wireflow.ai/docs/api. Whether starts count against them is not published: they are counted. The
plan's figures are where an instance starts; the headers of each response say what is left.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

# A request counts when it arrives, not when it was sent: a little more than Wireflow's minute covers the latency.
WINDOW = timedelta(seconds=60.25)
# The longest pause that the headers of a successful response may cause: a 429 says how long to wait.
MAX_HEADER_PAUSE = timedelta(seconds=60)
FAR_FUTURE = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the headers of a response say: after the request of `sent_at`, `remaining` more may be sent until `until`.

    `for_starts`: how many of them are kept free for starts by the trigger. `unknown`: how many requests Wireflow has
    counted that are neither known nor such starts, those of another instance for example.
    """

    sent_at: datetime
    remaining: int
    until: datetime
    for_starts: int
    unknown: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestQuota:
    """The requests of the last minute, the newest report, and a pause that Wireflow asked for.

    `per_minute`: 0 means no limit. `for_starts`: how many of them are kept free for starts by the trigger, of which the
    poller learns later. `sent`: all other requests; `starts`: the known starts.
    """

    per_minute: int
    for_starts: int = 0
    sent: tuple[datetime, ...] = ()
    starts: tuple[datetime, ...] = ()
    report: Report | None = None
    blocked_until: datetime | None = None


def room(quota: RequestQuota, at: datetime, starts: int = 0) -> int:
    """Return how many requests may be sent at `at`, beside `starts` more starts; negative if those are too many.

    If Wireflow counts requests that are not known here, the reset may concern any of them: one request is sent after
    it, and its response tells how many are left.
    """

    def left(limit: int, since: datetime, for_starts: int) -> int:
        sent, started = _counted(quota, since)
        return limit - sent - max(started + starts, for_starts)

    free, report = left(quota.per_minute, at - WINDOW, quota.for_starts), quota.report
    if report and at < report.until:
        return min(free, left(report.remaining, report.sent_at, report.for_starts))
    if report and report.unknown and at < report.sent_at + WINDOW:
        return min(free, left(1, report.until - timedelta.resolution, 0))
    return free


def load(quota: RequestQuota, now: datetime) -> float:
    """Return how much of the limit is used: 1 if it is used up evenly, more if it was used up only now."""

    def unexpired(moments: tuple[datetime, ...]) -> float:
        return sum(max(1 - max(now - moment, timedelta()) / WINDOW, 0.0) for moment in moments)

    if not quota.per_minute:
        return 0.0
    used = unexpired(quota.sent) + max(unexpired(quota.starts), quota.for_starts / 2)
    if quota.report:
        used += quota.report.unknown * unexpired((quota.report.sent_at,))
    return 2 * used / quota.per_minute


def next_request_at(quota: RequestQuota, now: datetime) -> datetime:
    """Return when the next request may be sent that is not a start."""
    return _first(quota, now, lambda at: room(quota, at) > 0)


def next_start_at(quota: RequestQuota, now: datetime, *, urgent: bool = False) -> datetime:
    """Return when the next start may be made.

    It needs room for a poll too, because a run that is not followed gains nothing, unless it is `urgent`.
    """
    return _first(quota, now, lambda at: room(quota, at, 1) >= (0 if urgent else 1))


def free_starts(quota: RequestQuota, now: datetime, wanted: int, *, urgent: bool = False) -> int:
    """Return how many of `wanted` starts may be made now, as `next_start_at` says."""
    if not quota.per_minute:
        return wanted
    fit = (n for n in range(wanted, 0, -1) if room(quota, now, n) >= (0 if urgent else n))
    return next(fit, 0)


def after_request(quota: RequestQuota, at: datetime) -> RequestQuota:
    """Return the quota after a request at `at` that is not a start."""
    return replace(quota, sent=_recent(quota.sent, at)) if quota.per_minute else quota


def after_start(quota: RequestQuota, at: datetime) -> RequestQuota:
    """Return the quota after a start at `at`."""
    return replace(quota, starts=_recent(quota.starts, at)) if quota.per_minute else quota


def with_starts(quota: RequestQuota, starts: Iterable[datetime]) -> RequestQuota:
    """Return the quota with the starts of both functions, as the gate counts them."""
    return replace(quota, starts=tuple(starts))


def after_headers(
    quota: RequestQuota,
    headers: Mapping[str, int],
    sent_at: datetime,
    now: datetime,
    wall_clock: datetime | None = None,
) -> RequestQuota:
    """Return the quota after a response's rate limit headers; they override the plan's published limits.

    `sent_at`: when the request was sent; the headers of an earlier one than the newest are no longer of use.
    `wall_clock`: the current time as the headers count it, if `now` is from another clock.
    """
    if quota.per_minute and headers.get("limit", 0) > 0:
        quota = replace(quota, per_minute=headers["limit"])
    seconds = headers.get("reset", 0) - (wall_clock or now).timestamp()
    if "remaining" not in headers or seconds <= 0:
        return quota
    remaining = max(headers["remaining"], 0)
    until = now + min(timedelta(seconds=min(seconds, 1e9)), MAX_HEADER_PAUSE)
    sent, started = _counted(quota, sent_at - WINDOW, sent_at)
    others = max(quota.per_minute - remaining - sent - started, 0)  # the first of them are starts by the trigger
    kept = max(quota.for_starts - started, 0)
    report = Report(
        sent_at=sent_at,
        remaining=remaining,
        until=until,
        for_starts=max(kept - others, 0),
        unknown=max(others - kept, 0),
    )
    if quota.report is None or (sent_at, -remaining) > (quota.report.sent_at, -quota.report.remaining):
        quota = replace(quota, report=report)
    return quota if remaining else paused(quota, until)


def paused(quota: RequestQuota, until: datetime) -> RequestQuota:
    """Return the quota after a 429: nothing is sent before `until`."""
    return replace(quota, blocked_until=max(until, quota.blocked_until or until))


def _counted(quota: RequestQuota, since: datetime, until: datetime = FAR_FUTURE) -> tuple[int, int]:
    """Return how many other requests and how many starts are known after `since`, up to `until`."""
    sent, starts = (sum(since < moment <= until for moment in moments) for moments in (quota.sent, quota.starts))
    return sent, starts


def _recent(moments: tuple[datetime, ...], at: datetime) -> tuple[datetime, ...]:
    return (*(moment for moment in moments if moment > at - WINDOW), at)


def _first(quota: RequestQuota, now: datetime, has_room: Callable[[datetime], bool]) -> datetime:
    at = max(now, quota.blocked_until) if quota.blocked_until else now
    if not quota.per_minute or has_room(at):
        return at
    freed = [moment + WINDOW for moment in (*quota.sent, *quota.starts)]
    if quota.report:
        freed += [quota.report.until, quota.report.sent_at + WINDOW]
    freed = sorted(moment for moment in freed if moment > at)
    return next(filter(has_room, freed), max([at, *freed]))

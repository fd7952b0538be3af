"""The quota of requests to Wireflow: polls and starts of both functions stay within the plan's limit. Pure.

Limits: https://www.wireflow.ai/docs/api. Whether starts count against them is not published: they are counted.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

# A request counts when it arrives, not when it was sent: a little more than Wireflow's minute covers the latency.
WINDOW = timedelta(seconds=60.5)
# The longest pause that the headers of a successful response may cause: a 429 says how long to wait.
MAX_HEADER_PAUSE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestQuota:
    """The requests of the last minute, and a pause that Wireflow asked for.

    `per_minute`: 0 means no limit. `for_starts`: how many of them are kept free for starts by the trigger, of which the
    poller learns later. `sent`: all other requests; `starts`: the known starts.
    """

    per_minute: int
    for_starts: int = 0
    sent: tuple[datetime, ...] = ()
    starts: tuple[datetime, ...] = ()
    blocked_until: datetime | None = None


def room(quota: RequestQuota, at: datetime, starts: int = 0) -> int:
    """Return how many requests may be sent at `at`, beside `starts` more starts; negative if those are too many."""
    sent = sum(1 for moment in quota.sent if moment > at - WINDOW)
    started = sum(1 for moment in quota.starts if moment > at - WINDOW)
    return quota.per_minute - sent - max(started + starts, quota.for_starts)


def load(quota: RequestQuota, now: datetime) -> float:
    """Return how much of the limit is used: 1 if it is used up evenly, more if it was used up only now."""

    def unexpired(moments: tuple[datetime, ...]) -> float:
        return sum(max(1 - max(now - moment, timedelta()) / WINDOW, 0.0) for moment in moments)

    if not quota.per_minute:
        return 0.0
    used = unexpired(quota.sent) + max(unexpired(quota.starts), quota.for_starts / 2)
    return 2 * used / quota.per_minute


def next_request_at(quota: RequestQuota, now: datetime, starts: int = 0) -> datetime:
    """Return when the next request may be sent that is not a start, if `starts` more starts come first."""
    return _first(quota, now, lambda at: room(quota, at, starts) > 0)


def next_start_at(quota: RequestQuota, now: datetime) -> datetime:
    """Return when the next start may be made."""
    return _first(quota, now, lambda at: room(quota, at, 1) >= 0)


def free_starts(quota: RequestQuota, now: datetime, wanted: int) -> int:
    """Return how many of `wanted` starts may be made now."""
    if not quota.per_minute:
        return wanted
    return next((starts for starts in range(wanted, 0, -1) if room(quota, now, starts) >= 0), 0)


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
    quota: RequestQuota, headers: Mapping[str, int], now: datetime, wall_clock: datetime | None = None
) -> RequestQuota:
    """Return the quota after a response's rate limit headers; they override the plan's published limits.

    `wall_clock`: the current time as the headers count it, if `now` is from another clock.
    """
    if quota.per_minute and headers.get("limit", 0) > 0:
        quota = replace(quota, per_minute=headers["limit"])
    if headers.get("remaining") == 0 and (seconds := headers.get("reset", 0) - (wall_clock or now).timestamp()) > 0:
        return paused(quota, now + min(timedelta(seconds=min(seconds, 1e9)), MAX_HEADER_PAUSE))
    return quota


def paused(quota: RequestQuota, until: datetime) -> RequestQuota:
    """Return the quota after a 429: nothing is sent before `until`."""
    return replace(quota, blocked_until=max(until, quota.blocked_until or until))


def _recent(moments: tuple[datetime, ...], at: datetime) -> tuple[datetime, ...]:
    return (*(moment for moment in moments if moment > at - WINDOW), at)


def _first(quota: RequestQuota, now: datetime, has_room: Callable[[datetime], bool]) -> datetime:
    at = max(now, quota.blocked_until) if quota.blocked_until else now
    if not quota.per_minute or has_room(at):
        return at
    freed = sorted(moment + WINDOW for moment in (*quota.sent, *quota.starts) if moment > at - WINDOW)
    return next(filter(has_room, freed), max([at, *freed]))

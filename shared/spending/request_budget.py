"""The budget of requests to Wireflow: polls and starts of both functions stay within the plan's limit. Pure.

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
class RequestBudget:
    """The requests of the last minute, and a pause that Wireflow asked for.

    `per_minute`: 0 means no limit. `for_starts`: how many of them are kept free for starts by the trigger, of which the
    poller learns later. `sent`: all other requests; `starts`: the known starts.
    """

    per_minute: int
    for_starts: int = 0
    sent: tuple[datetime, ...] = ()
    starts: tuple[datetime, ...] = ()
    blocked_until: datetime | None = None


def room(budget: RequestBudget, at: datetime, starts: int = 0) -> int:
    """Return how many requests may be sent at `at`, beside `starts` more starts; negative if those are too many."""
    sent = sum(1 for moment in budget.sent if moment > at - WINDOW)
    started = sum(1 for moment in budget.starts if moment > at - WINDOW)
    return budget.per_minute - sent - max(started + starts, budget.for_starts)


def load(budget: RequestBudget, now: datetime) -> float:
    """Return how much of the limit is used: 1 if it is used up evenly, more if it was used up only now."""

    def unexpired(moments: tuple[datetime, ...]) -> float:
        return sum(max(1 - max(now - moment, timedelta()) / WINDOW, 0.0) for moment in moments)

    if not budget.per_minute:
        return 0.0
    used = unexpired(budget.sent) + max(unexpired(budget.starts), budget.for_starts / 2)
    return 2 * used / budget.per_minute


def next_request_at(budget: RequestBudget, now: datetime, starts: int = 0) -> datetime:
    """Return when the next request may be sent that is not a start, if `starts` more starts come first."""
    return _first(budget, now, lambda at: room(budget, at, starts) > 0)


def next_start_at(budget: RequestBudget, now: datetime) -> datetime:
    """Return when the next start may be made."""
    return _first(budget, now, lambda at: room(budget, at, 1) >= 0)


def free_starts(budget: RequestBudget, now: datetime, wanted: int) -> int:
    """Return how many of `wanted` starts may be made now."""
    if not budget.per_minute:
        return wanted
    return next((starts for starts in range(wanted, 0, -1) if room(budget, now, starts) >= 0), 0)


def after_request(budget: RequestBudget, at: datetime) -> RequestBudget:
    """Return the budget after a request at `at` that is not a start."""
    return replace(budget, sent=_recent(budget.sent, at)) if budget.per_minute else budget


def after_start(budget: RequestBudget, at: datetime) -> RequestBudget:
    """Return the budget after a start at `at`."""
    return replace(budget, starts=_recent(budget.starts, at)) if budget.per_minute else budget


def with_starts(budget: RequestBudget, starts: Iterable[datetime]) -> RequestBudget:
    """Return the budget with the starts of both functions, as the gate counts them."""
    return replace(budget, starts=tuple(starts))


def after_headers(
    budget: RequestBudget, headers: Mapping[str, int], now: datetime, wall_clock: datetime | None = None
) -> RequestBudget:
    """Return the budget after a response's rate limit headers; they override the plan's published limits.

    `wall_clock`: the current time as the headers count it, if `now` is from another clock.
    """
    if budget.per_minute and headers.get("limit", 0) > 0:
        budget = replace(budget, per_minute=headers["limit"])
    if headers.get("remaining") == 0 and (seconds := headers.get("reset", 0) - (wall_clock or now).timestamp()) > 0:
        return paused(budget, now + min(timedelta(seconds=min(seconds, 1e9)), MAX_HEADER_PAUSE))
    return budget


def paused(budget: RequestBudget, until: datetime) -> RequestBudget:
    """Return the budget after a 429: nothing is sent before `until`."""
    return replace(budget, blocked_until=max(until, budget.blocked_until or until))


def _recent(moments: tuple[datetime, ...], at: datetime) -> tuple[datetime, ...]:
    return (*(moment for moment in moments if moment > at - WINDOW), at)


def _first(budget: RequestBudget, now: datetime, has_room: Callable[[datetime], bool]) -> datetime:
    at = max(now, budget.blocked_until) if budget.blocked_until else now
    if not budget.per_minute or has_room(at):
        return at
    freed = sorted(moment + WINDOW for moment in (*budget.sent, *budget.starts) if moment > at - WINDOW)
    return next(filter(has_room, freed), max([at, *freed]))

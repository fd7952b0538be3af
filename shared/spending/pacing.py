"""When the next request to Wireflow is due: the guide's schedule for one run, one budget for all runs. Pure.

Limits: https://www.wireflow.ai/docs/api. The guide's schedule: 1 s, then ×1.5 each, at most 10 s.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

MINUTE = timedelta(seconds=60)
MAX_POLL_PAUSE = 10.0  # seconds between two polls of a run
MAX_PAUSE_AFTER_ERRORS = 60.0
# The longest pause that the headers of a successful response may cause: a 429 says how long to wait.
MAX_HEADER_PAUSE = MINUTE


def seconds_to_next_poll(elapsed: float, errors: int = 0) -> float:
    """Return the seconds until a run is polled again, `elapsed` seconds after its start.

    `errors` counts the failed polls in a row. The guide's 1 s, then ×1.5 each, is a function of time alone (after t
    seconds the next poll is at 1.5 t + 1): a worker that takes over a run needs no history.
    """
    scheduled = min(1 + max(elapsed, 0) / 2, MAX_POLL_PAUSE)
    return max(scheduled, min(2.0**errors, MAX_PAUSE_AFTER_ERRORS)) if errors else scheduled


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The requests of the last minute, and a pause that Wireflow asked for. 0 means no limit."""

    per_minute: int
    sent: tuple[datetime, ...] = ()
    blocked_until: datetime | None = None


def next_request_at(budget: Budget, now: datetime) -> datetime:
    """Return when the next request may be sent."""
    at = max(now, budget.blocked_until) if budget.blocked_until else now
    recent = sorted(sent for sent in budget.sent if sent > at - MINUTE)
    if budget.per_minute and len(recent) >= budget.per_minute:
        return max(at, recent[-budget.per_minute] + MINUTE)
    return at


def after_request(budget: Budget, at: datetime) -> Budget:
    """Return the budget after a request at `at`. Starts of runs count too, in either function."""
    if not budget.per_minute:
        return budget
    return replace(budget, sent=(*(earlier for earlier in budget.sent if earlier > at - MINUTE), at))


def after_headers(budget: Budget, headers: Mapping[str, int], now: datetime) -> Budget:
    """Return the budget after a response's rate limit headers; they override the plan's published limits."""
    if budget.per_minute and headers.get("limit", 0) > 0:
        budget = replace(budget, per_minute=headers["limit"])
    if headers.get("remaining") == 0 and (seconds := headers.get("reset", 0) - now.timestamp()) > 0:
        return paused(budget, now + min(timedelta(seconds=min(seconds, 1e9)), MAX_HEADER_PAUSE))
    return budget


def paused(budget: Budget, until: datetime) -> Budget:
    """Return the budget after a 429: nothing is sent before `until`."""
    return replace(budget, blocked_until=max(until, budget.blocked_until or until))

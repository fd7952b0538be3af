"""When Wireflow is asked next: the guide's schedule for one run, and a budget of requests for all of them. Pure.

https://www.wireflow.ai/docs/api (limits); the guide: first after 1 s, ×1.5 each, at most 10 s apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

MINUTE = timedelta(seconds=60)
LONGEST = 10.0  # seconds between two polls of a run
LONGEST_AFTER_ERRORS = 60.0
LONGEST_PAUSE = MINUTE  # for a good answer's headers: a 429 says it again, and for how long


def until_next_poll(elapsed: float, errors: int = 0) -> float:
    """Seconds until a run is polled again, `elapsed` seconds after its start and after `errors` failed polls in a row.

    1 s, then ×1.5 each, is a function of the time alone (after t seconds the next poll is at 1.5 t + 1): a worker that
    takes a run over keeps its rhythm without having seen the polls before.
    """
    usual = min(1 + max(elapsed, 0) / 2, LONGEST)
    return max(usual, min(2.0**errors, LONGEST_AFTER_ERRORS)) if errors else usual


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Requests that this worker sent in the last minute, and a pause that Wireflow asked for. 0 means no limit."""

    per_minute: int
    sent: tuple[datetime, ...] = ()
    blocked_until: datetime | None = None


def next_turn(budget: Budget, now: datetime) -> datetime:
    """When the next request may be sent."""
    at = max(now, budget.blocked_until) if budget.blocked_until else now
    recent = sorted(sent for sent in budget.sent if sent > at - MINUTE)
    if budget.per_minute and len(recent) >= budget.per_minute:
        return max(at, recent[-budget.per_minute] + MINUTE)
    return at


def sent(budget: Budget, at: datetime) -> Budget:
    """The budget after a request; starts of runs count too, whoever made them."""
    if not budget.per_minute:
        return budget
    return replace(budget, sent=(*(earlier for earlier in budget.sent if earlier > at - MINUTE), at))


def heard(budget: Budget, headers: Mapping[str, int], now: datetime) -> Budget:
    """The budget after an answer's rate limit headers, which are truer than the plan's published figures."""
    if budget.per_minute and headers.get("limit", 0) > 0:
        budget = replace(budget, per_minute=headers["limit"])
    if headers.get("remaining") == 0 and (seconds := headers.get("reset", 0) - now.timestamp()) > 0:
        return paused(budget, now + min(timedelta(seconds=min(seconds, 1e9)), LONGEST_PAUSE))
    return budget


def paused(budget: Budget, until: datetime) -> Budget:
    """The budget after a 429: nothing is sent before `until`."""
    return replace(budget, blocked_until=max(until, budget.blocked_until or until))

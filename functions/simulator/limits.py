"""Wireflow's published rate limits, held in sliding windows: the strictest reading of its page.

https://www.wireflow.ai/docs/api/rate-limits leaves open whether a trigger counts as a request too; here it does.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from .api import Rejected
from .settings import Plan

MINUTE = timedelta(minutes=1)
# What the headers say if no plan is enforced.
_UNLIMITED = 1_000_000
_TOO_MANY_REQUESTS = "Too many requests. Please try again later."
_TOO_MANY_EXECUTIONS = "Too many workflow executions. Please try again later."


@dataclass(frozen=True)
class Allowance:
    """What a plan allows; None is no limit."""

    requests_per_minute: int
    executions_per_minute: int
    executions_per_day: int | None


PLANS = {
    Plan.FREE: Allowance(10, 10, 50),
    Plan.STARTER: Allowance(20, 10, 200),
    Plan.PRO: Allowance(60, 10, 1000),
    Plan.ENTERPRISE: Allowance(200, 10, None),
}


def count_request(plan: Plan | None, requests: deque[datetime], now: datetime) -> None:
    """Add a request to those of the last minute; Rejected, and nothing is counted, if it exceeds the plan."""
    _forget_old(requests, now)
    if plan and len(requests) >= PLANS[plan].requests_per_minute:
        raise _exceeded(_TOO_MANY_REQUESTS, PLANS[plan].requests_per_minute, requests[0] + MINUTE, now)
    requests.append(now)


def check_execution(plan: Plan, starts: Sequence[datetime], now: datetime) -> None:
    """Raise Rejected if one more start exceeds the plan; `starts` are all starts so far, in order."""
    allowance = PLANS[plan]
    recent = [start for start in starts if start > now - MINUTE]
    if len(recent) >= allowance.executions_per_minute:
        raise _exceeded(_TOO_MANY_EXECUTIONS, allowance.executions_per_minute, recent[0] + MINUTE, now)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    today = sum(start >= midnight for start in starts)
    if allowance.executions_per_day is not None and today >= allowance.executions_per_day:
        raise _exceeded(_TOO_MANY_EXECUTIONS, allowance.executions_per_day, midnight + timedelta(days=1), now)


def limit_headers(plan: Plan | None, requests: deque[datetime], now: datetime) -> dict[str, str]:
    """Return the X-RateLimit headers of an API response."""
    _forget_old(requests, now)
    limit = PLANS[plan].requests_per_minute if plan else _UNLIMITED
    return _headers(limit, limit - len(requests), (requests[0] if requests else now) + MINUTE)


def _exceeded(message: str, limit: int, resets_at: datetime, now: datetime) -> Rejected:
    """The published 429: seconds in the header; `retryAfter` in the body is an epoch."""
    wait = max(1, math.ceil((resets_at - now).total_seconds()))
    headers = {"Retry-After": str(wait), **_headers(limit, 0, resets_at)}
    return Rejected(429, message, headers, retryAfter=math.ceil(resets_at.timestamp()))


def _headers(limit: int, remaining: int, resets_at: datetime) -> dict[str, str]:
    """Reset is an epoch in seconds, rounded up so that waiting for it is enough."""
    return {
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(max(0, remaining)),
        "X-RateLimit-Reset": str(math.ceil(resets_at.timestamp())),
    }


def _forget_old(requests: deque[datetime], now: datetime) -> None:
    while requests and requests[0] <= now - MINUTE:
        requests.popleft()

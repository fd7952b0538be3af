"""The vendor's published rate limits, held in windows that slide: the strictest reading of its page."""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from .settings import Plan

MINUTE = timedelta(minutes=1)
# What the headers say when no plan is enforced.
UNLIMITED = 1_000_000


@dataclass(frozen=True)
class Allowance:
    """What a plan allows; None is no limit."""

    requests_a_minute: int
    executions_a_minute: int
    executions_a_day: int | None


# https://www.wireflow.ai/docs/api/rate-limits
PLANS = {
    Plan.FREE: Allowance(10, 10, 50),
    Plan.STARTER: Allowance(20, 10, 200),
    Plan.PRO: Allowance(60, 10, 1000),
    Plan.ENTERPRISE: Allowance(200, 10, None),
}


@dataclass(frozen=True)
class Exceeded:
    """A limit that is reached."""

    message: str
    limit: int
    resets_at: datetime


class Limits:
    """What was used of a plan's limits. Triggers count as requests too: the page leaves it open."""

    def __init__(self, plan: Plan | None) -> None:
        self.plan = plan
        self._requests: deque[datetime] = deque()

    def request(self, now: datetime) -> Exceeded | None:
        """Count a request, or say which limit it exceeds; what is refused does not count."""
        self._slide(now)
        if self.plan and len(self._requests) >= PLANS[self.plan].requests_a_minute:
            message = "Too many requests. Please try again later."
            return Exceeded(message, PLANS[self.plan].requests_a_minute, self._requests[0] + MINUTE)
        self._requests.append(now)
        return None

    def execution(self, starts: Sequence[datetime], now: datetime) -> Exceeded | None:
        """Say which limit one more start exceeds, given all starts so far in order."""
        if self.plan is None:
            return None
        allowance = PLANS[self.plan]
        message = "Too many workflow executions. Please try again later."
        recent = [start for start in starts if start > now - MINUTE]
        if len(recent) >= allowance.executions_a_minute:
            return Exceeded(message, allowance.executions_a_minute, recent[0] + MINUTE)
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        today = sum(start >= midnight for start in starts)
        if allowance.executions_a_day is not None and today >= allowance.executions_a_day:
            return Exceeded(message, allowance.executions_a_day, midnight + timedelta(days=1))
        return None

    def headers(self, now: datetime) -> dict[str, str]:
        """The X-RateLimit headers that every API answer has; Reset is in seconds since the epoch."""
        self._slide(now)
        limit = PLANS[self.plan].requests_a_minute if self.plan else UNLIMITED
        resets_at = (self._requests[0] if self._requests else now) + MINUTE
        return limit_headers(limit, limit - len(self._requests), resets_at)

    def _slide(self, now: datetime) -> None:
        while self._requests and self._requests[0] <= now - MINUTE:
            self._requests.popleft()


def limit_headers(limit: int, remaining: int, resets_at: datetime) -> dict[str, str]:
    """X-RateLimit headers as published; the second is rounded up, so that waiting for it is enough."""
    return {
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(max(0, remaining)),
        "X-RateLimit-Reset": str(math.ceil(resets_at.timestamp())),
    }

"""The rules of delivery: what the outcome of an attempt means, and when the next one is made.

https://www.standardwebhooks.com, "operational considerations".
"""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from shared.callbacks import Callback, CallbackStatus
from shared.notifications.port import ReceiverResponse

# From the attempt before, the first one from the end of the job.
DELAYS = (
    timedelta(0),
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
JITTER = 0.1  # of a delay, by which an attempt may be later
MAX_RETRY_AFTER = timedelta(hours=24)
SECONDS_DIGITS = 9  # of `Retry-After`: more are more than a day, too
GONE = 410
THROTTLING = frozenset({429, 502, 503, 504})
TIMED_OUT = "The receiver did not respond in time."


def after_response(
    callback: Callback, response: ReceiverResponse, began_at: datetime, now: datetime, random: float
) -> Callback:
    """Return the callback after a response. `random`: from 0 to 1."""
    if 200 <= response.status < 300:
        return callback.attempted(began_at, CallbackStatus.DELIVERED, response=response.status)
    error = "Redirects are not followed." if 300 <= response.status < 400 else None
    if response.status == GONE:
        return callback.attempted(began_at, CallbackStatus.ENDED, response=response.status, body=response.body)
    at = _next_attempt(callback, now, random)
    if at and is_throttled(response) and (asked := retry_after(response, now)):
        at = max(at, asked)
    status = CallbackStatus.PENDING if at else CallbackStatus.UNDELIVERED
    return callback.attempted(began_at, status, response=response.status, error=error, body=response.body, next_at=at)


def after_failure(callback: Callback, error: str, began_at: datetime, now: datetime, random: float) -> Callback:
    """Return the callback after an attempt without a response. `random`: from 0 to 1."""
    at = _next_attempt(callback, now, random)
    status = CallbackStatus.PENDING if at else CallbackStatus.UNDELIVERED
    return callback.attempted(began_at, status, error=error, next_at=at)


def is_throttled(response: ReceiverResponse) -> bool:
    """Whether the receiver asks for fewer messages."""
    return response.status in THROTTLING


def retry_after(response: ReceiverResponse, now: datetime) -> datetime | None:
    """Return when a receiver asks to be called again, at most a day from now; None if it does not say."""
    text = (response.retry_after or "").strip()
    try:
        at = now + timedelta(seconds=int(text[:SECONDS_DIGITS])) if text.isdecimal() else parsedate_to_datetime(text)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max(at, now), now + MAX_RETRY_AFTER)


def _next_attempt(callback: Callback, now: datetime, random: float) -> datetime | None:
    """Return when the attempt after the one that has just failed is made; None after the last one."""
    made = callback.attempts + 1
    return now + DELAYS[made] * (1 + JITTER * random) if made < len(DELAYS) else None

"""Standard Webhooks signatures, valid for five minutes before and after their timestamp.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import hmac
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from starlette.requests import Request

from shared.auth_settings import SigningSecret

TOLERANCE = timedelta(minutes=5)
MAX_SIGNATURES = 20  # per request; each is compared with each secret

_SECONDS = re.compile(r"[1-9]\d{0,10}", re.ASCII)


def is_signed(request: Request) -> bool:
    """Return whether the request has a signature. A `webhook-id` alone is only an idempotency key."""
    return "webhook-signature" in request.headers


def signer(request: Request, body: bytes, callers: Sequence[SigningSecret], now: datetime) -> str | None:
    """Return the name of the caller that signed this id, timestamp, and body, or None."""
    if (claimed := claims(request, now)) is None:
        return None
    message_id, sent_at = claimed
    given = [signature.encode() for signature in _single(request, "webhook-signature").split(" ")[:MAX_SIGNATURES]]
    matches = [
        caller.name
        for caller in callers
        for secret in caller.secrets
        if (expected := _signature(secret, message_id, sent_at, body))
        and any([hmac.compare_digest(expected, one) for one in given])
    ]
    return matches[0] if matches else None


def claims(request: Request, now: datetime) -> tuple[str, datetime] | None:
    """Return the id and the time that a signature covers, or None if no body can make it valid now."""
    message_id, seconds, signature = (_single(request, f"webhook-{part}") for part in ("id", "timestamp", "signature"))
    if not message_id or not signature or not _SECONDS.fullmatch(seconds):
        return None
    sent_at = datetime.fromtimestamp(int(seconds), UTC)
    return (message_id, sent_at) if abs(now - sent_at) <= TOLERANCE else None


def _single(request: Request, name: str) -> str:
    """Return a header, or an empty text if it is missing or repeated: it is unknown which one was signed."""
    values = request.headers.getlist(name)
    return values[0] if len(values) == 1 else ""


def _signature(secret: str, message_id: str, sent_at: datetime, body: bytes) -> bytes | None:
    """Return the expected signature, or None for a body that is not UTF-8, because the library signs text."""
    from standardwebhooks import Webhook

    try:
        return Webhook(secret).sign(message_id, sent_at, body.decode()).encode()
    except UnicodeDecodeError:
        return None

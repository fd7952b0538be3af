"""Whose signature a request bears: Standard Webhooks, not older or newer than five minutes.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import hmac
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from starlette.requests import Request

from shared.auth_settings import SigningSecret

TOLERANCE = timedelta(minutes=5)
MOST_SIGNATURES = 20  # of one request; each is compared with each secret

_SECONDS = re.compile(r"[1-9]\d{0,10}", re.ASCII)


def is_signed(request: Request) -> bool:
    """Whether a signature is there; a `webhook-id` alone is only a key."""
    return "webhook-signature" in request.headers


def signer(request: Request, body: bytes, callers: Sequence[SigningSecret], now: datetime) -> str | None:
    """The name of the caller that signed this id, time and body; None if nobody did."""
    message_id, seconds, signatures = (_only(request, f"webhook-{part}") for part in ("id", "timestamp", "signature"))
    if not message_id or not _SECONDS.fullmatch(seconds):
        return None
    sent_at = datetime.fromtimestamp(int(seconds), UTC)
    if abs(now - sent_at) > TOLERANCE:
        return None
    right = [
        caller.name
        for caller in callers
        for secret in caller.secrets
        if _is_among(_expected(secret, message_id, sent_at, body), signatures)
    ]
    return right[0] if right else None


def _only(request: Request, name: str) -> str:
    """The header if it is there once: of two nobody can say which was signed."""
    values = request.headers.getlist(name)
    return values[0] if len(values) == 1 else ""


def _expected(secret: str, message_id: str, sent_at: datetime, body: bytes) -> str | None:
    """`sign` takes a text, so a body that is none has no signature; and it takes any time for UTC."""
    from standardwebhooks import Webhook

    try:
        return Webhook(secret).sign(message_id, sent_at, body.decode())
    except UnicodeDecodeError:
        return None


def _is_among(expected: str | None, signatures: str) -> bool:
    if expected is None:
        return False
    given = signatures.split(" ")[:MOST_SIGNATURES]
    matches = [hmac.compare_digest(expected.encode(), one.encode()) for one in given]
    return any(matches)

"""Whether a JWT is the one that Google signed for the account that sends our events.

https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions
"""

import base64
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.ports import Clock

from .certificates import Certificates

ISSUERS = ("https://accounts.google.com", "accounts.google.com")
LEEWAY = timedelta(seconds=10)  # a token may come from a clock that is ahead of ours

# https://cloud.google.com/run/docs/troubleshooting#signature-removed: IAM has checked it and nobody can use it again.
REMOVED = "SIGNATURE_REMOVED_BY_GOOGLE"


def signature_removed(token: str) -> bool:
    """Whether Cloud Run says that it has checked this token."""
    return token.count(".") == 2 and token.endswith(f".{REMOVED}")


@dataclass(frozen=True, slots=True)
class GoogleTokens:
    """Judges tokens of `account` for `audience`."""

    account: str
    audience: str
    certificates: Certificates
    clock: Clock

    async def is_genuine(self, token: str) -> bool:
        """Whether Google signed it and its claims fit. Unanswered: Google's keys cannot be had now."""
        header, _, _ = _parts(token)
        # Only the one algorithm that Google uses: a token must not choose how it is checked (RFC 8725, 3.1).
        if header.get("alg") != "RS256" or not isinstance(key_id := header.get("kid"), str):
            return False
        if not self.claims_fit(token):  # first: a stranger's token costs no fetch
            return False
        key = await self.certificates.key(key_id)
        signed, _, signature = token.rpartition(".")
        return key is not None and bool(key.verify(signed.encode(), _decoded(signature)))

    def claims_fit(self, token: str) -> bool:
        """Whether it says the right things; who says them is left open."""
        _, claims, _ = _parts(token)
        return (
            claims.get("iss") in ISSUERS
            and claims.get("aud") == self.audience
            and claims.get("email") == self.account
            and claims.get("email_verified") is True
            and _is_valid_now(claims, self.clock.now())
        )


def _is_valid_now(claims: dict[str, Any], now: datetime) -> bool:
    issued, expires = claims.get("iat"), claims.get("exp")
    if not isinstance(issued, int | float) or not isinstance(expires, int | float):
        return False
    return issued <= (now + LEEWAY).timestamp() and now.timestamp() < expires


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Header, claims and signature; empty if it is no JWT."""
    if token.count(".") != 2:
        return {}, {}, ""
    header, claims, signature = token.split(".")
    return _object(header), _object(claims), signature


def _object(part: str) -> dict[str, Any]:
    try:
        read = json.loads(_decoded(part))
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def _decoded(part: str) -> bytes:
    """Unpadded base64url; nothing if it is not."""
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return b""

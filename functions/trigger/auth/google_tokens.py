"""Google ID tokens: whether a JWT is the one that Google signed for the account that sends our events.

`google.auth.jwt.decode` is not used: it reads the system clock, and raises TypeError for claims of unexpected types.
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
CLOCK_SKEW = timedelta(seconds=10)  # Google's clock may be ahead of ours

# IAM has verified the token, and removed the signature so that the token cannot be used again.
# https://cloud.google.com/run/docs/troubleshooting#signature-removed
SIGNATURE_REMOVED = "SIGNATURE_REMOVED_BY_GOOGLE"


def signature_removed(token: str) -> bool:
    """Return whether Cloud Run has verified this token and removed its signature."""
    return token.count(".") == 2 and token.endswith(f".{SIGNATURE_REMOVED}")


@dataclass(frozen=True, slots=True)
class GoogleTokens:
    """Verifies ID tokens of the service account `account` for `audience`."""

    account: str
    audience: str
    certificates: Certificates
    clock: Clock

    async def is_genuine(self, token: str) -> bool:
        """Return whether Google signed the token and its claims match. Raises VerifierUnavailable."""
        header, _, _ = _parts(token)
        # Only Google's algorithm: a token must not choose how it is verified (RFC 8725, section 3.1).
        if header.get("alg") != "RS256" or not isinstance(key_id := header.get("kid"), str):
            return False
        if not self.claims_match(token):  # first, so that a foreign token causes no fetch
            return False
        key = await self.certificates.key(key_id)
        signed, _, signature = token.rpartition(".")
        return key is not None and bool(key.verify(signed.encode(), _decoded(signature)))

    def claims_match(self, token: str) -> bool:
        """Return whether the claims are those of our events now. The signature is not verified."""
        _, claims, _ = _parts(token)
        return (
            claims.get("iss") in ISSUERS
            and claims.get("aud") == self.audience
            and claims.get("email") == self.account
            and claims.get("email_verified") is True
            and _is_valid_at(self.clock.now(), claims.get("iat"), claims.get("exp"))
        )


def _is_valid_at(now: datetime, issued: Any, expires: Any) -> bool:
    """Return whether `now` is within these NumericDates (RFC 7519, section 2). Other values are never valid."""
    if not all(type(value) in (int, float) and 0 <= value < 2**53 for value in (issued, expires)):
        return False
    return bool(issued <= (now + CLOCK_SKEW).timestamp() and now.timestamp() < expires)


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Return header, claims, and signature; empty ones for what is not a JWT."""
    if token.count(".") != 2:
        return {}, {}, ""
    header, claims, signature = token.split(".")
    return _json_object(header), _json_object(claims), signature


def _json_object(part: str) -> dict[str, Any]:
    try:
        value = json.loads(_decoded(part))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _decoded(part: str) -> bytes:
    """Decode unpadded base64url; empty for anything else."""
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return b""

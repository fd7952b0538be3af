"""Google's public keys by id: fetched when needed, cached for as long as Google allows.

https://www.googleapis.com/oauth2/v1/certs (id → PEM certificate) or .../oauth2/v3/certs (a JWK set, RFC 7517).
google-auth has no cache: it would fetch the keys for every token.
"""

import asyncio
import base64
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.ports import Clock

from .verifier_http import VerifierUnavailable, fetch, json_object

if TYPE_CHECKING:
    import httpx

MIN_LIFETIME, MAX_LIFETIME = timedelta(minutes=1), timedelta(days=1)
REFETCH_INTERVAL = timedelta(minutes=1)  # for an unknown key id, because anyone can invent one

_MAX_AGE = re.compile(r"\bmax-age=(\d{1,9})", re.IGNORECASE | re.ASCII)


class Certificates:
    """The cached keys of one instance."""

    def __init__(self, url: str, clock: Clock, http: "httpx.AsyncClient") -> None:
        self._url, self._clock, self._http = url, clock, http
        self._keys: dict[str, Any] = {}
        self._fetched_at: datetime | None = None
        self._expires_at: datetime | None = None
        self._lock = asyncio.Lock()

    async def key(self, key_id: str) -> Any:
        """Return the `google.auth.crypt` verifier with this id, or None. Raises VerifierUnavailable."""
        async with self._lock:  # concurrent requests share one fetch
            now = self._clock.now()
            expired = self._expires_at is None or now >= self._expires_at
            may_refetch = self._fetched_at is None or now - self._fetched_at >= REFETCH_INTERVAL
            if expired or (key_id not in self._keys and may_refetch):
                await self._fetch(now)
            return self._keys.get(key_id)

    async def _fetch(self, now: datetime) -> None:
        self._fetched_at = now
        response = await fetch(self._http, "GET", self._url)
        if response.status_code != 200:
            raise VerifierUnavailable(f"status {response.status_code}")
        keys = _keys(json_object(response))
        if not keys:
            raise VerifierUnavailable("no keys")
        self._keys, self._expires_at = keys, now + _lifetime(response.headers.get("cache-control", ""))


def _lifetime(cache_control: str) -> timedelta:
    found = _MAX_AGE.search(cache_control)
    return min(max(timedelta(seconds=int(found[1]) if found else 0), MIN_LIFETIME), MAX_LIFETIME)


def _keys(document: dict[str, Any]) -> dict[str, Any]:
    """Return a verifier for each readable key of the document."""
    if isinstance(jwks := document.get("keys"), list):
        pairs = [(jwk.get("kid"), jwk) for jwk in jwks if isinstance(jwk, dict)]
    else:
        pairs = list(document.items())
    verifiers = {key_id: _verifier(key) for key_id, key in pairs if isinstance(key_id, str)}
    return {key_id: verifier for key_id, verifier in verifiers.items() if verifier}


def _verifier(key: Any) -> Any:
    from google.auth import crypt

    rsa: Any = crypt.RSAVerifier  # google-auth is not typed
    try:
        return rsa(_public_key(key)) if isinstance(key, dict) else rsa.from_string(key)
    except (ValueError, TypeError, KeyError):
        return None


def _public_key(jwk: dict[str, Any]) -> Any:
    """Return the RSA key of a JWK. https://www.rfc-editor.org/rfc/rfc7518#section-6.3.1."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

    if jwk["kty"] != "RSA" or jwk.get("use", "sig") != "sig":
        raise ValueError("not an RSA key for signatures")
    return RSAPublicNumbers(_number(jwk["e"]), _number(jwk["n"])).public_key()


def _number(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")

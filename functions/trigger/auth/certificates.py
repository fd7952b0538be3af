"""Google's public keys by their id, fetched when they are needed and kept as long as Google says.

https://www.googleapis.com/oauth2/v1/certs (id → PEM certificate) or .../oauth2/v3/certs (a JWK set, RFC 7517).
"""

import asyncio
import base64
import re
from typing import TYPE_CHECKING, Any

from shared.ports import Clock

from .outside import Unanswered, ask, object_in

if TYPE_CHECKING:
    import httpx

SHORTEST, LONGEST = 60, 86_400  # seconds that keys are kept
PAUSE = 60  # seconds between two looks for a key that is not there: anybody can make up an id

_MAX_AGE = re.compile(r"\bmax-age=(\d{1,9})", re.IGNORECASE | re.ASCII)


class Certificates:
    """The keys as this instance knows them."""

    def __init__(self, url: str, clock: Clock, http: "httpx.AsyncClient") -> None:
        self._url, self._clock, self._http = url, clock, http
        self._keys: dict[str, Any] = {}
        self._good_until: float | None = None
        self._looked_at: float | None = None
        self._turn = asyncio.Lock()

    async def key(self, key_id: str) -> Any:
        """The verifier (google.auth.crypt) of this id, or None; Unanswered if Google cannot be asked."""
        async with self._turn:  # one fetch for all who wait
            now = self._clock.monotonic()
            if self._is_stale(now) or (key_id not in self._keys and self._may_look(now)):
                await self._fetch(now)
            return self._keys.get(key_id)

    def _is_stale(self, now: float) -> bool:
        return self._good_until is None or now >= self._good_until

    def _may_look(self, now: float) -> bool:
        return self._looked_at is None or now - self._looked_at >= PAUSE

    async def _fetch(self, now: float) -> None:
        self._looked_at = now
        response = await ask(self._http, "GET", self._url)
        if response.status_code != 200:
            raise Unanswered(f"status {response.status_code}")
        keys = _keys(object_in(response))
        if not keys:
            raise Unanswered("no keys")
        self._keys, self._good_until = keys, now + _lifetime(response.headers.get("cache-control", ""))


def _lifetime(cache_control: str) -> int:
    found = _MAX_AGE.search(cache_control)
    return min(max(int(found[1]) if found else 0, SHORTEST), LONGEST)


def _keys(answer: dict[str, Any]) -> dict[str, Any]:
    """Those that can be read."""
    if isinstance(listed := answer.get("keys"), list):
        pairs = [(jwk.get("kid"), jwk) for jwk in listed if isinstance(jwk, dict)]
    else:
        pairs = list(answer.items())
    read = {key_id: _verifier(key) for key_id, key in pairs if isinstance(key_id, str)}
    return {key_id: verifier for key_id, verifier in read.items() if verifier}


def _verifier(key: Any) -> Any:
    from google.auth import crypt

    rsa: Any = crypt.RSAVerifier  # it has no types
    try:
        return rsa(_public_key(key)) if isinstance(key, dict) else rsa.from_string(key)
    except (ValueError, TypeError, KeyError):
        return None


def _public_key(jwk: dict[str, Any]) -> Any:
    """https://www.rfc-editor.org/rfc/rfc7518#section-6.3.1."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

    if jwk["kty"] != "RSA" or jwk.get("use", "sig") != "sig":
        raise ValueError("no key for signatures")
    return RSAPublicNumbers(_number(jwk["e"]), _number(jwk["n"])).public_key()


def _number(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")

"""Enforces the rate limits of browsers across all instances: a job is counted in the shared document before it exists.

The rules are in shared/spending/rate_window.py.
"""

import asyncio
import hashlib
import hmac
from collections.abc import Sequence

from shared.auth_settings import AuthSettings
from shared.ports import Clock, JobStore
from shared.problems import Problem
from shared.spending import rate_window
from shared.spending.rate_window import Decision, NewJob, QuotaUsage
from shared.store_errors import Conflict, StoreUnavailable

ATTEMPTS = 30  # to save the document while other instances change it
HASH_DIGITS = 16


class RateLimits:
    """The rate limits as one instance enforces them."""

    def __init__(self, settings: AuthSettings, store: JobStore, clock: Clock) -> None:
        self._policies = rate_window.policies(settings.form_per_minute, settings.form_per_hour)
        self._store, self._clock = store, clock
        self._lock = asyncio.Lock()  # the requests of one instance do not conflict with each other

    async def admit(self, address: str, job_id: str, form_token: str | None = None) -> dict[str, str]:
        """Count a new job from this address and return the rate limit headers. A repeat of the job is not counted.

        Raises Problem: 429 if a quota is used up, 422 if another job used the form token. Raises StoreUnavailable if
        the job could not be counted; it must not be created then.
        """
        if not self._policies and form_token is None:
            return {}
        # A keyed hash: the stored document must not reveal an address.
        key = hmac.digest(await self._store.id_secret(), b"address", hashlib.sha256)
        address_hash = hmac.new(key, address.encode(), hashlib.sha256).hexdigest()[:HASH_DIGITS]
        token_hash = hashlib.sha256(form_token.encode()).hexdigest()[:HASH_DIGITS] if form_token else None
        async with self._lock:
            decision = await self._decide(address_hash, job_id[:HASH_DIGITS], token_hash)
        if decision.token_reused:
            detail = "This form token was already used. Get a new one for each request: GET /form-token."
            raise Problem.wrong(detail, "formToken")
        headers = self._headers(decision.usage)
        if not decision.admitted:
            detail = f"Too many new jobs were submitted from browsers. Retry in {decision.retry_seconds} seconds."
            headers["Retry-After"] = str(decision.retry_seconds)
            raise Problem("rate_limited", detail, headers=headers)
        return headers

    async def _decide(self, address: str, job_id: str, form_token: str | None) -> Decision:
        for _ in range(ATTEMPTS):
            stored = await self._store.read_rate_window()
            decision = rate_window.admit(stored, NewJob(self._clock.now(), address, job_id, form_token), self._policies)
            try:
                if decision.window is not stored:
                    await self._store.save_rate_window(decision.window)
            except Conflict:
                continue
            return decision
        raise StoreUnavailable("the rate window is written by too many instances at once")

    def _headers(self, usage: Sequence[QuotaUsage]) -> dict[str, str]:
        """Return the headers of draft-ietf-httpapi-ratelimit-headers-11, sections 3 and 4.

        https://www.ietf.org/archive/id/draft-ietf-httpapi-ratelimit-headers-11.html
        """
        if not self._policies:
            return {}
        policies = [f'"{one.name}";q={one.quota};w={int(one.window.total_seconds())}' for one in self._policies]
        headers = {"RateLimit-Policy": ", ".join(policies)}
        if usage:
            limits = [f'"{one.policy.name}";r={one.remaining};t={one.reset_seconds}' for one in usage]
            headers["RateLimit"] = ", ".join(limits)
        return headers

"""Holds browsers to their limits, over all instances: each new job is counted in the one document before it is made."""

import asyncio
import hashlib
import hmac
from collections.abc import Sequence

from shared.auth_settings import AuthSettings
from shared.ports import Clock, Conflict, JobStore, StoreUnavailable
from shared.problems import Problem
from shared.spending import rate_window as rules
from shared.spending.rate_window import Arrival, Policy, Standing, Verdict

TRIES = 30  # how often it is counted anew when other instances count at the same time
HASH_DIGITS = 16
USED = "This formToken was used for another request. Get a new one for each request."


class RateLimits:
    """The limits as this instance keeps them."""

    def __init__(self, settings: AuthSettings, store: JobStore, clock: Clock) -> None:
        self._policies = rules.policies(settings.form_per_minute, settings.form_per_hour)
        self._store, self._clock = store, clock
        self._turn = asyncio.Lock()

    async def admit(self, address: str, job_id: str, form_token: str | None = None) -> dict[str, str]:
        """Count a new job from this address; the headers that say what is left. Problem 429 if nothing is.

        Not again if it is counted already. Problem 422 for a form token that another job came with.
        StoreUnavailable: it could not be counted, so it may not come in.
        """
        if not self._policies and form_token is None:
            return {}
        who = await self._hashed(address)
        ticket = hashlib.sha256(form_token.encode()).hexdigest()[:HASH_DIGITS] if form_token else None
        async with self._turn:
            verdict = await self._counted(who, job_id[:HASH_DIGITS], ticket)
        if verdict.ticket_used:
            raise Problem.wrong(USED, "formToken")
        if not verdict.admitted:
            raise self._refusal(verdict)
        return self._headers(verdict.standings)

    async def _counted(self, who: str, job: str, ticket: str | None) -> Verdict:
        for _ in range(TRIES):
            seen = await self._store.read_arrivals()
            verdict = rules.arrive(seen, Arrival(self._clock.now(), who, job, ticket), self._policies)
            try:
                if verdict.arrivals is not seen:
                    await self._store.save_arrivals(verdict.arrivals)
            except Conflict:
                continue
            return verdict
        raise StoreUnavailable("arrivals: too many count at once")

    async def _hashed(self, address: str) -> str:
        """Nobody who reads the store learns an address from it."""
        key = hmac.digest(await self._store.id_secret(), b"address", hashlib.sha256)
        return hmac.new(key, address.encode(), hashlib.sha256).hexdigest()[:HASH_DIGITS]

    def _refusal(self, verdict: Verdict) -> Problem:
        detail = "Too many new images were asked for from browsers. Send the request again after Retry-After seconds."
        headers = {"Retry-After": str(verdict.retry_seconds), **self._headers(verdict.standings)}
        return Problem("rate_limited", detail, headers=headers)

    def _headers(self, standings: Sequence[Standing]) -> dict[str, str]:
        """https://www.ietf.org/archive/id/draft-ietf-httpapi-ratelimit-headers-11.html, sections 3 and 4."""
        if not self._policies:
            return {}
        headers = {"RateLimit-Policy": ", ".join(_policy(policy) for policy in self._policies)}
        if standings:
            headers["RateLimit"] = ", ".join(f'"{one.policy.name}";r={one.left};t={one.seconds}' for one in standings)
        return headers


def _policy(policy: Policy) -> str:
    return f'"{policy.name}";q={policy.quota};w={int(policy.window.total_seconds())}'

"""Admission of forms: what a browser must pass before its job is created, since it has no credential.

The honeypot, the form token, the Turnstile check, and the rate limits.
"""

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.requests import Request

from shared.auth_settings import AuthSettings
from shared.callers import FORM_PREFIX
from shared.log import Log
from shared.ports import Clock, JobStore
from shared.problems import Problem
from shared.public_job import timestamp

from . import cors, form_tokens
from .caller import Caller
from .client_address import client_address, rate_limit_key
from .rate_limits import RateLimits
from .turnstile import Turnstile

if TYPE_CHECKING:
    import httpx


class FormAdmission:
    """Admits new jobs of browsers. `http` creates a client; it is called only if Turnstile is configured."""

    def __init__(
        self,
        settings: AuthSettings,
        store: JobStore,
        clock: Clock,
        log: Log,
        http: Callable[[], "httpx.AsyncClient"],
        *,
        nonce: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._settings, self._store, self._clock, self._nonce = settings, store, clock, nonce
        self._limits = RateLimits(settings, store, clock)
        self._turnstile: Turnstile | None = None
        if settings.turnstile_secret:
            self._turnstile = Turnstile(settings.turnstile_url, settings.turnstile_secret, http(), log)

    async def issue_form_token(self, request: Request) -> dict[str, Any]:
        """Return `{"formToken", "notBefore", "expiresAt"}` for a page of an allowed origin. Raises Problem 403."""
        origin = cors.form_origin(request, self._settings)
        if not origin:
            raise Problem("forbidden", "Form tokens are issued to pages of FORM_ORIGINS only.")
        secret, nonce = await self._store.id_secret(), self._nonce(form_tokens.NONCE_BYTES)
        token = form_tokens.issue(secret, origin, self._clock.now(), nonce)
        times = {"notBefore": timestamp(token.not_before), "expiresAt": timestamp(token.expires_at)}
        return {"formToken": token.text, **times}

    async def check_form_token(self, token: Any, caller: Caller) -> None:
        """Check the form token of a browser; other callers need none. Raises Problem 422 if invalid or missing."""
        if not caller.browser or (token is None and not self._settings.form_token_required):
            return
        origin = (caller.name or "").removeprefix(FORM_PREFIX)
        try:
            if not isinstance(token, str):
                raise form_tokens.InvalidFormToken("Send a form token from GET /form-token as formToken.")
            form_tokens.check(token, await self._store.id_secret(), origin, self._clock.now())
        except form_tokens.InvalidFormToken as error:
            raise Problem("invalid_field", str(error), field="formToken") from error

    async def admit(
        self, request: Request, job_id: str, turnstile_response: Any, form_token: str | None = None
    ) -> dict[str, str]:
        """Admit a new job and return the rate limit headers of its response. A repeat of the same job is not counted.

        Raises Problem 403, 422, 429, or 503, and StoreUnavailable.
        """
        address = client_address(request, self._settings)
        if self._turnstile:
            origin = cors.allowed_origin(request, self._settings) or ""
            await self._turnstile.check(turnstile_response, origin, address, job_id)
        return await self._limits.admit(rate_limit_key(address), job_id, form_token)


def fills_honeypot(caller: Caller, website: Any) -> bool:
    """Return whether a browser filled in the field `website`, which is hidden from people.

    For other callers it is a field like any other.
    """
    blank = website is None or (isinstance(website, str) and not website.strip())
    return caller.browser and not blank

"""Cloudflare Turnstile: whether a person submitted a form.

https://developers.cloudflare.com/turnstile/get-started/server-side-validation/
"""

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from shared.log import Event, Log
from shared.problems import Problem

from .verifier_http import VerifierUnavailable, fetch, json_object

if TYPE_CHECKING:
    import httpx

FIELD = "cf-turnstile-response"
MAX_LENGTH = 2_048  # characters of a response
ACTION = "wireflow-images"  # data-action of the widget, if it has one
# Faults that the caller cannot fix: Cloudflare's own, or our secret.
OPERATOR_ERRORS = {"internal-error", "missing-input-secret", "invalid-input-secret"}

_NAMESPACE = uuid.UUID("5f0c4a44-8b0e-4f0e-9d53-8f9d2f6d1f6a")


@dataclass(frozen=True, slots=True)
class Turnstile:
    """Verifies responses of the Turnstile widget with its `secret`."""

    url: str
    secret: str = field(repr=False)
    http: "httpx.AsyncClient"
    log: Log

    async def check(self, response: Any, origin: str, address: str, job_id: str) -> None:
        """Check the response of a widget on a page of `origin`.

        Raises Problem: 403 if it is not valid, 503 while Cloudflare is unavailable. Cloudflare accepts a response once.
        The idempotency key lets a repeat of the same job pass, and reveals nothing about the job.
        """
        if not isinstance(response, str) or not response.isascii() or not 0 < len(response) <= MAX_LENGTH:
            detail = f"Complete the Turnstile check and try again. The form must send its response as {FIELD}."
            raise Problem("challenge_failed", detail, field=FIELD)
        fields = {"secret": self.secret, "response": response}
        fields["idempotency_key"] = str(uuid.uuid5(_NAMESPACE, f"{job_id} {response}"))
        if address:
            fields["remoteip"] = address
        if not _is_passed(await self._verify(fields), origin):
            detail = "The Turnstile check has expired or was completed on another page. Complete it again, then retry."
            raise Problem("challenge_failed", detail, field=FIELD)

    async def _verify(self, fields: dict[str, str]) -> dict[str, Any]:
        try:
            result = json_object(await fetch(self.http, "POST", self.url, data=fields))
            codes = result.get("error-codes")
            texts = {code for code in codes if isinstance(code, str)} if isinstance(codes, list) else set()
            if ours := OPERATOR_ERRORS & texts:
                raise VerifierUnavailable(", ".join(sorted(ours)))
        except VerifierUnavailable as error:
            self.log.error(Event.CONFIGURATION, f"Turnstile could not verify a response: {error}.")
            raise error.problem() from error
        return result


def _is_passed(result: dict[str, Any], origin: str) -> bool:
    """Return whether a challenge was passed on a page of this origin, and for no other purpose.

    Pages of other sites may have widgets with the same key; what was solved there does not count.
    """
    hostname = result.get("hostname")
    is_own_page = isinstance(hostname, str) and hostname.lower() == urlsplit(origin).hostname
    return result.get("success") is True and is_own_page and result.get("action") in (None, "", ACTION)

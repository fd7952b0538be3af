"""Cloudflare's word on whether a person sent a form.

https://developers.cloudflare.com/turnstile/get-started/server-side-validation/
"""

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shared.log import Event, Log
from shared.problems import Problem

from .outside import Unanswered, ask, object_in

if TYPE_CHECKING:
    import httpx

FIELD = "cf-turnstile-response"
LONGEST = 2_048  # characters of a response
# What the caller cannot mend: Cloudflare's own trouble, or our secret.
NOT_THE_CALLERS = {"internal-error", "missing-input-secret", "invalid-input-secret"}

_NAMESPACE = uuid.UUID("5f0c4a44-8b0e-4f0e-9d53-8f9d2f6d1f6a")


@dataclass(frozen=True, slots=True)
class Turnstile:
    """Asks Cloudflare; `secret` is that of the widget."""

    url: str
    secret: str = field(repr=False)
    http: "httpx.AsyncClient"
    log: Log

    async def check(self, response: Any, address: str, job_id: str) -> None:
        """Problem 403 unless the widget's response is good; 503 while nobody can tell.

        A response can be redeemed once. The idempotency key makes a repeat of the same job good again, and says
        nothing about the job.
        """
        if not isinstance(response, str) or not response.isascii() or not 0 < len(response) <= LONGEST:
            raise _refused(f"Send the response of the page's Turnstile widget as {FIELD}.")
        fields = {"secret": self.secret, "response": response}
        fields["idempotency_key"] = str(uuid.uuid5(_NAMESPACE, f"{job_id} {response}"))
        if address:
            fields["remoteip"] = address
        if not await self._passes(fields):
            raise _refused("The Turnstile response is wrong, used or too old: let the widget make another one.")

    async def _passes(self, fields: dict[str, str]) -> bool:
        try:
            answer = object_in(await ask(self.http, "POST", self.url, data=fields))
            if ours := NOT_THE_CALLERS & _codes(answer):
                raise Unanswered(", ".join(sorted(ours)))
        except Unanswered as error:
            self.log.error(Event.CONFIGURATION, f"Turnstile could not be asked: {error}.")
            raise error.problem() from error
        return answer.get("success") is True


def _codes(answer: dict[str, Any]) -> set[str]:
    codes = answer.get("error-codes")
    return {code for code in codes if isinstance(code, str)} if isinstance(codes, list) else set()


def _refused(detail: str) -> Problem:
    return Problem("challenge_failed", detail, field=FIELD)

"""Calls to the services that verify credentials: Google's certificates and Cloudflare's Turnstile.

While one of them is unavailable, nothing is admitted and nothing is called invalid: the caller may retry.
"""

import asyncio
from typing import TYPE_CHECKING, Any

from shared.problems import Problem

if TYPE_CHECKING:  # httpx lengthens a cold start; most deployments need no verifier
    import httpx

TIMEOUT_SECONDS = 5.0
RETRY_SECONDS = 5


class VerifierUnavailable(Exception):
    """The service did not respond as documented. The text says why, without what was sent."""

    def problem(self) -> Problem:
        """Return what the caller is told: 503 with Retry-After."""
        detail = f"The service that verifies this credential is unavailable. Retry in {RETRY_SECONDS} seconds."
        return Problem("check_unavailable", detail, headers={"Retry-After": str(RETRY_SECONDS)})


async def fetch(http: "httpx.AsyncClient", method: str, url: str, **content: Any) -> "httpx.Response":
    """Return the complete response, of any status below 500 except 429. Raises VerifierUnavailable, after 5 s too."""
    import httpx

    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            response = await http.request(method, url, follow_redirects=False, **content)
    except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, TimeoutError) as error:
        raise VerifierUnavailable(type(error).__name__) from error
    if response.status_code >= 500 or response.status_code == 429:
        raise VerifierUnavailable(f"status {response.status_code}")
    return response


def json_object(response: "httpx.Response") -> dict[str, Any]:
    """Return the JSON object of a response. Raises VerifierUnavailable."""
    try:
        document = response.json()
    except (ValueError, RecursionError) as error:
        raise VerifierUnavailable("not JSON") from error
    if not isinstance(document, dict):
        raise VerifierUnavailable("not a JSON object")
    return document

"""Asking those who check credentials for us; while they do not answer, nobody is let in and nobody is called wrong."""

import asyncio
from typing import TYPE_CHECKING, Any

from shared.problems import Problem

if TYPE_CHECKING:  # a cold start without such a door does not pay for it
    import httpx

ASK_SECONDS = 5.0
RETRY_SECONDS = 5


class Unanswered(Exception):
    """Who was asked did not answer as it should; the text says why, without what it was asked with."""

    def problem(self) -> Problem:
        """What the caller is told."""
        detail = "Who checks this credential does not answer. Send the same request again in a moment."
        return Problem("check_unavailable", detail, headers={"Retry-After": str(RETRY_SECONDS)})


async def ask(http: "httpx.AsyncClient", method: str, url: str, **content: Any) -> "httpx.Response":
    """The whole answer, whatever its status below 500 (but for 429), within 5 s; else Unanswered."""
    import httpx

    try:
        async with asyncio.timeout(ASK_SECONDS):
            response = await http.request(method, url, follow_redirects=False, **content)
    except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, TimeoutError) as error:
        raise Unanswered(type(error).__name__) from error
    if response.status_code >= 500 or response.status_code == 429:
        raise Unanswered(f"status {response.status_code}")
    return response


def object_in(response: "httpx.Response") -> dict[str, Any]:
    """The JSON object that was answered; Unanswered if it is none."""
    try:
        answer = response.json()
    except (ValueError, RecursionError) as error:
        raise Unanswered("not JSON") from error
    if not isinstance(answer, dict):
        raise Unanswered("not a JSON object")
    return answer

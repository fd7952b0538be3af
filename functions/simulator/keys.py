"""The API key: who may ask."""

from starlette.responses import Response

from .case import Case
from .refusals import refusal


def refused(case: Case) -> Response | None:
    """The 401 of a request without the right key."""
    words = _wrong(case.request.headers.get("authorization"), case.settings.api_key)
    return refusal(401, words, case.style) if words else None


def _wrong(given: str | None, api_key: str) -> str | None:
    if given is None:
        return "Missing Authorization header"
    if not given.startswith("Bearer "):
        return "Invalid API key format. Expected: Bearer sk-..."
    return None if given == f"Bearer {api_key}" else "Invalid API key"

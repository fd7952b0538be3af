"""The vendor's error answers in the forms that it publishes: a text, or an object with type and code."""

import math
from datetime import datetime
from typing import Any

from starlette.responses import JSONResponse

from .limits import Exceeded, limit_headers
from .settings import Style

# The types that the vendor's own client knows, by status; what is not here is an api_error.
TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "insufficient_credits_error",
    403: "authentication_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    409: "conflict_error",
    413: "invalid_request_error",
    422: "invalid_request_error",
}
# https://www.wireflow.ai/docs/api/errors
NO_CREDITS = "Insufficient credits. Required: 10, Available: 3"
CREDIT_DETAILS: dict[str, Any] = {
    "insufficientCredits": True,
    "requiredCredits": 10,
    "availableCredits": 3,
    "breakdown": [{"nodeId": "gen-1", "nodeLabel": "Nano Banana Pro", "credits": 10}],
}


def refusal(
    status: int,
    message: str,
    style: Style,
    headers: dict[str, str] | None = None,
    **details: object,
) -> JSONResponse:
    """An error answer: `{"error": text}` when flat, `{"error": {"type", "message", "code"}}` otherwise."""
    error: object = message
    if style != Style.FLAT:
        kind = TYPES.get(status, "api_error")
        error = {"type": kind, "message": message, "code": kind.removesuffix("_error")}
    return JSONResponse({"error": error, **details}, status, headers)


def insufficient_credits(style: Style) -> JSONResponse:
    """The 402: with its amounts beside a text, or typed without them."""
    return refusal(402, NO_CREDITS, style, **(CREDIT_DETAILS if style == Style.FLAT else {}))


def rate_limited(exceeded: Exceeded, now: datetime, style: Style) -> JSONResponse:
    """The published 429: seconds in the header, and in the body an epoch under the name `retryAfter`."""
    wait = math.ceil((exceeded.resets_at - now).total_seconds())
    headers = {"Retry-After": str(max(1, wait)), **limit_headers(exceeded.limit, 0, exceeded.resets_at)}
    return refusal(429, exceeded.message, style, headers, retryAfter=math.ceil(exceeded.resets_at.timestamp()))

"""What browsers are told: which origins may call (CORS), and whoever else asks beforehand what it may send (OPTIONS).

https://fetch.spec.whatwg.org/#http-cors-protocol;
https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md#4-abuse-protection
"""

import re
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from shared.auth_settings import AuthSettings
from shared.problems import Problem

EXPOSED = "Location, Retry-After, ETag, Idempotent-Replayed, Preference-Applied, RateLimit, RateLimit-Policy"
ACCEPTED = "Content-Type, Idempotency-Key, Prefer, Accept, If-None-Match, Authorization"
PREFLIGHT_SECONDS = 600

_SENDER = re.compile(r"[!-~]{1,255}")


def allowed_origin(request: Request, settings: AuthSettings) -> str | None:
    """The page's origin, if it may call: exactly one of FORM_ORIGINS, so never `null`."""
    values = request.headers.getlist("origin")
    return values[0] if len(values) == 1 and values[0] in settings.origins else None


def cors(request: Request, settings: AuthSettings, vary: str | None) -> dict[str, str]:
    """The headers that let pages of allowed origins read an answer. `vary`: what it varies by already.

    It varies by origin even where it names none: a cache must not give it to a page of another origin.
    """
    if not settings.origins:
        return {}
    headers = {"Vary": f"{vary}, Origin" if vary else "Origin"}
    if origin := allowed_origin(request, settings):
        headers |= {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": EXPOSED}
    return headers


def options(request: Request, settings: AuthSettings, methods: Sequence[str]) -> Response:
    """Answer OPTIONS for a path that takes `methods`. Who asks nothing in particular is told nothing."""
    sender = request.headers.get("webhook-request-origin", "")
    if settings.event_account and "POST" in methods and _SENDER.fullmatch(sender):
        headers = {"Allow": ", ".join(methods), "WebHook-Allowed-Origin": sender, "WebHook-Allowed-Rate": "*"}
        return Response(status_code=200, headers=headers)
    if sender:
        raise Problem.not_allowed("OPTIONS", methods)
    if "origin" not in request.headers or "access-control-request-method" not in request.headers:
        return Response(status_code=204)
    if not allowed_origin(request, settings):
        raise Problem("forbidden", "Pages of this origin may not call; FORM_ORIGINS names those that may.")
    return _preflight(methods)


def _preflight(methods: Sequence[str]) -> Response:
    headers = {
        "Access-Control-Allow-Methods": ", ".join(methods),
        "Access-Control-Allow-Headers": ACCEPTED,
        "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
    }
    return Response(status_code=204, headers=headers)

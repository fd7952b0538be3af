"""Cross-origin requests (CORS): which origins may call, the response headers, and OPTIONS.

OPTIONS also serves the handshake of senders of CloudEvents. https://fetch.spec.whatwg.org/#http-cors-protocol;
https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md#4-abuse-protection
"""

import re
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from shared.auth_settings import AuthSettings, origin_of
from shared.problems import Problem

from .rejections import origin_not_allowed

EXPOSED = "Location, Retry-After, ETag, Idempotent-Replayed, Preference-Applied, RateLimit, RateLimit-Policy"
ACCEPTED = "Content-Type, Idempotency-Key, Prefer, Accept, If-None-Match, Authorization"
PREFLIGHT_SECONDS = 600

_SENDER = re.compile(r"[!-~]{1,255}")


def allowed_origin(request: Request, settings: AuthSettings) -> str | None:
    """Return the Origin if it is exactly one of FORM_ORIGINS, so never for `null`; else None."""
    values = request.headers.getlist("origin")
    return values[0] if len(values) == 1 and values[0] in settings.origins else None


def own_origin(request: Request, settings: AuthSettings) -> str | None:
    """Return the origin that the request was sent to if it is one of FORM_ORIGINS, else None."""
    host = request.headers.get("host", "")
    return next((own for own in map(origin_of, (f"https://{host}", f"http://{host}")) if own in settings.origins), None)


def form_origin(request: Request, settings: AuthSettings) -> str | None:
    """Return the origin of FORM_ORIGINS whose page sent this GET, else None. Browsers send no Origin to its own one."""
    if request.headers.get("sec-fetch-site") == "same-origin":
        return own_origin(request, settings)
    return allowed_origin(request, settings)


def own_or_allowed_origin(request: Request, settings: AuthSettings, public_url: str | None) -> str | None:
    """Return the Origin if its pages may submit forms: those of FORM_ORIGINS and our own page of an error, else None.

    Without PUBLIC_URL our own origin is the one that the request was sent to.
    """
    values = request.headers.getlist("origin")
    if not settings.origins or len(values) != 1:
        return None
    host = request.headers.get("host", "")
    own = [public_url] if public_url else [f"https://{host}", f"http://{host}"]
    return values[0] if values[0] in {*settings.origins, *map(origin_of, own)} else None


def cors_headers(request: Request, settings: AuthSettings, vary: str | None) -> dict[str, str]:
    """Return the headers that let pages of allowed origins read a response. `vary`: its Vary header so far.

    Every response varies by Origin, so that a cache does not serve it to a page of another origin.
    """
    if not settings.origins:
        return {}
    headers = {"Vary": f"{vary}, Origin" if vary else "Origin"}
    if origin := allowed_origin(request, settings):
        headers |= {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": EXPOSED}
    return headers


def options_response(request: Request, settings: AuthSettings, methods: Sequence[str]) -> Response:
    """Respond to OPTIONS for a path with these methods: a handshake, a preflight, or neither.

    Raises Problem: 403 for a preflight of another origin, 405 for a handshake where no events are accepted.
    """
    sender = request.headers.get("webhook-request-origin", "")
    takes_events = settings.event_account and "POST" in methods and request.scope["path"] == "/"
    if takes_events and _SENDER.fullmatch(sender):
        headers = {"Allow": ", ".join(methods), "WebHook-Allowed-Origin": sender, "WebHook-Allowed-Rate": "*"}
        return Response(status_code=200, headers=headers)
    if sender:
        raise Problem.not_allowed("OPTIONS", methods)
    if "origin" not in request.headers or "access-control-request-method" not in request.headers:
        return Response(status_code=204)
    if not allowed_origin(request, settings):
        raise origin_not_allowed()
    headers = {
        "Access-Control-Allow-Methods": ", ".join(methods),
        "Access-Control-Allow-Headers": ACCEPTED,
        "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
    }
    return Response(status_code=204, headers=headers)

"""Wireflow's HTTP API: its endpoints by method and path, a request to one of them, and its error responses."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import JSONResponse


class Endpoint(StrEnum):
    """The simulated endpoints, by the names that `for` takes in POST /_faults."""

    TRIGGER = "trigger"
    RUN = "run"
    EXECUTE = "execute"
    HEALTH = "health"
    DESCRIBE = "describe"
    UPLOAD = "upload"
    POLL = "poll"
    DETAILS = "details"
    DOWNLOAD = "download"
    CDN = "cdn"


PAID = (Endpoint.TRIGGER, Endpoint.RUN, Endpoint.EXECUTE)
STATUS = (Endpoint.POLL, Endpoint.DETAILS)
API = (*PAID, Endpoint.HEALTH, Endpoint.DESCRIBE, Endpoint.UPLOAD, *STATUS)
AUTHENTICATED = tuple(endpoint for endpoint in API if endpoint not in (Endpoint.TRIGGER, Endpoint.HEALTH))
FILES = (Endpoint.CDN, Endpoint.DOWNLOAD)


class Match(NamedTuple):
    """An endpoint, and the id in its path: of a webhook, a workflow or an execution ("" if there is none)."""

    endpoint: Endpoint
    resource_id: str


@dataclass(frozen=True)
class Exchange:
    """A request to one of the endpoints. `body` is the JSON object of a paid call, and empty otherwise."""

    request: Request
    endpoint: Endpoint
    resource_id: str
    now: datetime
    body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def idempotency_key(self) -> str | None:
        """The Idempotency-Key header."""
        return self.request.headers.get("idempotency-key")

    @property
    def base_url(self) -> str:
        """Scheme, host and port that the request was sent to."""
        return str(self.request.base_url).rstrip("/")


_READ = ("GET", "HEAD")
# https://www.wireflow.ai/docs/api/webhooks: the singular `workflow` in the trigger's path is no typing error.
_WEBHOOK = r"/api/v1/workflow/(?P<id>[^/]+)/trigger"
_EXECUTION = r"/api/v1/workflows/executions/(?P<id>[^/]+)"
_WORKFLOW = r"/api/v1/workflows/(?P<id>[^/]+)"
_GENERATED = r"/cdn/(?P<id>[^/]+)/\d+\.(?:png|jpeg|webp)"
_UPLOADED = r"/cdn/uploads/[0-9a-f]{32}\.(?:png|jpeg|webp|gif|avif)"

_ROUTES: tuple[tuple[Endpoint, tuple[str, ...], str], ...] = (
    (Endpoint.TRIGGER, ("POST",), _WEBHOOK),
    (Endpoint.HEALTH, _READ, _WEBHOOK),
    (Endpoint.POLL, _READ, _EXECUTION + "/poll"),
    (Endpoint.DETAILS, _READ, _EXECUTION),
    (Endpoint.DOWNLOAD, _READ, r"/api/download"),
    (Endpoint.CDN, _READ, _GENERATED),
    (Endpoint.CDN, _READ, _UPLOADED),
    (Endpoint.RUN, ("POST",), _WORKFLOW + "/run"),
    (Endpoint.DESCRIBE, _READ, _WORKFLOW + "/run"),
    (Endpoint.EXECUTE, ("POST",), _WORKFLOW + "/execute"),
    (Endpoint.UPLOAD, ("POST",), r"/api/v1/media/upload"),
)


def match(method: str, path: str) -> Match | None:
    """Return the endpoint of a method and a path, or None."""
    for endpoint, methods, pattern in _ROUTES:
        found = re.fullmatch(pattern, path)
        if found and method in methods:
            return Match(endpoint, found.groupdict().get("id", ""))
    return None


def allowed_methods(path: str) -> tuple[str, ...]:
    """Return the methods of a path; empty for an unknown path."""
    return tuple(m for _, methods, pattern in _ROUTES if re.fullmatch(pattern, path) for m in methods)


# --- Errors ---------------------------------------------------------------------------------------------------------

# https://www.wireflow.ai/docs/api/errors, and the types that Wireflow's own client knows; others are an api_error.
_ERROR_TYPES = {
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


class Rejected(Exception):
    """A request that Wireflow rejects. `details` are members of the body beside `error`."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None, **details: object) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        self.details = details


def error_response(error: Rejected, *, typed: bool) -> JSONResponse:
    """Build the response in a published form: `{"error": text}`, or `{"error": {"type", "message", "code"}}`."""
    content: object = str(error)
    if typed:
        kind = _ERROR_TYPES.get(error.status, "api_error")
        content = {"type": kind, "message": str(error), "code": kind.removesuffix("_error")}
    return JSONResponse({"error": content, **error.details}, error.status, error.headers)

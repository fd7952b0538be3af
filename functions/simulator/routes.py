"""Which of the vendor's endpoints a request is for."""

import re
from dataclasses import dataclass
from enum import StrEnum


class Endpoint(StrEnum):
    """The endpoints that are simulated, by the names that `for` uses in POST /_faults."""

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
API = (*PAID, Endpoint.HEALTH, Endpoint.DESCRIBE, Endpoint.UPLOAD, Endpoint.POLL, Endpoint.DETAILS)
FILES = (Endpoint.CDN, Endpoint.DOWNLOAD)


@dataclass(frozen=True)
class Call:
    """An endpoint, and the id in its path: of a webhook, a workflow or an execution."""

    endpoint: Endpoint
    id: str = ""


_READS = ("GET", "HEAD")
# https://www.wireflow.ai/docs/api/webhooks: the trigger's path has a singular `workflow`, and is meant so.
_WEBHOOK = r"/api/v1/workflow/(?P<id>[^/]+)/trigger"
_EXECUTION = r"/api/v1/workflows/executions/(?P<id>[^/]+)"
_WORKFLOW = r"/api/v1/workflows/(?P<id>[^/]+)"
_PICTURE = r"/cdn/(?P<id>[^/]+)/\d+\.(?:png|jpeg|webp)"
_UPLOADED = r"/cdn/uploads/[0-9a-f]{32}\.(?:png|jpeg|webp|gif|avif)"

_ROUTES: tuple[tuple[Endpoint, tuple[str, ...], str], ...] = (
    (Endpoint.TRIGGER, ("POST",), _WEBHOOK),
    (Endpoint.HEALTH, _READS, _WEBHOOK),
    (Endpoint.POLL, _READS, _EXECUTION + "/poll"),
    (Endpoint.DETAILS, _READS, _EXECUTION),
    (Endpoint.DOWNLOAD, _READS, r"/api/download"),
    (Endpoint.CDN, _READS, _PICTURE),
    (Endpoint.CDN, _READS, _UPLOADED),
    (Endpoint.RUN, ("POST",), _WORKFLOW + "/run"),
    (Endpoint.DESCRIBE, _READS, _WORKFLOW + "/run"),
    (Endpoint.EXECUTE, ("POST",), _WORKFLOW + "/execute"),
    (Endpoint.UPLOAD, ("POST",), r"/api/v1/media/upload"),
)


def route(method: str, path: str) -> Call | None:
    """The call that a method and a path are, or None."""
    for endpoint, methods, pattern in _ROUTES:
        found = re.fullmatch(pattern, path)
        if found and method in methods:
            return Call(endpoint, found.groupdict().get("id", ""))
    return None


def allowed(path: str) -> tuple[str, ...]:
    """The methods that a path knows; empty for an unknown path."""
    return tuple(m for _, methods, pattern in _ROUTES if re.fullmatch(pattern, path) for m in methods)

"""`GET /openapi.json`: what this deployment takes and answers (OpenAPI 3.1), made of the constants that the code obeys.

https://spec.openapis.org/oas/v3.1.1.html
"""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from shared.auth_settings import AuthSettings

from ..context import Context
from ..responses.job_representation import base_url
from ..routes.workflows import inputs_of
from . import more
from .answers import HEADERS, answers
from .paths import paths, security_schemes
from .requests import Described, requests

TITLE, VERSION = "Wireflow images", "1"
DESCRIPTION = (
    "Prompts become jobs, and jobs become images that stay. Every error is a problem document (RFC 9457) that says "
    "what to change. An unknown path is 404; a known one with another method is 405, with `Allow`. Pages of allowed "
    "origins get CORS headers. A token must not stand in an address (400)."
)


async def openapi(request: Request, context: Context) -> Response:
    """The description of this deployment: its workflows and origins, but no id and no secret."""
    deps = context.deps
    workflows = [Described(one, await inputs_of(one, deps)) for one in deps.config.workflows]
    document = described(workflows, deps.config.auth, base_url(request, deps))
    return JSONResponse(document, headers={"Cache-Control": "no-cache"})


def described(workflows: list[Described], auth: AuthSettings, url: str) -> dict[str, Any]:
    """The document. `url`: where the routes are."""
    schemes = security_schemes(auth)
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": VERSION, "description": DESCRIPTION},
        "servers": [{"url": url}],
        "paths": paths(auth),
        "components": {
            "schemas": answers() | requests(workflows, auth) | more.schemas(),
            "headers": HEADERS,
            "parameters": more.parameters(),
            "requestBodies": more.request_bodies(),
            **({"securitySchemes": schemes} if schemes else {}),
        },
    }

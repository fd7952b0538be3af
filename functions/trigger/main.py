"""HTTP in: callers' requests become jobs. Deployed as the function `trigger`."""

import os
from functools import cache
from typing import TYPE_CHECKING

import functions_framework.aio
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response

from shared import wiring

from . import router
from .auth.auth import Auth
from .context import Context

if TYPE_CHECKING:
    import httpx

# The server, which reads this after the import, would else take the address of a caller on this machine from its own
# X-Forwarded-For. https://uvicorn.dev/deployment/#proxies-and-forwarded-headers
os.environ["FORWARDED_ALLOW_IPS"] = ""


class _AnyPath(PathConvertor):
    """The framework's route for all paths; it would itself answer one with a line break, in plain text."""

    regex = "(?s:.*)"


register_url_convertor("path", _AnyPath())

CONFIG = wiring.configuration()
ASKING_SECONDS = 5.0  # a caller waits


@functions_framework.aio.http
async def trigger(request: Request) -> Response:
    """Answer one request of a caller; the README beside this file has the routes."""
    return await router.handle(request, _context())


@cache
def _context() -> Context:
    """Made by the first request: the framework forks after the import."""
    deps = wiring.dependencies(CONFIG)
    auth = Auth(CONFIG.auth, CONFIG.public_url, deps.store, deps.clock, deps.log, _http)
    return Context(deps, auth)


@cache
def _http() -> "httpx.AsyncClient":
    """For what the auth ask, Google's certificates and the Turnstile check; not needed by every deployment."""
    import httpx

    return httpx.AsyncClient(timeout=ASKING_SECONDS, trust_env=False)

"""The function `trigger`: requests of callers become jobs."""

import os
from functools import cache

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from shared import wiring
from shared.runtime.garbage_collection import spare_imports

from . import router
from .context import Context, create_context

# The server reads this after it has imported this module. By default it would trust X-Forwarded-For from callers on
# the same machine: https://uvicorn.dev/deployment/#proxies-and-forwarded-headers
os.environ["FORWARDED_ALLOW_IPS"] = ""

CONFIG = wiring.configuration()


@functions_framework.aio.http
async def trigger(request: Request) -> Response:
    """Handle one request of a caller."""
    return await router.handle(request, _context())


@cache
def _context() -> Context:
    """Build on the first request: the framework forks after it has imported this module."""
    context = create_context(wiring.dependencies(CONFIG))
    spare_imports()
    return context

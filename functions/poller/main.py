"""The function `poller`: Cloud Scheduler calls it once a minute, and each call moves due jobs forward."""

from functools import cache

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from shared import wiring
from shared.runtime.garbage_collection import spare_imports

from .api import Poller

CONFIG = wiring.configuration()


@functions_framework.aio.http
async def poller(request: Request) -> Response:
    """Handle one call of the scheduler."""
    return await _poller().handle(request)


@cache
def _poller() -> Poller:
    """Build on the first request: the framework forks after it has imported this module."""
    built = Poller(wiring.dependencies(CONFIG))
    spare_imports()
    return built

"""HTTP in: callers' requests become jobs. Deployed as the function `trigger`."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from shared import wiring

from . import api

CONFIG = wiring.configuration()


@functions_framework.aio.http
async def trigger(request: Request) -> Response:
    """Answer one request of a caller; README, "The contract", has the routes."""
    return await api.answer(request, wiring.services(CONFIG))

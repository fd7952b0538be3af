"""Schedule in: due jobs go one step further. Deployed as the function `poller`, called once a minute."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from shared import wiring

from . import api

CONFIG = wiring.configuration()


@functions_framework.aio.http
async def poller(request: Request) -> Response:
    """Work through one window and answer with its counts."""
    return await api.answer(request, wiring.dependencies(CONFIG))

"""The simulator under functions-framework, for tests and local use; never deployed.

    PYTHONPATH=. functions-framework --source functions/simulator/main.py --target simulator --port 8090

One process has all the state, so WORKERS must stay 1. README.md describes routes, settings, and faults.
"""

import functools
import os

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from .app import Simulator
from .settings import Settings

# Read at import: an invalid setting stops the start.
SETTINGS = Settings.of(os.environ)


@functools.cache
def _simulator() -> Simulator:
    """Built in the first request: a worker that replaces a killed one reads the ledger again."""
    return Simulator(SETTINGS)


@functions_framework.aio.http
async def simulator(request: Request) -> Response:
    """Respond as Wireflow would."""
    return await _simulator().handle(request)

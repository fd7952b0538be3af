"""A stand-in for Wireflow under functions-framework, for tests and for trying things out; never deployed.

    PYTHONPATH=. functions-framework --source functions/simulator/main.py --target simulator --port 8090

One process holds the state (WORKERS must stay 1). The settings are in settings.py, the faults in faults.py.
"""

import functools
import os

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from .answer import answer
from .settings import Settings
from .state import Simulator

# Read at import: a wrong setting stops the start.
SETTINGS = Settings.of(os.environ)


@functools.cache
def _simulator() -> Simulator:
    """Built in the first request: a worker that was killed is forked anew, and reads the ledger anew."""
    return Simulator(SETTINGS)


@functions_framework.aio.http
async def simulator(request: Request) -> Response:
    """Answer as Wireflow would."""
    return await answer(request, _simulator())

"""Both functions with wake-ups that call the poller over HTTP, as Cloud Tasks does.

functions-framework loads this file in place of the functions' own. The file `POLLER_URL_FILE` has the poller's URL.
"""

import os
from pathlib import Path

import httpx

from shared import wiring
from shared.config import Config
from shared.log import Log
from shared.ports import WakeUp
from shared.wake_up.in_process import InProcessWakeUp

POLLER_URL = Path(os.environ["POLLER_URL_FILE"]).read_text()


async def _call_poller() -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=180.0) as http:
        await http.post(POLLER_URL)


def _wake_up_of(_config: Config, _log: Log) -> WakeUp:
    return InProcessWakeUp(wiring.SystemClock(), _call_poller)


wiring.wake_up_of = _wake_up_of

from functions.poller.main import poller as poller  # noqa: E402  after the change
from functions.trigger.main import trigger as trigger  # noqa: E402

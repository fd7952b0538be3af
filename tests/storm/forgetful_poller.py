"""The poller, except that it kills itself now and then after a receiver has got a message, before that is recorded.

functions-framework loads this file in place of functions/poller/main.py. The file `SENT` gets a byte for each message
to a live receiver; the tenth, twentieth, and thirtieth kill the process.
"""

import os
import signal
from collections.abc import Mapping
from pathlib import Path

from functions.poller.main import poller as poller
from shared.notifications.port import ReceiverResponse
from shared.notifications.receivers import HttpReceivers

SENT = Path(os.environ["SENT"])
DEADLY = (10, 20, 30)

_post = HttpReceivers.post


async def _post_and_die(self: HttpReceivers, url: str, headers: Mapping[str, str], body: bytes) -> ReceiverResponse:
    response = await _post(self, url, headers, body)
    if "/live/" in url and _count() in DEADLY:
        os.kill(os.getpid(), signal.SIGKILL)
    return response


def _count() -> int:
    with SENT.open("ab") as file:
        file.write(b".")
    return SENT.stat().st_size


HttpReceivers.post = _post_and_die  # type: ignore[method-assign]

"""The poller, except that it kills itself when it works on a job whose prompt contains `[deadly]`.

functions-framework loads this file in place of functions/poller/main.py. Each kill adds a line to the file `KILLS`:
whether the job ran alone, and how many other jobs the worker held.
"""

import asyncio
import os
import signal
from pathlib import Path

from functions.poller.main import poller as poller
from functions.poller.window import Window
from shared.runtime.lease import Lease

KILLS = Path(os.environ["KILLS"])
ALONE_SECONDS = 1.0  # in which the worker would claim other jobs
PAUSE = 0.05
OTHERS_SECONDS = 5.0  # at most, in which the worker of several jobs claims another one

_advance = Window._advance


def _die(line: str) -> None:
    with KILLS.open("a") as file:
        file.write(line)
    os.kill(os.getpid(), signal.SIGKILL)


async def _claimed_others(window: Window, seconds: float) -> None:
    for _ in range(round(seconds / PAUSE)):
        if len(window._held) < 2:
            await asyncio.sleep(PAUSE)


async def _advance_or_die(self: Window, lease: Lease, *, alone: bool = False) -> None:
    if "[deadly]" in lease.job.prompt:
        await _claimed_others(self, ALONE_SECONDS if alone else OTHERS_SECONDS)
        _die(f"{alone} {len(self._held) - 1}\n")
    await _advance(self, lease, alone=alone)


Window._advance = _advance_or_die  # type: ignore[method-assign]

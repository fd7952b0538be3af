"""The poller, except that it kills itself when a receiver has responded, before it records that. It does so twice.

functions-framework loads this file in place of functions/poller/main.py. Each kill adds a line to the file `KILLS`.
"""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

from functions.poller.main import poller as poller
from shared.callbacks import Callback
from shared.job import Job
from shared.runtime.dependencies import Deps
from shared.steps import wrap_up
from shared.steps.deliver import deliver

KILLS = Path(os.environ["KILLS"])
MAX_KILLS = 2


async def _deliver_and_die(job: Job, deps: Deps) -> Sequence[Callback]:
    tried = await deliver(job, deps)
    if tried:
        _die(f"{job.id}\n")
    return tried


def _die(line: str) -> None:
    if not KILLS.exists() or len(KILLS.read_text().splitlines()) < MAX_KILLS:
        with KILLS.open("a") as file:
            file.write(line)
        os.kill(os.getpid(), signal.SIGKILL)


wrap_up.deliver = _deliver_and_die  # type: ignore[assignment]

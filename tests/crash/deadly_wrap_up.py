"""The poller, except that it kills itself now and then while it creates a following job, or deletes an erased one.

functions-framework loads this file in place of functions/poller/main.py. Each kill adds a line to the file `KILLS`.
"""

import os
import signal
from pathlib import Path

from functions.poller.main import poller as poller
from shared.job import Job
from shared.runtime.dependencies import Deps
from shared.runtime.lease import Lease
from shared.steps import wrap_up

KILLS = Path(os.environ["KILLS"])

_start_next, _erase_images = wrap_up.start_next, wrap_up.erase_images


async def _start_next_or_die(job: Job, deps: Deps) -> Job:
    if job.next_to_start is None:
        return job
    _die_once("before the next job")
    job = await _start_next(job, deps)
    _die_once("after the next job")
    return job


async def _erase_images_or_die(lease: Lease, deps: Deps) -> None:
    _die_once("before the images")
    await deps.images.delete_job(lease.job.id)
    _die_once("after the images")
    await _erase_images(lease, deps)


def _die_once(place: str) -> None:
    if KILLS.exists() and place in KILLS.read_text().splitlines():
        return
    with KILLS.open("a") as file:
        file.write(f"{place}\n")
    os.kill(os.getpid(), signal.SIGKILL)


wrap_up.start_next, wrap_up.erase_images = _start_next_or_die, _erase_images_or_die

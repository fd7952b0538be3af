"""`Prefer: wait=N` (RFC 7240): the answer is held back until the job has ended, for as long as that is asked and sane.

While it waits the job is read again and again, with growing pauses: an image takes 10 to 20 seconds.
"""

import re
from collections.abc import Callable
from contextlib import suppress

from starlette.requests import Request

from shared.job import Job
from shared.ports import StoreUnavailable
from shared.runtime.dependencies import Deps

LONGEST_WAIT = 25  # seconds: within the time limits of those who ask
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 1.0

_WAIT = re.compile(r"wait\s*=\s*(?P<quote>\"?)(?P<seconds>\d{1,9})(?P=quote)", re.IGNORECASE | re.ASCII)


def preferred_wait(request: Request) -> int | None:
    """The seconds that the caller would wait, 25 at most; None if it names none, or none that makes sense."""
    for line in request.headers.getlist("prefer"):
        for preference in line.split(","):
            if found := _WAIT.fullmatch(preference.split(";")[0].strip()):
                return min(int(found["seconds"]), LONGEST_WAIT)
    return None


def preference_applied(seconds: int | None) -> dict[str, str]:
    """`Preference-Applied`, where the preference was honoured."""
    return {} if seconds is None else {"Preference-Applied": f"wait={seconds}"}


def _ended(job: Job) -> bool:
    return job.finished


async def wait_until(job: Job, seconds: int | None, deps: Deps, enough: Callable[[Job], bool] = _ended) -> Job:
    """The job once it is `enough`, or as it is when the time is over."""
    clock, pause = deps.clock, FIRST_PAUSE
    end = clock.monotonic() + (seconds or 0)
    while not enough(job) and (left := end - clock.monotonic()) > 0:
        await clock.sleep(min(pause, left))
        pause = min(2 * pause, LONGEST_PAUSE)
        with suppress(StoreUnavailable):  # one look without news
            job = await deps.store.get(job.id) or job
    return job

"""`Prefer: wait=N` (RFC 7240): delay the response until the job is final, for at most MAX_WAIT seconds.

The job is read repeatedly while waiting, with growing pauses: an image takes 10 to 20 seconds.
"""

import re
from collections.abc import Callable
from contextlib import suppress

from starlette.requests import Request

from shared.job import Job
from shared.runtime.dependencies import Deps
from shared.store_errors import StoreUnavailable

MAX_WAIT = 25  # seconds: below the timeouts of common callers
MAX_WAITS = 8  # at once: an instance handles 12 requests at once (terraform/modules/images/trigger.tf)
FIRST_PAUSE, MAX_PAUSE = 0.25, 1.0  # seconds

_WAIT = re.compile(r"wait\s*=\s*(?P<quote>\"?)(?P<seconds>\d{1,9})(?P=quote)", re.IGNORECASE | re.ASCII)


def preferred_wait(request: Request) -> int | None:
    """Return the seconds that the caller is willing to wait, at most MAX_WAIT; None without a valid preference."""
    for line in request.headers.getlist("prefer"):
        for preference in line.split(","):
            if found := _WAIT.fullmatch(preference.split(";")[0].strip()):
                return min(int(found["seconds"]), MAX_WAIT)
    return None


def preference_applied(seconds: int | None) -> dict[str, str]:
    """Return the header `Preference-Applied`, if there was a preference."""
    return {} if seconds is None else {"Preference-Applied": f"wait={seconds}"}


class Waits:
    """The delayed responses of one instance. They are bounded, because each occupies one of its concurrent requests."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._waiting = 0

    async def wait(
        self, request: Request, job: Job, condition: Callable[[Job], bool] = lambda job: job.finished
    ) -> tuple[Job, int | None]:
        """Delay the response as the request prefers, until the condition holds. Return the job's latest state.

        The second value is the preference that was applied, in seconds; None without one, or if MAX_WAITS others wait.
        """
        seconds = preferred_wait(request)
        if seconds is None or condition(job):
            return job, seconds
        if self._waiting >= MAX_WAITS:
            return job, None
        self._waiting += 1
        try:
            return await self._until(job, seconds, condition), seconds
        finally:
            self._waiting -= 1

    async def _until(self, job: Job, seconds: int, condition: Callable[[Job], bool]) -> Job:
        clock, pause = self._deps.clock, FIRST_PAUSE
        end = clock.monotonic() + seconds
        while not condition(job) and (remaining := end - clock.monotonic()) > 0:
            await clock.sleep(min(pause, remaining))
            pause = min(2 * pause, MAX_PAUSE)
            with suppress(StoreUnavailable):  # the next read may succeed
                job = await self._deps.store.get(job.id) or job
        return job

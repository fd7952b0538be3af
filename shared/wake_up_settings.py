"""The settings of wake-ups."""

import re
from dataclasses import dataclass

_QUEUE = re.compile(r"projects/[a-z0-9.:-]+/locations/[a-z0-9-]+/queues/[A-Za-z0-9-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeUpSettings:
    """What wakes the poller up between the scheduler's calls.

    `queue`: the full name of a Cloud Tasks queue; `account`: the service account whose identity token its tasks send to
    `url`, the poller.
    """

    queue: str
    url: str
    account: str


def parse_queue(text: str) -> str:
    """Return the full name of a queue."""
    if not _QUEUE.fullmatch(text):
        raise ValueError("must be projects/PROJECT/locations/LOCATION/queues/QUEUE")
    return text

"""The states of a job and the transitions between them."""

from collections.abc import Mapping
from enum import StrEnum


class Status(StrEnum):
    """The state of a job."""

    QUEUED = "queued"  # stored, waits to start
    TRIGGERING = "triggering"  # stored before the paid call; its outcome is not known yet
    RUNNING = "running"  # Wireflow's execution id is known
    COPYING = "copying"  # the run has ended, its images are being copied
    SUCCEEDED = "succeeded"  # every image is stored
    FAILED = "failed"  # ended with an error
    CANCELED = "canceled"  # canceled by its caller before it started


TRANSITIONS: Mapping[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.TRIGGERING, Status.FAILED, Status.CANCELED}),
    Status.TRIGGERING: frozenset({Status.RUNNING, Status.QUEUED, Status.FAILED}),
    Status.RUNNING: frozenset({Status.COPYING, Status.TRIGGERING, Status.FAILED}),
    Status.COPYING: frozenset({Status.SUCCEEDED, Status.FAILED}),
    Status.SUCCEEDED: frozenset(),
    Status.FAILED: frozenset(),
    Status.CANCELED: frozenset(),
}


FINAL = frozenset(status for status, successors in TRANSITIONS.items() if not successors)
IN_FLIGHT = tuple(status for status in Status if status not in FINAL)


# The ways out of a final state: a late result or a new copy of missing images, and a retry that a person has confirmed.
RESTARTS: Mapping[Status, frozenset[Status]] = {
    Status.SUCCEEDED: frozenset({Status.COPYING}),
    Status.FAILED: frozenset({Status.COPYING, Status.QUEUED}),
    Status.CANCELED: frozenset({Status.QUEUED}),
}

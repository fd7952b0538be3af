"""What a window chooses: how long it works, and which of the due jobs it takes."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from shared.callers import share_of
from shared.job import Job
from shared.ports import JobRow
from shared.steps.set_aside import ALONE_AFTER

BEFORE_WAKE_UP = 0.5  # seconds for the end of a window, so that the next one follows at once


def window_seconds(longest: float, interval: int, now: datetime) -> float:
    """Return how long a window works that begins now: at most `longest`, and to just before a wake-up may follow it.

    `interval`: in seconds; wake-ups come at its multiples. 0: there are none.
    """
    if longest < 2 * interval or not interval:
        return longest
    return longest - (now.timestamp() + longest + BEFORE_WAKE_UP) % interval


def shared_out(rows: Sequence[JobRow], held: Sequence[Job], count: int) -> list[JobRow]:
    """Return the first rows: with the jobs that are `held` at most `count`, and half as many of one caller."""
    shares = Counter(share_of(job.caller) for job in held)
    chosen = []
    for row in rows:
        share = share_of(row.caller)
        if shares.total() < count and shares[share] < count // 2:
            shares[share] += 1
            chosen.append(row)
    return chosen


def is_suspect(row: JobRow) -> bool:
    """Whether the job may be what kills its workers."""
    return (row.claims or 0) >= ALONE_AFTER

"""Report responses of Wireflow that do not match the known shapes: each kind is logged once, and counted."""

from collections import Counter
from collections.abc import Iterable

from shared.job import Job
from shared.log import Event, Log

MAX_KINDS = 1_000  # that one instance remembers

MESSAGE = "Wireflow sent a response of an unknown shape. The job continues; the response is kept with it (lastAnswer)."


class UnknownShapes:
    """The kinds of unknown shapes that this instance has seen, and how often."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.counts: Counter[str] = Counter()

    def record(self, kinds: Iterable[str], job: Job) -> bool:
        """Count the unknown shapes of a response. Return whether any of them was seen for the first time."""
        any_new = False
        for kind in kinds:
            if kind not in self.counts:
                if len(self.counts) >= MAX_KINDS:
                    continue
                # A new name is harmless; an unknown status may keep a job from finishing.
                write = self._log.info if kind.startswith("name") else self._log.warning
                write(Event.UNKNOWN_SHAPE, MESSAGE, kind=kind, **job.log_fields())
                any_new = True
            self.counts[kind] += 1
        return any_new

"""Notices when Wireflow's answers change: what it says for the first time is logged once per kind, and counted."""

from collections import Counter
from collections.abc import Iterable

from shared.job import Job
from shared.log import Event, Log

KINDS_LIMIT = 1_000  # kinds that one instance remembers


class UnknownShapes:
    """The kinds of news that this instance has met, and how often."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.counts: Counter[str] = Counter()

    def noticed(self, news: Iterable[str], job: Job) -> bool:
        """Count what is new in an answer; True if any of it was never met before."""
        fresh = False
        for kind in news:
            if kind not in self.counts:
                if len(self.counts) >= KINDS_LIMIT:
                    continue
                self._tell(kind, job)
                fresh = True
            self.counts[kind] += 1
        return fresh

    def _tell(self, kind: str, job: Job) -> None:
        """A new name is news; a status that nobody understands may keep a job from ending."""
        write = self._log.info if kind.startswith("name") else self._log.warning
        message = "Wireflow answered as it never has before; the job goes on and keeps the answer."
        write(Event.UNKNOWN_SHAPE, message, kind=kind, **job.log_fields())

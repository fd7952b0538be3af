"""What was not found a moment ago: repeated requests for it do not reach the stores."""

from datetime import datetime, timedelta

from shared.ports import Clock

SECONDS = timedelta(seconds=5)
MAX_NAMES = 10_000  # about 1 MiB


class RecentlyMissing:
    """The newest names that a store did not have.

    No caller can ask for a job before it exists, because its id is random.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: dict[str, datetime] = {}  # oldest first

    def add(self, name: str) -> None:
        """Remember for some seconds that the name was not found."""
        self._since.pop(name, None)
        self._since[name] = self._clock.now()
        if len(self._since) > MAX_NAMES:
            del self._since[next(iter(self._since))]

    def __contains__(self, name: str) -> bool:
        """Return whether the name was not found within the last seconds."""
        since = self._since.get(name)
        if since is None:
            return False
        if timedelta(0) <= self._clock.now() - since < SECONDS:  # a clock may step back
            return True
        del self._since[name]
        return False

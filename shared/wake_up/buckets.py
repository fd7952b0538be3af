"""The times of wake-ups: the ends of 5 s intervals, so that many requests at once make one call. Pure."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

BUCKET_SECONDS = 5
MAX_REMEMBERED = 100  # names of wake-ups that an instance has made


@dataclass(frozen=True, slots=True)
class Bucket:
    """An interval: `name` in hex, the same on all instances, and its end `at`."""

    name: str
    at: datetime


def bucket_of(moment: datetime) -> Bucket:
    """Return the interval in which `moment` is."""
    number = int(moment.timestamp() // BUCKET_SECONDS)
    start = datetime.fromtimestamp(number * BUCKET_SECONDS, UTC)
    name = hashlib.sha256(start.isoformat().encode()).hexdigest()
    return Bucket(name, start + timedelta(seconds=BUCKET_SECONDS))


class Remembered:
    """The names of the wake-ups that this instance has made lately: each is made once."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}

    def add(self, name: str) -> bool:
        """Remember a name. Return whether it is new."""
        if name in self._names:
            return False
        self._names[name] = None
        if len(self._names) > MAX_REMEMBERED:
            del self._names[next(iter(self._names))]
        return True

    def remove(self, name: str) -> None:
        """Forget a name: the wake-up was not made."""
        self._names.pop(name, None)

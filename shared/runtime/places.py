"""Places in the queue, fair between callers: a place is a time, `queueAt`, but it counts rounds, not minutes.

A caller's job is one microsecond, one round, behind the caller's last waiting job, and never before the head of the
queue. So the jobs of a caller that sends two hundred at once take two hundred rounds, and the next caller's first job
takes part in the round that starts now. It is start-time fair queueing, https://doi.org/10.1145/248157.248171, with
the head of the queue as the virtual time. It takes no count, only the head of the queue and the caller's last place,
and neither if nothing waits.

The same rounds tell how many jobs are before a place: one of each caller in each round. Pure.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.callers import share_of

ROUND = timedelta(microseconds=1)
MAX_LEAD = timedelta(minutes=1)  # of a place before the present
SAMPLE_ROUNDS = 8  # in which callers of other instances are counted


Startable = Callable[[str], float]


def unlimited(_caller: str) -> float:
    """Return that a caller has no limits of its own."""
    return math.inf


@dataclass(slots=True)
class OwnJobs:
    """The queued jobs of a caller with limits of its own, held ones included.

    `last`: the newest place among them; `accepted`: how many this instance has accepted.
    """

    count: int
    last: datetime | None
    accepted: int = 0


class Places:
    """The queue as one instance knows it: what it read last, and what it has accepted since.

    `head`: the place of the job that starts next, None if no job could start; `length`: how many jobs have a place;
    `held`: how many wait out of the queue; `given`: how many places this instance has given.
    """

    def __init__(self) -> None:
        self.head: datetime | None = None
        self.length = 0
        self.held = 0
        self.given = 0
        self._tails: dict[str, datetime] = {}  # the last place of each caller that this instance knows
        self._other_callers = 1.0  # at least, if there are other jobs
        self._own: dict[str, OwnJobs] = {}  # of each caller whose jobs were counted

    @property
    def waiting(self) -> int:
        """How many jobs wait."""
        return self.length + self.held

    def waiting_of(self, caller: str | None) -> int:
        """Return how many jobs of a caller wait, if they were counted; otherwise 0."""
        own = self._own.get(caller or "")
        return own.count if own else 0

    def knows(self, share: str) -> bool:
        """Return whether the last place of a caller is known, because it was read or given here."""
        return share in self._tails

    def next(self, share: str, now: datetime, count: int = 1) -> list[datetime]:
        """Return the places of `count` new jobs of a caller, in order."""
        first = self.head or now
        tail = self._tails.get(share)
        if tail and tail < now + MAX_LEAD:  # otherwise the clock was set back
            first = max(first, tail + ROUND)
        places = [first + number * ROUND for number in range(count)]
        self._tails[share] = places[-1]
        self.head = self.head or first
        self.given += count
        self.length += count
        return places

    def accept(self, caller: str | None, now: datetime, count: int = 1) -> list[datetime]:
        """Return the places of `count` new jobs of a caller, in order."""
        places = self.next(share_of(caller), now, count)
        self._count(caller, places)
        return places

    def hold(self, caller: str | None, now: datetime) -> datetime:
        """Return the place of a new job of a caller among its held jobs: it waits out of the queue."""
        own = self._own.get(caller or "")
        place = own.last + ROUND if own and own.count and own.last else now
        self.held += 1
        self._count(caller, [place])
        return place

    def _count(self, caller: str | None, places: list[datetime]) -> None:
        if own := self._own.get(caller or ""):
            own.count += len(places)
            own.accepted += len(places)
            own.last = max(places[-1], own.last or places[-1])

    def ahead(self, place: datetime, share: str, startable: Startable = unlimited) -> int:
        """Return about how many jobs may start before the job of a caller at a place: all others of its round may.

        `startable`: how many jobs a caller may start now; the others leave the queue.
        """
        rounds = self._rounds(place)
        others = {name: tail for name, tail in self._tails.items() if name != share}
        known = sum(min(rounds + 1, self._waiting_of(tail), startable(name)) for name, tail in others.items())
        unknown = min(self._other_callers * (rounds + 1), self.others)
        return round(min(known + rounds + unknown, max(self.length - 1, 0)))

    def own_ahead(self, place: datetime, caller: str | None) -> int:
        """Return about how many jobs of the same caller start before the one at a place, if they were counted.

        They are one round apart, also those that are held.
        """
        own = self._own.get(caller or "")
        if own is None or own.last is None:
            return 0
        behind = max((own.last - place) / ROUND, 0)
        return max(own.count - 1 - round(behind), 0)

    def least_ahead(self, place: datetime, startable: Startable = unlimited) -> int:
        """Return about how many jobs start before a job at a place at least: some have had their turn in this round."""
        callers = sum(tail >= self.head for tail in self._tails.values()) if self.head else 0
        others = min(self._other_callers, self.others)
        return max(round(self._before(place, startable) - max(callers + others - 1, 0)), 0)

    def _before(self, place: datetime, startable: Startable = unlimited) -> int:
        """Return about how many jobs are in the rounds before a place."""
        rounds = self._rounds(place)
        known = sum(min(rounds, self._waiting_of(tail), startable(name)) for name, tail in self._tails.items())
        return round(min(known + min(self._other_callers * rounds, self.others), self.length))

    def _rounds(self, place: datetime) -> float:
        return (place - self.head) / ROUND if self.head and place > self.head else 0.0

    @property
    def others(self) -> float:
        """How many jobs are of callers whose last place this instance does not know."""
        return max(0.0, self.length - sum(map(self._waiting_of, self._tails.values())))

    def _waiting_of(self, tail: datetime) -> float:
        return (tail - self.head) / ROUND + 1 if self.head and tail >= self.head else 0.0

    # --- what the store says ---------------------------------------------------------------------------------------

    def set_head(self, head: datetime | None, now: datetime) -> None:
        """Record the place of the job that starts next: the jobs before it have left the queue."""
        if head is None:
            self.length = 0
        elif self.head is None:
            self.length = max(self.length, 1)
        else:
            self.length = max(self.length - self._before(head), 1)
        self.head = head
        self._tails = {share: tail for share, tail in self._tails.items() if tail >= (head or now)}

    def set_tail(self, share: str, place: datetime) -> None:
        """Record the place of a caller's newest job; this instance may have given it later ones meanwhile."""
        self._tails[share] = max(place, self._tails.get(share, place))

    def accepted_by(self, caller: str) -> int:
        """Return how many jobs of a caller this instance has accepted since they were first counted."""
        own = self._own.get(caller)
        return own.accepted if own else 0

    def set_own(self, caller: str, count: int, last: datetime | None, accepted: int) -> None:
        """Record how many jobs of a caller wait, and the newest place among them.

        `accepted`: by this instance when the count began; it may have accepted more meanwhile.
        """
        own = self._own.get(caller, OwnJobs(count, last))
        more = own.accepted - accepted
        newest = max(filter(None, (last, own.last)), default=None) if count + more else None
        self._own[caller] = OwnJobs(count + more, newest, own.accepted)

    def set_first_rounds(self, count: int) -> None:
        """Record how many jobs are in the first SAMPLE_ROUNDS rounds: that many callers wait, about."""
        callers = count / (SAMPLE_ROUNDS - 0.5)  # some have had their turn in the first of them
        known = sum(min(self._waiting_of(tail) / SAMPLE_ROUNDS, 1) for tail in self._tails.values())
        self._other_callers = max(callers - known, 1.0)

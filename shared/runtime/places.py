"""Places in the queue, fair between callers: a place is a time, `queueAt`, but it counts rounds, not minutes.

A caller's job is one microsecond, one round, behind the caller's last waiting job, and never before the head of the
queue. So the jobs of a caller that sends two hundred at once take two hundred rounds, and the next caller's first job
takes part in the round that starts now. It is start-time fair queueing, https://doi.org/10.1145/248157.248171, with
the head of the queue as the virtual time. It takes no count, only the head of the queue and the caller's last place,
and neither if nothing waits.

The same rounds tell how many jobs are before a place: one of each caller in each round. Pure.
"""

from datetime import datetime, timedelta

ROUND = timedelta(microseconds=1)
MAX_LEAD = timedelta(minutes=1)  # of a place before the present
SAMPLE_ROUNDS = 8  # in which callers of other instances are counted


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

    @property
    def waiting(self) -> int:
        """How many jobs wait."""
        return self.length + self.held

    def waiting_of(self, share: str) -> int:
        """Return how many jobs of a caller have a place, if its last place is known; otherwise none."""
        tail = self._tails.get(share)
        return round(self._waiting_of(tail)) if tail else 0

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

    def ahead(self, place: datetime, share: str) -> int:
        """Return about how many jobs may start before the job of a caller at a place: all others of its round may."""
        rounds = self._rounds(place)
        tails = [tail for name, tail in self._tails.items() if name != share]
        known = sum(min(rounds + 1, self._waiting_of(tail)) for tail in tails)
        others = min(self._other_callers * (rounds + 1), self.others)
        return round(min(known + rounds + others, max(self.length - 1, 0)))

    def own_ahead(self, place: datetime) -> int:
        """Return about how many jobs of the same caller are before a place: it has one in each round."""
        return round(self._rounds(place))

    def least_ahead(self, place: datetime) -> int:
        """Return about how many jobs start before a job at a place at least: some have had their turn in this round."""
        callers = sum(tail >= self.head for tail in self._tails.values()) if self.head else 0
        others = min(self._other_callers, self.others)
        return max(round(self._before(place) - max(callers + others - 1, 0)), 0)

    def _before(self, place: datetime) -> int:
        """Return about how many jobs are in the rounds before a place."""
        rounds = self._rounds(place)
        known = sum(min(rounds, self._waiting_of(tail)) for tail in self._tails.values())
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

    def set_first_rounds(self, count: int) -> None:
        """Record how many jobs are in the first SAMPLE_ROUNDS rounds: that many callers wait, about."""
        callers = count / (SAMPLE_ROUNDS - 0.5)  # some have had their turn in the first of them
        known = sum(min(self._waiting_of(tail) / SAMPLE_ROUNDS, 1) for tail in self._tails.values())
        self._other_callers = max(callers - known, 1.0)

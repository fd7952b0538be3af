"""What an instance knows of the queue and of the gate, shared by all of its requests.

It is read while requests run, at most twice a second, and advanced by what the instance accepts itself. So a request
that only queues a job makes one call to the store, and no request waits for a count. Only what was never read, or not
for a while, is read before the request goes on. A request that refreshes what is recent enough waits for a moment only,
and the read goes on while later requests run. If none does, the instance has no CPU: then the read may end much later,
and what it found is as old as its beginning.
"""

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from shared.callers import share_of
from shared.job_states import Status
from shared.ports import Clock, JobQuery, JobStore
from shared.runtime.admission import Admission
from shared.runtime.places import MAX_LEAD, ROUND, SAMPLE_ROUNDS, Places
from shared.spending.budget import CallerLimits
from shared.store_errors import StoreError

MAX_READS = 2  # a second
STARVED = 3  # times as old as it may be: a request that comes alone needs both reads of its second for something else
RECENT, TOO_OLD = 1.0, 1.5  # seconds: what is older is refreshed meanwhile, or before anything else
CHECK_SECONDS = 0.1  # between two checks of what is due
PAUSE_AFTER_SLOW = 25  # times as long as a read takes: a store that is slow is read less often
MAX_WAIT = 0.1  # seconds that a request waits at its end for what it refreshes
COUNT_SECONDS = 5.0  # between two counts
# A queue of n jobs has not ended n / MAX_STARTS seconds later: what is known of its head and places is good until then.
MAX_STARTS = 1_000  # a second
ENTRIES_PER_SECOND = 500  # that counts walk on average: Firestore charges a read for 1,000
FAR_FUTURE = timedelta(days=365)  # beyond all held jobs
MAX_COUNTED = 10_000  # jobs of a caller, unless its maxQueued is higher


@dataclass(slots=True, eq=False)
class _Part:
    """A part of the snapshot. `interval`: between two reads, if they are quick; `seconds`: that the last one took.

    `calls`: of one read, to the store. `began`: the newest read, by the monotonic clock, as all times here.
    `unattended`: the request that started it has ended before it, so how long it takes says nothing of the store.
    """

    read: Callable[[], Awaitable[object]]
    interval: float = RECENT
    calls: int = 1
    seconds: float = 0.0
    read_at: float = -math.inf
    began: float = -math.inf
    reading: asyncio.Task[None] | None = None
    unattended: bool = False


class QueueSnapshot:
    """The snapshot of one instance. `limits`: the callers whose own jobs are counted.

    `bounded`: the number of waiting jobs is limited, and held ones are counted for that.
    """

    def __init__(
        self,
        store: JobStore,
        admission: Admission,
        clock: Clock,
        limits: Mapping[str, CallerLimits],
        *,
        bounded: bool,
    ) -> None:
        self._bounded = bounded
        self._store = store
        self._admission = admission
        self._clock = clock
        self._limits = limits
        self._places = Places()
        self._head, self._gate = _Part(self._read_head), _Part(admission.read)
        self._length = _Part(self._read_length, COUNT_SECONDS)
        self._held = _Part(self._read_held, COUNT_SECONDS, read_at=clock.monotonic())  # at first there are none
        self._first_rounds = _Part(self._read_first_rounds, COUNT_SECONDS)
        self._last_places: dict[str, _Part] = {}
        self._own: dict[str, _Part] = {}
        self._last_reads: deque[float] = deque(maxlen=MAX_READS)
        self._checked_at = -math.inf
        self._reading = 0  # parts that are being read

    @asynccontextmanager
    async def recent(self, callers: Sequence[str | None] = ()) -> AsyncIterator[Places]:
        """Provide the places, and refresh what is due meanwhile.

        `callers`: those that share the next place, if one is to be given.
        """
        overdue: Sequence[_Part] = ()
        refreshed: Sequence[_Part] = ()
        if not self._was_just_checked(callers):
            while parts := self._read_first(callers):  # a caller's last place after the head
                await self._wait(parts)
            self._checked_at = self._clock.monotonic()
            due = self._due(self._parts(callers), 1.0)
            overdue = self._due(due, TOO_OLD)
            refreshed = self._start(due)
        try:
            yield self._places
        finally:
            try:
                await self._wait([part for part in refreshed if part in overdue])
            finally:
                await self._wait(refreshed, MAX_WAIT)

    async def refreshed(self, caller: str | None = None) -> Places:
        """Return the places after refreshing what is due. `caller`: whose own jobs matter."""
        if not self._was_just_checked(()):
            async with self.recent():
                pass
        if overdue := self._due(self._own_jobs(caller), TOO_OLD):
            self._start(overdue)
            await self._wait(overdue)
        return self._places

    def is_fresh(self, caller: str | None) -> bool:
        """Return whether `refreshed` would return at once, and nothing is being read."""
        return not self._reading and self._was_just_checked(()) and not self._due(self._own_jobs(caller), TOO_OLD)

    # --- what is due -----------------------------------------------------------------------------------------------

    def _was_just_checked(self, callers: Sequence[str | None]) -> bool:
        """Whether another request has just found nothing that this one would have to wait for."""
        knows = not callers or self._places.head is None or self._places.knows(share_of(callers[0]))
        counted = not callers or all(part.read_at > -math.inf for part in self._own_jobs(callers[0]))
        return knows and counted and self._clock.monotonic() - self._checked_at < CHECK_SECONDS

    def _read_first(self, callers: Sequence[str | None]) -> list[_Part]:
        """Start to read what the next decision needs and is too old; return what is being read of it."""
        if self._places.head is None:
            needed = [self._emptiness(), self._gate]
        else:
            needed = [self._head, *self._last_place(callers)]
        needed += self._own_jobs(callers[0]) if callers else []
        if self._admission.known is None:
            needed.append(self._gate)
        due = self._due(needed, TOO_OLD)
        self._start([part for part in due if not part.reading])
        return [part for part in due if part.reading]

    def _emptiness(self) -> _Part:
        """Return what shows that no job waits: the head of the queue, or now and then the count of all waiting jobs."""
        counts = self._bounded and not self._places.held and self._due([self._held], TOO_OLD)
        return self._held if counts else self._head

    def _parts(self, callers: Sequence[str | None]) -> list[_Part]:
        """Return what is to be refreshed. While no job could start, only some may be held."""
        counted = self._own_jobs(callers[0]) if callers else []
        counted += [self._held] if self._bounded else []
        if self._places.head is None:
            return [self._head, self._gate, *counted]
        parts = [self._head, self._gate, self._length, *self._last_place(callers), *counted]
        return [*parts, self._first_rounds] if self._places.others > self._places.length / 10 else parts

    def _last_place(self, callers: Sequence[str | None]) -> list[_Part]:
        if not callers:
            return []
        share, now = share_of(callers[0]), self._clock.monotonic()
        part = self._last_places.setdefault(share, _Part(partial(self._read_last_place, callers)))
        if part.read_at == -math.inf and self._places.knows(share):  # it was given here while no job waited
            part.read_at = now
        return [part]

    def _own_jobs(self, caller: str | None) -> list[_Part]:
        limits = self._limits.get(caller or "")
        if caller is None or limits is None:
            return []
        read = partial(self._read_own_jobs, caller, max(limits.max_queued, MAX_COUNTED))
        return [self._own.setdefault(caller, _Part(read, COUNT_SECONDS, calls=2))]

    def _due(self, parts: Sequence[_Part], age: float) -> list[_Part]:
        """Return the parts that are at least `age` times as old as they may be, the most overdue first."""
        now = self._clock.monotonic()
        ages = {part: (now - part.read_at) / self._max_age(part) for part in parts}
        return sorted((part for part in ages if ages[part] >= age), key=ages.__getitem__, reverse=True)

    def _max_age(self, part: _Part) -> float:
        """Return how old, in seconds, a part may be: by how long the queue is, and how slow the store."""
        interval = RECENT if part.began == -math.inf else part.interval  # what was never read is read soon
        lasting = 0.0 if part is self._gate else self._places.length / MAX_STARTS
        return max(interval, lasting, PAUSE_AFTER_SLOW * part.seconds)

    # --- reading ---------------------------------------------------------------------------------------------------

    def _start(self, parts: Sequence[_Part]) -> list[_Part]:
        """Start reads, no more than MAX_READS a second; return the parts that are read now.

        What was never read does not wait for that, nor a count that is far too old.
        """
        now, started = self._clock.monotonic(), []
        for part in parts:
            is_first = part.read_at == -math.inf
            counts = part in (self._length, *self._own.values()) or (part is self._held and self._places.held)
            is_starved = counts and now - part.read_at > STARVED * self._max_age(part)
            waits = not (is_first or is_starved) and sum(now - at < 1.0 for at in self._last_reads) >= MAX_READS
            if part.reading or waits:
                continue
            self._last_reads.extend([now] * part.calls)
            self._reading += 1
            part.began, part.unattended = now, False
            part.reading = asyncio.create_task(self._read(part))
            started.append(part)
        return started

    async def _wait(self, parts: Sequence[_Part], seconds: float | None = None) -> None:
        """Wait until the parts are read, at most for so many seconds."""
        try:
            if reads := [part.reading for part in parts if part.reading]:
                await asyncio.wait(reads, timeout=seconds)
        finally:
            for part in parts:
                part.unattended = part.reading is not None

    async def _read(self, part: _Part) -> None:
        """Read. If the store does not respond, what the instance knows must do: no job can be stored now anyway."""
        try:
            with suppress(StoreError):
                await part.read()
        finally:
            self._reading -= 1
            part.reading, now = None, self._clock.monotonic()
            if part.unattended:
                part.read_at = part.began
            else:
                part.read_at, part.seconds = now, now - part.began

    async def _read_head(self) -> None:
        given = self._places.given
        jobs = await self._store.queue_head(self._clock.now(), 1)
        if jobs:
            self._places.set_head(jobs[0].queue_at, self._clock.now())
        else:
            self._none_waits(given)

    def _none_waits(self, given: int) -> None:
        """No job was found in the queue. `given`: how many places were given before; a job may be stored since then."""
        if given == self._places.given:
            self._places.set_head(None, self._clock.now())
            self._head.read_at = self._length.read_at = self._clock.monotonic()

    async def _read_length(self) -> None:
        given = self._places.given
        counted = await self._store.count_ahead(self._clock.now() + MAX_LEAD)
        self._places.length = counted + self._places.given - given
        self._length.interval = max(COUNT_SECONDS, counted / ENTRIES_PER_SECOND)

    async def _read_held(self) -> None:
        given, known = self._places.given, self._places.waiting
        waiting = await self._store.count_ahead(self._clock.now() + FAR_FUTURE)
        if waiting and not known:  # some of them may be in the queue of which nothing is known yet
            self._last_reads.append(self._clock.monotonic())
            await self._read_length()
        self._places.held = max(waiting - self._places.length, 0)
        if not waiting:
            self._none_waits(given)
        elif not known:
            self._head.read_at = -math.inf  # the count was read instead of the head
        self._held.interval = max(COUNT_SECONDS, waiting / ENTRIES_PER_SECOND)

    async def _read_first_rounds(self) -> None:
        if self._places.head:
            self._places.set_first_rounds(await self._store.count_ahead(self._places.head + SAMPLE_ROUNDS * ROUND))

    async def _read_last_place(self, callers: Sequence[str | None]) -> None:
        found = await asyncio.gather(*(self._store.list_jobs(JobQuery(limit=1, caller=caller)) for caller in callers))
        places = [job.place for jobs in found for job in jobs if job.place]
        if places:
            self._places.set_tail(share_of(callers[0]), max(places))

    async def _read_own_jobs(self, caller: str, limit: int) -> None:
        accepted, newest = self._places.accepted_by(caller), JobQuery(limit=1, caller=caller, status=Status.QUEUED)
        counted, jobs = await asyncio.gather(self._store.count_queued(caller, limit), self._store.list_jobs(newest))
        self._places.set_own(caller, counted, jobs[0].place if jobs else None, accepted)
        self._own[caller].interval = max(COUNT_SECONDS, counted / ENTRIES_PER_SECOND)

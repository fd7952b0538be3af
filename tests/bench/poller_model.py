"""A model of the product, of its scheduler, and of Wireflow's limits on virtual time, for policies of polling.

Modeled are starts by the trigger and by the poller through the gate, windows that the scheduler and wake-ups begin,
their scans and idle exits, and the quota of requests. The rules of pacing and of the quota are the product's own, and
the figures of windows and wake-ups too.
"""

import heapq
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count

from functions.poller import choosing, window
from shared.spending import gate, pacing
from shared.spending import request_quota as quotas
from shared.steps.paid_call import WAKE_UP_SECONDS
from shared.wake_up.buckets import BUCKET_SECONDS

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
NEVER = math.inf
WINDOW_SECONDS, IDLE_EXIT = 55.0, 5.0  # the defaults of POLL_WINDOW_SECONDS and POLL_IDLE_EXIT_SECONDS
CALL_SECONDS = 0.1  # of a request to Wireflow
DISPATCH_SECONDS = 0.2  # from the time of a task until the poller has begun its window
GATE_SECONDS = gate.WINDOW.total_seconds()


@dataclass(frozen=True)
class Plan:
    """What a plan allows in a minute: requests, executions, and executions that start on arrival."""

    requests: int
    starts: int
    at_once: int


@dataclass(slots=True, eq=False)
class Run:
    """One image, from the request until a poll has found it. Times are in seconds."""

    posted: float
    seconds: float
    started: float = NEVER
    due: float = NEVER  # when the poller may claim it
    polled: float = NEVER  # the last poll, or the start
    next_poll: float = NEVER
    found: float = NEVER
    polls: int = 0
    waits: bool = False  # for the quota
    decided: tuple[float, float] = (NEVER, NEVER)  # for which last poll and price of a poll the `pause` is
    pause: float = 0.0

    @property
    def ended(self) -> float:
        return self.started + self.seconds

    @property
    def lag(self) -> float:
        return self.found - self.ended


class Model:
    """The product itself, on one series of requests."""

    def __init__(self, plan: Plan, runs: Sequence[Run]) -> None:
        self.plan, self.runs = plan, runs
        self.now = 0.0
        self.refused = 0  # requests beyond the limit of a minute, which Wireflow would answer with 429
        self.took: pacing.Summary = ()
        self._quota = quotas.RequestQuota(per_minute=plan.requests, for_starts=plan.at_once)
        self._requests: deque[float] = deque()  # of the last minute, as Wireflow counts them
        self._starts: deque[float] = deque()  # of the last minute, as the gate counts them
        self._queue: deque[Run] = deque()
        self._running: list[Run] = []
        self._held: list[Run] = []
        self._window_ends, self._busy_at, self._called = -NEVER, 0.0, False
        self._wake_ups: set[int] = set()
        self._pump_at = NEVER
        self._waiting_since = NEVER  # for room to start
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    def play(self) -> "Model":
        """Let the time pass until every image is found."""
        for run in self.runs:
            self._at(run.posted, lambda run=run: self._post(run))  # type: ignore[misc]
        self._at(0.0, self._schedule)
        while any(run.found == NEVER for run in reversed(self.runs)):
            self.now, _, event = heapq.heappop(self._events)
            event()
        return self

    def pause(self, run: Run) -> float:
        """Return the seconds from the last poll of a run, or its start, to the next one, as it is now."""
        polls = self.plan.requests - self.plan.at_once
        price = pacing.price_of_poll(polls, quotas.load(self._quota, self._moment()), self.now - self._waiting_since)
        if run.decided != (run.polled, price):  # otherwise it was computed before
            run.decided = run.polled, price
            run.pause = pacing.seconds_to_next_poll(run.polled - run.started, self.took, price)
        return run.pause

    def _at(self, when: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (max(when, self.now), next(self._numbers), event))

    def _moment(self) -> datetime:
        return EPOCH + timedelta(seconds=self.now)

    # --- starts ----------------------------------------------------------------------------------------------------

    def _post(self, run: Run) -> None:
        if not self._queue and self._free_slots(self.plan.at_once):
            self._start(run)
            self._wake_up(run.due)
        else:
            self._queue.append(run)
            self._wake_up(self.now)

    def _free_slots(self, limit: int) -> int:
        while self._starts and self._starts[0] <= self.now - GATE_SECONDS:
            self._starts.popleft()
        return max(limit - len(self._starts), 0)

    def _start(self, run: Run) -> None:
        self._starts.append(self.now)
        self._count_request()
        run.started = run.polled = self.now + CALL_SECONDS
        first = self.pause(run)
        run.next_poll = run.started + first
        run.due = run.started + max(first - WAKE_UP_SECONDS, min(first, 1.0))
        self._running.append(run)

    def _take_from_queue(self) -> int:
        wanted = min(self._free_slots(self.plan.starts), len(self._queue))
        if self._queue:
            self._quota = quotas.with_starts(self._quota, self._moments(self._starts))
        free = quotas.free_starts(self._quota, self._moment(), wanted, urgent=self._is_urgent())
        for _ in range(free):
            run = self._queue.popleft()
            self._start(run)
            self._quota = quotas.after_start(self._quota, self._moment())
            self._hold(run)
        if not self._queue or free == wanted:
            self._waiting_since = NEVER
        elif self._waiting_since == NEVER:
            self._waiting_since = self.now
        return free

    def _next_start(self) -> float:
        free_at = self._starts[0] + GATE_SECONDS if not self._free_slots(self.plan.starts) else self.now
        return max(free_at, self._seconds(quotas.next_start_at(self._quota, self._moment(), urgent=self._is_urgent())))

    def _is_urgent(self) -> bool:
        return self.now - self._waiting_since > pacing.PATIENT_SECONDS

    def _moments(self, times: Sequence[float]) -> list[datetime]:
        return [EPOCH + timedelta(seconds=at) for at in times]

    def _seconds(self, moment: datetime) -> float:
        return (moment - EPOCH).total_seconds()

    def _count_request(self) -> None:
        while self._requests and self._requests[0] <= self.now - 60:
            self._requests.popleft()
        self._requests.append(self.now)
        self.refused += len(self._requests) > self.plan.requests

    # --- windows ---------------------------------------------------------------------------------------------------

    def _schedule(self) -> None:
        self._at(self.now + window.SCHEDULER_SECONDS, self._schedule)
        self._call()

    def _wake_up(self, when: float) -> None:
        bucket = int(max(when, self.now) // BUCKET_SECONDS)
        if bucket not in self._wake_ups:
            self._wake_ups.add(bucket)
            self._at((bucket + 1) * BUCKET_SECONDS + DISPATCH_SECONDS, self._call)

    def _call(self) -> None:
        if self.now < self._window_ends:
            self._called = True
            return
        ends = self.now + choosing.window_seconds(WINDOW_SECONDS, BUCKET_SECONDS, self._moment())
        self._busy_at, self._window_ends = self.now, ends
        self._at(ends, lambda: self._end_window(ends))
        self._scan(ends)

    def _scan(self, ends: float) -> None:
        if self._window_ends != ends:
            return
        self._called = False
        for run in [run for run in self._running if run.due <= self.now and run not in self._held]:
            run.next_poll = max(run.next_poll, self.now)
            self._hold(run)
        pause = window.SCAN_SECONDS_WHILE_DISPATCHING if self._take_from_queue() else window.SCAN_SECONDS
        if self._queue:
            pause = min(pause, max(self._next_start() - self.now, window.MIN_SCAN_SECONDS))
        if self._held or (self._queue and self._next_start() < ends):
            self._busy_at = self.now
        if self.now - self._busy_at >= IDLE_EXIT:
            self._end_window(ends)
        else:
            self._at(self.now + pause, lambda: self._scan(ends))

    def _end_window(self, ends: float) -> None:
        if self._window_ends != ends:
            return
        self._window_ends = -NEVER
        for run in self._held:
            run.due, run.waits = max(run.next_poll - WAKE_UP_SECONDS, self.now), False
        due = [run.due for run in self._held]
        due += [self._next_start()] if self._queue else []
        due += [self.now] if self._called else []
        self._held.clear()
        if due and min(due) < self.now + window.SCHEDULER_SECONDS:
            self._wake_up(min(due))

    # --- polls -----------------------------------------------------------------------------------------------------

    def _hold(self, run: Run) -> None:
        self._held.append(run)
        self._decide_later(run)

    def _decide_later(self, run: Run) -> None:
        polled = run.polled
        if run.next_poll - self.now > window.MAX_HOLD:
            self._held.remove(run)
            run.due = run.next_poll - WAKE_UP_SECONDS
            self._wake_up(run.due)
        else:
            when = min(run.next_poll, self.now + window.RECONSIDER_SECONDS)
            self._at(when, lambda: self._decide(run, polled))

    def _decide(self, run: Run, polled: float) -> None:
        if run not in self._held or run.waits or run.polled != polled:
            return
        run.next_poll = max(run.polled + self.pause(run), self.now)
        if run.next_poll > self.now:
            self._decide_later(run)
        else:
            run.waits = True
            self._pump()

    def _pump(self) -> None:
        """Make the polls that wait, as far as the quota allows."""
        for run in sorted((run for run in self._held if run.waits), key=lambda run: run.next_poll):
            free_at = self._seconds(quotas.next_request_at(self._quota, self._moment()))
            if free_at > self.now:
                if not self.now < self._pump_at <= free_at:
                    self._pump_at = free_at
                    self._at(free_at, self._pump)
                return
            self._poll(run)

    def _poll(self, run: Run) -> None:
        self._quota = quotas.after_request(self._quota, self._moment())
        self._count_request()
        self._observe()
        before, run.polled = run.polled, self.now
        run.polls, run.waits = run.polls + 1, False
        if self.now < run.ended:
            run.next_poll = self.now + self.pause(run)
            self._decide_later(run)
            return
        run.found = self.now
        self.took = pacing.after_run(self.took, before - run.started, self.now - run.started)
        self._held.remove(run)
        self._running.remove(run)

    def _observe(self) -> None:
        """Read the headers of a response as the product does."""
        remaining = max(self.plan.requests - len(self._requests), 0)
        reset = math.ceil(self._requests[0] + 60 + EPOCH.timestamp())
        headers = {"limit": self.plan.requests, "remaining": remaining, "reset": reset}
        self._quota = quotas.after_headers(self._quota, headers, self._moment(), self._moment())


class GuideSchedule(Model):
    """The product with the guide's schedule: 1 s, then ×1.5 each, at most 10 s."""

    def pause(self, run: Run) -> float:
        return pacing.seconds_to_next_poll(run.polled - run.started)


class Cron(Model):
    """A poller that is called once a minute and asks once about each run."""

    def _wake_up(self, when: float) -> None:
        pass

    def _call(self) -> None:
        self._take_from_queue()
        for run in list(self._running):
            if self._seconds(quotas.next_request_at(self._quota, self._moment())) <= self.now > run.started:
                self._held = [run]
                self._poll(run)
        self._held = []

    def _hold(self, run: Run) -> None:
        pass

    def _decide_later(self, run: Run) -> None:
        pass


class Clairvoyant(Model):
    """A poller that always works and knows when each run ends. It makes one poll for each."""

    def pause(self, run: Run) -> float:
        return max(run.ended - run.polled, 0.0)

    def _wake_up(self, when: float) -> None:
        self._at(when, self._look)

    def _call(self) -> None:
        pass

    def _look(self) -> None:
        for run in [run for run in self._running if run not in self._held]:
            self._hold(run)
        self._take_from_queue()
        if self._queue:
            self._at(max(self._next_start(), self.now + 0.01), self._look)

    def _start(self, run: Run) -> None:
        super()._start(run)
        run.due = self.now

    def _decide_later(self, run: Run) -> None:
        polled = run.polled
        self._at(run.next_poll, lambda: self._decide(run, polled))

"""Spend limits, for all jobs and for individual callers: what is reserved before a start, and what is left. Pure.

Amounts are micro-dollars. Each start reserves its estimated cost; the actual cost replaces it when the run has ended.
A reservation names its day, and days never go back: a clock that is set back gets no second day or month. Of the last
ten minutes a counter for each ten seconds is kept, so the state stays small whatever the traffic.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

WINDOW = timedelta(minutes=10)
PART = timedelta(seconds=10)  # of the window, with one counter
FAR_AHEAD = 36_500  # days, of an estimate
MAX_CALLERS = 200  # with limits of their own; keeps the gate's document below 32 KiB

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerLimits:
    """What one caller may start and spend, and how many of its jobs may be queued; 0 means no limit."""

    per_day: int = 0  # starts
    spend_per_day: int = 0
    spend_per_month: int = 0
    max_queued: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendLimits:
    """What all jobs together may spend, and the limits of individual callers; 0 means no limit.

    `lowest` and `highest`: the prices of one image over all workflows.
    """

    per_day: int = 0
    per_month: int = 0
    per_10_minutes: int = 0
    callers: Mapping[str, CallerLimits] = field(default_factory=dict)
    lowest: int = 0
    highest: int = 0

    @property
    def in_money(self) -> bool:
        """Whether any limit is an amount of money, so that every workflow needs a price."""
        callers = any(caller.spend_per_day or caller.spend_per_month for caller in self.callers.values())
        return bool(self.per_day or self.per_month or self.per_10_minutes or callers)

    @property
    def configured(self) -> bool:
        """Whether starts must be counted at all."""
        return self.in_money or any(caller.per_day for caller in self.callers.values())


class Spent(NamedTuple):
    """What was reserved on a (UTC) day and in its month, and the starts of the day."""

    day: str = ""
    today: int = 0
    this_month: int = 0
    starts: int = 0

    def on(self, day: str) -> "Spent":
        """Return what counts on a day: a later one begins at zero, as does the month if it is another one."""
        if day <= self.day:
            return self
        return Spent(day, this_month=self.this_month if day[:7] == self.day[:7] else 0)

    def plus(self, micros: int, starts: int, day: str) -> "Spent":
        """Return it with a change of what was reserved on `day`; a day or month that has passed stays as it is."""
        is_day, is_month = day == self.day, day[:7] == self.day[:7]
        return Spent(
            self.day,
            max(self.today + micros * is_day, 0),
            max(self.this_month + micros * is_month, 0),
            max(self.starts + starts * is_day, 0),
        )


NOTHING = Spent()


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What was reserved: in total, by caller with limits of its own, and recently, by part of the window."""

    total: Spent = NOTHING
    callers: Mapping[str, Spent] = field(default_factory=dict)
    recent: tuple[tuple[int, int], ...] = ()  # (part since 1970, amount), the oldest first


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What the start of a job would reserve."""

    caller: str | None
    micros: int


FREE = Charge(caller=None, micros=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """What the start of a job has reserved, on which day of the budget, and in which part of the window.

    `of_caller`: also from the limits of its caller, which had some then.
    """

    micros: int
    day: str
    part: int
    of_caller: bool = True


@dataclass(frozen=True, slots=True)
class Shortage:
    """A limit that keeps a job from starting. `until`: when it may start; None if its price is above the limit.

    `alone`: the limit concerns this job or its caller, and other jobs may pass it.
    """

    until: datetime | None
    alone: bool


# --- admission -----------------------------------------------------------------------------------------------------


def reserve(budget: Budget, limits: SpendLimits, charge: Charge, now: datetime) -> tuple[Budget, Reservation | None]:
    """Return the budget after the start of a job that no limit keeps from starting, and what was reserved."""
    if not limits.configured:
        return budget, None
    day, part = _day(budget, now), _part(now)
    callers = {name: spent for name, spent in budget.callers.items() if spent.day[:7] == day[:7]}
    of_caller = charge.caller is not None and charge.caller in limits.callers
    if charge.caller is not None and of_caller:
        spent = callers.get(charge.caller, NOTHING).on(day)
        callers[charge.caller] = spent.plus(charge.micros, 1, day)
    recent = _recent(budget, now)
    recent[part] = recent.get(part, 0) + charge.micros
    total = budget.total.on(day).plus(charge.micros, 1, day)
    reserved = Budget(total=total, callers=callers, recent=tuple(sorted(recent.items())))
    return reserved, Reservation(micros=charge.micros, day=day, part=part, of_caller=of_caller)


def correct(budget: Budget, reservation: Reservation, caller: str | None, actual: int) -> Budget:
    """Return the budget with the actual cost in the place of what was reserved."""
    return _changed(budget, reservation, caller, actual - reservation.micros, starts=0)


def release(budget: Budget, reservation: Reservation, caller: str | None) -> Budget:
    """Return the budget without the reservation of a start that did not happen."""
    return _changed(budget, reservation, caller, -reservation.micros, starts=-1)


def _changed(budget: Budget, reservation: Reservation, caller: str | None, micros: int, starts: int) -> Budget:
    callers = {
        name: spent.plus(micros, starts, reservation.day) if name == caller and reservation.of_caller else spent
        for name, spent in budget.callers.items()
    }
    recent = dict(budget.recent)
    if reservation.part in recent:
        recent[reservation.part] = max(recent[reservation.part] + micros, 0)
    total = budget.total.plus(micros, starts, reservation.day)
    return Budget(total=total, callers=callers, recent=tuple(sorted(recent.items())))


# --- limits --------------------------------------------------------------------------------------------------------


def shortage(
    budget: Budget, limits: SpendLimits, charge: Charge, now: datetime, ahead: int = 0, own_ahead: int = 0
) -> Shortage | None:
    """Return the limit that a start now would exceed, or None.

    `ahead`: jobs of the same price that start before; `own_ahead`: those of the same caller among them.
    """
    if not limits.configured:
        return None
    price, day = max(charge.micros, 1), _day(budget, now)
    spent, own = budget.total.on(day), limits.callers.get(charge.caller or "")
    found = [
        _in_periods(limits.per_day, spent.today, price, ahead, lambda days: _days_after(day, days)),
        _in_periods(limits.per_month, spent.this_month, price, ahead, lambda months: _months_after(day, months)),
        _in_window(limits.per_10_minutes, _recent(budget, now), price, ahead, now),
    ]
    if own:
        spent = budget.callers.get(charge.caller or "", NOTHING).on(day)
        its_own = [
            _in_periods(own.per_day, spent.starts, 1, own_ahead, lambda days: _days_after(day, days)),
            _in_periods(own.spend_per_day, spent.today, price, own_ahead, lambda days: _days_after(day, days)),
            _in_periods(
                own.spend_per_month, spent.this_month, price, own_ahead, lambda months: _months_after(day, months)
            ),
        ]
        found += [replace(one, alone=True) for one in its_own if one]
    short = [one for one in found if one]
    if not short:
        return None
    waits = [one.until for one in short if one.until]
    return Shortage(max(waits) if len(waits) == len(short) else None, alone=any(one.alone for one in short))


def _in_periods(limit: int, spent: int, price: int, ahead: int, after: Callable[[int], datetime]) -> Shortage | None:
    """Return the shortage of a day or a month, of which `after` returns a later beginning."""
    if not limit or spent + price * (ahead + 1) <= limit:
        return None
    if price > limit:
        return Shortage(None, alone=True)
    left = max(limit - spent, 0) // price
    return Shortage(after(1 + (ahead - left) // (limit // price)), alone=False)


def _in_window(limit: int, recent: Mapping[int, int], price: int, ahead: int, now: datetime) -> Shortage | None:
    """Return the shortage of the last ten minutes."""
    spent = sum(recent.values())
    if not limit or spent + price * (ahead + 1) <= limit:
        return None
    if price > limit:
        return Shortage(None, alone=True)
    rounds, place = divmod(ahead, limit // price)
    at = now
    for part in sorted(recent):
        if spent + price * (place + 1) <= limit:
            break
        spent -= recent[part]
        at = _EPOCH + part * PART + WINDOW + PART
    return Shortage(at + rounds * (WINDOW + PART), alone=False)


def startable(budget: Budget, limits: SpendLimits, caller: str, now: datetime) -> float:
    """Return how many of the cheapest jobs of a caller its own limits admit now; infinity without any."""
    own = limits.callers.get(caller)
    if own is None:
        return math.inf
    spent, price = budget.callers.get(caller, NOTHING).on(_day(budget, now)), max(limits.lowest, 1)
    left = [
        (own.per_day, own.per_day - spent.starts),
        (own.spend_per_day, (own.spend_per_day - spent.today) // price),
        (own.spend_per_month, (own.spend_per_month - spent.this_month) // price),
    ]
    return min((max(count, 0) for limit, count in left if limit), default=math.inf)


def exhausted(budget: Budget, limits: SpendLimits, now: datetime) -> bool:
    """Return whether not even the cheapest job may start, of any caller."""
    cheapest = Charge(caller=None, micros=limits.lowest)
    return limits.in_money and shortage(budget, limits, cheapest, now) is not None


def exceeded(budget: Budget, limits: SpendLimits, caller: str | None, now: datetime) -> bool:
    """Return whether more was spent than a limit of all jobs or of a caller allows: runs cost more than reserved."""
    total, recent = budget.total, spent_recently(budget, now)
    spent = [(limits.per_day, total.today), (limits.per_month, total.this_month), (limits.per_10_minutes, recent)]
    if caller is not None and (own := limits.callers.get(caller)):
        of_caller = budget.callers.get(caller, NOTHING)
        spent += [(own.spend_per_day, of_caller.today), (own.spend_per_month, of_caller.this_month)]
    return any(0 < limit < amount for limit, amount in spent)


def spent_recently(budget: Budget, now: datetime) -> int:
    """Return what was spent in the last 10 minutes."""
    return sum(_recent(budget, now).values())


def _recent(budget: Budget, now: datetime) -> dict[int, int]:
    """Return the counters of the window. Those of the future are of a clock that was ahead, and count as of now."""
    part, recent = _part(now), dict[int, int]()
    for counted, amount in budget.recent:
        if counted >= part - WINDOW // PART:
            recent[min(counted, part)] = recent.get(min(counted, part), 0) + amount
    return recent


def _part(now: datetime) -> int:
    return (now - _EPOCH) // PART


def _day(budget: Budget, now: datetime) -> str:
    """The day of the budget, which never goes back."""
    return max(budget.total.day, now.date().isoformat())


def _days_after(day: str, days: int) -> datetime:
    return datetime.combine(date.fromisoformat(day), time(), UTC) + timedelta(days=min(days, FAR_AHEAD))


def _months_after(day: str, months: int) -> datetime:
    years, month = divmod(int(day[5:7]) - 1 + min(months, FAR_AHEAD // 30), 12)
    return datetime(int(day[:4]) + years, month + 1, 1, tzinfo=UTC)

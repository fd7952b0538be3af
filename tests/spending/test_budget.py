"""Spend limits: what is reserved never exceeds a limit, whatever happens and however the clock is set."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.error_codes import ErrorCode
from shared.jobs.documents import gate_from_document, gate_to_document
from shared.spending import budget as rules
from shared.spending import gate as gate_rules
from shared.spending.budget import MAX_CALLERS, Budget, CallerLimits, Charge, Reservation, SpendLimits
from shared.spending.gate_state import Candidate, Gate, Limits, Slot

NOON = datetime(2026, 3, 30, 12, 0, tzinfo=UTC)
TOMORROW, NEXT_MONTH = datetime(2026, 3, 31, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
DOLLAR = 1_000_000
CHEAP, DEAR = 130_000, 240_000
CALLERS = ("zap", "shop", None)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def limited(**limits: object) -> Limits:
    spending = SpendLimits(**{"lowest": CHEAP, "highest": DEAR, **limits})  # type: ignore[arg-type]
    return Limits(per_minute=0, per_day=0, spending=spending)


def job(price: int = CHEAP, caller: str | None = "zap") -> Candidate:
    return Candidate(workflow="default", caller=caller or "", charge=Charge(caller=caller, micros=price))


def reserve(gate: Gate, limits: Limits, *jobs: Candidate, now: datetime = NOON) -> tuple[Gate, list[bool]]:
    gate, slots = gate_rules.reserve(gate, limits, jobs, now)
    return gate, [slot is not None for slot in slots]


# --- limits of all jobs --------------------------------------------------------------------------------------------


def test_starts_reserve_their_price_until_the_limit():
    gate, started = reserve(Gate(), limited(per_day=DOLLAR), *[job()] * 10)
    assert started == [True] * 7 + [False] * 3
    assert gate.budget.total.today == 7 * CHEAP
    assert gate_rules.free_slots(gate, limited(per_day=DOLLAR), NOON) == 0


def test_a_cheaper_job_does_not_pass_one_that_waits_for_a_limit_of_all():
    _, started = reserve(Gate(), limited(per_day=300_000), job(DEAR), job(DEAR), job(50_000))
    assert started == [True, False, False]


def test_a_job_whose_price_is_above_the_limit_holds_up_no_other():
    limits = limited(per_day=200_000)
    assert reserve(Gate(), limits, job(DEAR), job(CHEAP))[1] == [False, True]
    short = gate_rules.shortage(Gate(), limits, job(DEAR).charge, NOON)
    assert short == rules.Shortage(None, alone=True)


@pytest.mark.parametrize(
    ("limits", "until"),
    [
        ({"per_day": CHEAP}, TOMORROW),
        ({"per_month": CHEAP}, NEXT_MONTH),
        ({"per_10_minutes": CHEAP}, after(610)),
    ],
)
def test_jobs_are_told_the_limit_and_until_when(limits: dict[str, int], until: datetime):
    gate, _ = reserve(Gate(), limited(**limits), job())
    assert gate_rules.wait_reason(gate, limited(**limits), NOON) is ErrorCode.SPEND_LIMIT
    assert gate_rules.estimate_start(gate, limited(**limits), 0, NOON) == until
    assert reserve(gate, limited(**limits), job(), now=until - timedelta(seconds=1))[1] == [False]
    assert reserve(gate, limited(**limits), job(), now=until)[1] == [True]


@pytest.mark.parametrize("ahead", [0, 1, 2, 5, 11])
def test_the_estimate_counts_the_jobs_ahead(ahead: int):
    limits = limited(per_day=2 * CHEAP)
    gate, _ = reserve(Gate(), limits, job())
    estimated, now, left = gate_rules.estimate_start(gate, limits, ahead, NOON), NOON, ahead + 1
    while True:
        gate, started = reserve(gate, limits, *[job()] * left, now=now)
        left -= sum(started)
        if not left:
            break
        now = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), UTC)
    assert estimated == now


def test_a_released_start_is_not_counted_and_an_unknown_one_is():
    limits = limited(per_day=DOLLAR, per_10_minutes=DOLLAR, per_month=DOLLAR)
    gate, slots = gate_rules.reserve(Gate(), limits, [job(), job()], NOON)
    released = gate_rules.release(gate, [slot for slot in slots if slot][:1])
    assert released.budget.total == (gate.budget.total.day, CHEAP, CHEAP, 1)
    assert sum(amount for _, amount in released.budget.recent) == CHEAP


def test_the_actual_cost_takes_the_place_of_the_estimate():
    limits = limited(per_day=DOLLAR)
    gate, slots = gate_rules.reserve(Gate(), limits, [job(), job()], NOON)
    reservations = [slot.reservation for slot in slots if slot and slot.reservation]
    corrected = rules.correct(gate.budget, reservations[0], "zap", 10_000)
    assert corrected.total.today == CHEAP + 10_000
    assert not rules.exceeded(corrected, limits.spending, "zap", NOON)
    assert rules.exceeded(rules.correct(corrected, reservations[1], "zap", 2 * DOLLAR), limits.spending, "zap", NOON)


@pytest.mark.parametrize("actual", [0, None])
def test_what_was_started_before_a_caller_had_limits_is_not_subtracted_from_what_it_spent(actual: int | None):
    before, limits = (
        limited(per_day=10 * DOLLAR),
        limited(callers={"zap": CallerLimits(spend_per_day=CHEAP, per_day=1)}),
    )
    gate, (early,) = gate_rules.reserve(Gate(), before, [job()], NOON)
    gate, started = reserve(gate, limits, job())
    assert started == [True]
    assert early
    assert early.reservation
    if actual is None:
        gate = gate_rules.release(gate, [early])
    else:
        gate = replace(gate, budget=rules.correct(gate.budget, early.reservation, "zap", actual))
    assert reserve(gate, limits, job())[1] == [False]


def test_without_limits_nothing_is_counted():
    gate, started = reserve(Gate(), Limits(per_minute=0, per_day=0), *[job()] * 50)
    assert (started, gate.budget) == ([True] * 50, Budget())


# --- limits of a caller --------------------------------------------------------------------------------------------

OWN = {
    "starts": (CallerLimits(per_day=1), TOMORROW),
    "day": (CallerLimits(spend_per_day=CHEAP), TOMORROW),
    "month": (CallerLimits(spend_per_month=CHEAP), NEXT_MONTH),
}


@pytest.mark.parametrize("name", OWN)
def test_a_caller_at_its_limit_waits_and_the_others_pass(name: str):
    own, until = OWN[name]
    limits = limited(callers={"zap": own})
    gate, started = reserve(Gate(), limits, job(), job(), job(caller="shop"), job(), job(caller=None))
    assert started == [True, False, True, False, True]
    short = gate_rules.shortage(gate, limits, job().charge, NOON)
    assert short == rules.Shortage(until, alone=True)
    assert gate_rules.free_slots(gate, limits, NOON) > 0
    assert reserve(gate, limits, job(), now=until)[1] == [True]


def test_the_state_stays_small_whatever_the_traffic():
    names = [f"caller-with-a-long-name-{number:06}" for number in range(MAX_CALLERS)]
    limits = limited(per_day=10**15, callers={name: CallerLimits(per_day=10**9) for name in names})
    gate = Gate()
    for second in range(0, 3_600, 3):
        callers = [job(caller=names[second % MAX_CALLERS]), job(caller=f"unlimited-{second}")]
        gate, _ = reserve(gate, limits, *callers, now=after(second))
    for name in names:
        gate, _ = reserve(gate, limits, job(caller=name), now=after(3_600))
    assert len(gate_to_document(gate)["budget"]) < 32 * 1024
    assert len(gate.budget.recent) <= 61


def test_the_budget_is_stored_and_read_unchanged():
    limits = limited(per_day=DOLLAR, callers={"zap": CallerLimits(per_day=5)})
    gate, _ = reserve(Gate(), limits, job(), job(caller="shop"))
    assert gate_from_document(gate_to_document(gate), None).budget == gate.budget


@pytest.mark.parametrize("back", [timedelta(hours=1), timedelta(days=1), timedelta(days=31)])
@pytest.mark.parametrize("caller", ["zap", "shop"])
def test_a_clock_that_is_set_back_grants_no_second_day_or_month(back: timedelta, caller: str):
    limits = limited(per_day=4 * CHEAP, per_month=4 * CHEAP, callers={"zap": CallerLimits(spend_per_day=CHEAP)})
    midnight = datetime(2026, 4, 1, 0, 1, tzinfo=UTC)
    gate, started = reserve(Gate(), limits, job(caller=caller), now=midnight)
    gate, more = reserve(gate, limits, *[job(caller=caller)] * 9, now=midnight - back)
    assert sum(started) + sum(more) == (1 if caller == "zap" else 4)
    for _ in range(9):
        gate, more = reserve(gate, limits, job(caller=caller), now=midnight - back)
        assert more == [False]
    assert sum(reserve(gate, limits, *[job(caller=caller)] * 9, now=midnight)[1]) == 0


# --- whatever happens ----------------------------------------------------------------------------------------------

LIMITS = limited(
    per_day=3 * CHEAP,
    per_month=8 * CHEAP,
    callers={"zap": CallerLimits(per_day=2, spend_per_day=DEAR), "shop": CallerLimits(spend_per_month=4 * CHEAP)},
)


@dataclass
class Ledger:
    """What was reserved and not released, as a list instead of sums."""

    live: list[tuple[str | None, Slot]] = field(default_factory=list)

    def amounts(self, length: int, caller: str | None = None) -> Counter[str]:
        """Return the amount of each day (`length` 10) or month (7), of all callers or of one."""
        sums: Counter[str] = Counter()
        for owner, slot in self.live:
            if slot.reservation and caller in (None, owner):
                sums[slot.reservation.day[:length]] += slot.reservation.micros
        return sums

    def check(self) -> None:
        assert all(amount <= LIMITS.spending.per_day for amount in self.amounts(10).values())
        assert all(amount <= LIMITS.spending.per_month for amount in self.amounts(7).values())
        for name, own in LIMITS.spending.callers.items():
            starts = Counter(slot.reservation.day for owner, slot in self.live if owner == name and slot.reservation)
            assert not own.per_day or all(count <= own.per_day for count in starts.values())
            assert not own.spend_per_day or max(self.amounts(10, name).values(), default=0) <= own.spend_per_day
            assert not own.spend_per_month or max(self.amounts(7, name).values(), default=0) <= own.spend_per_month


CLOCK_STEPS = st.sampled_from([1, 30, 3_600, 86_400, 31 * 86_400, -30, -3_600, -86_400, -31 * 86_400])
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("start"), st.sampled_from(CALLERS), st.sampled_from([CHEAP, DEAR]), st.integers(1, 6)),
        st.tuples(st.just("release"), st.integers(0, 30)),
        st.tuples(st.just("correct"), st.integers(0, 30), st.integers(0, CHEAP)),
        st.tuples(st.just("clock"), CLOCK_STEPS),
        st.tuples(st.just("restart")),
    ),
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(ACTIONS)
def test_reservations_never_exceed_a_limit(actions: list[tuple[object, ...]]):
    """Every write of the gate is conditional, so two triggers and two pollers are a sequence of these actions."""
    gate, ledger, now = Gate(), Ledger(), NOON
    for action in actions:
        match action:
            case ("start", caller, price, count):
                for _ in range(count):
                    gate, (slot,) = gate_rules.reserve(gate, LIMITS, [job(price, caller)], now)
                    ledger.live += [(caller, slot)] if slot else []
            case ("release", number) if ledger.live:
                _, slot = ledger.live.pop(number % len(ledger.live))
                gate = gate_rules.release(gate, [slot])
            case ("correct", number, actual) if ledger.live:
                index = number % len(ledger.live)
                caller, slot = ledger.live[index]
                assert slot.reservation
                lower = min(actual, slot.reservation.micros)
                gate = replace(gate, budget=rules.correct(gate.budget, slot.reservation, caller, lower))
                ledger.live[index] = (caller, replace(slot, reservation=replace(slot.reservation, micros=lower)))
            case ("clock", seconds):
                now += timedelta(seconds=seconds)
            case ("restart",):
                gate = gate_from_document(gate_to_document(gate), None)
        ledger.check()
        total = gate.budget.total
        assert total.today == ledger.amounts(10)[total.day]
        assert total.this_month == ledger.amounts(7)[total.day[:7]]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 400), st.sampled_from([0, 0, 0, -30, -3_600]), st.sampled_from([CHEAP, DEAR]))))
def test_no_ten_minutes_exceed_their_limit_also_if_the_clock_is_set_back(starts: list[tuple[float, float, int]]):
    limits, gate, clock, elapsed, spent = limited(per_10_minutes=DOLLAR), Gate(), NOON, 0.0, list[tuple[float, int]]()
    for pause, step, price in starts:
        elapsed += pause
        clock += timedelta(seconds=pause + step)
        gate, started = reserve(gate, limits, job(price), now=clock)
        spent += [(elapsed, price)] if started == [True] else []
        assert sum(amount for at, amount in spent if at > elapsed - 600) <= DOLLAR


def test_a_reservation_of_an_earlier_day_changes_only_its_month():
    reservation = Reservation(micros=CHEAP, day="2026-03-29", part=0)
    gate, _ = reserve(Gate(), limited(per_day=DOLLAR), job())
    corrected = rules.release(gate.budget, reservation, None)
    assert (corrected.total.today, corrected.total.this_month) == (CHEAP, 0)

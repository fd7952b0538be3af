"""The rules of the gate when a clock was ahead and is set back."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.spending import gate as rules
from shared.spending.gate_state import Gate, Limits, ResumeOn
from tests.spending.test_gate import NOON, OTHER, TEN_A_MINUTE, admitted, after, refusal, suspended


def test_starts_of_the_future_count_as_now():
    ahead = Gate(starts=(after(3_600),) * 10)
    assert rules.free_slots(ahead, TEN_A_MINUTE, NOON) == 0
    assert rules.estimate_start(ahead, TEN_A_MINUTE, 0, NOON) == after(61)
    corrected = rules.without_future(ahead, NOON)
    assert rules.free_slots(corrected, TEN_A_MINUTE, after(61)) == 10


def test_the_day_never_goes_back():
    limits, tomorrow = Limits(per_minute=0, per_day=5), NOON + timedelta(hours=12, minutes=5)
    used = Gate(day=tomorrow.date().isoformat(), executions_today=5)
    before_midnight = tomorrow - timedelta(hours=1)
    assert used.today(before_midnight) == 5
    assert rules.free_slots(used, limits, before_midnight) == 0
    assert rules.estimate_start(used, limits, 0, before_midnight) == tomorrow.replace(hour=0, minute=0) + timedelta(1)


@pytest.mark.parametrize("seconds", [1, 3_600, 86_400])
def test_a_suspension_of_the_future_lasts_as_long_as_it_would_have(seconds: int):
    gate = suspended(ResumeOn.TIME, after(30))
    set_back = NOON - timedelta(seconds=seconds)
    suspension = rules.without_future(gate, set_back).suspension
    assert suspension is not None
    assert (suspension.since, suspension.until) == (set_back, set_back + timedelta(seconds=30))


def test_the_next_trial_from_elsewhere_is_not_delayed_by_a_clock_that_was_ahead():
    ahead = replace(refusal(), since=after(3_600), until=after(3_900), contested_at=after(3_605))
    gate = rules.without_future(Gate(suspension=ahead), NOON)
    assert admitted(gate, OTHER, seconds=5)[1] == [0]


def test_a_gate_without_a_future_is_unchanged():
    gate = suspended(ResumeOn.TIME, after(30))
    assert rules.without_future(gate, after(1)) == gate

"""The rules of the gate: how many executions may start, when the next one may, and what a suspension does."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.error_codes import ErrorCode
from shared.spending import gate as rules
from shared.spending.gate import Gate, Limits, ResumeOn, Suspension

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TEN_A_MINUTE = Limits(per_minute=10, per_day=0)
UNLIMITED = Limits(per_minute=0, per_day=0)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def suspended(resume_on: ResumeOn, until: datetime, tries: int = 1) -> Gate:
    reason = ErrorCode.INSUFFICIENT_CREDITS
    return Gate(suspension=Suspension(reason=reason, resume_on=resume_on, since=NOON, until=until, tries=tries))


def test_ten_executions_may_start_in_a_minute_and_no_more():
    gate, slots = rules.reserve(Gate(), TEN_A_MINUTE, 25, NOON)
    assert len(slots) == 10
    assert rules.reserve(gate, TEN_A_MINUTE, 1, after(60)) == (gate, [])


def test_at_most_ten_executions_start_in_any_sixty_seconds():
    gate, starts = Gate(), []
    for second in range(0, 600, 7):
        gate, slots = rules.reserve(gate, TEN_A_MINUTE, second % 5, after(second))
        starts += [slot.at for slot in slots]
    for start in starts:
        assert sum(start <= other < start + timedelta(seconds=60) for other in starts) <= 10
    assert len(starts) > 60


def test_a_slot_is_free_again_after_its_minute():
    gate, _ = rules.reserve(Gate(), TEN_A_MINUTE, 10, NOON)
    assert rules.free_slots(gate, TEN_A_MINUTE, NOON + rules.WINDOW) == 10


def test_a_released_slot_is_free_again():
    gate, slots = rules.reserve(Gate(), TEN_A_MINUTE, 10, NOON)
    gate = rules.release(gate, slots[:3])
    assert rules.free_slots(gate, TEN_A_MINUTE, after(1)) == 3
    assert gate.today(NOON) == 7


def test_the_daily_limit_resets_at_midnight():
    limits = Limits(per_minute=0, per_day=50)
    gate, slots = rules.reserve(Gate(), limits, 60, NOON)
    assert len(slots) == 50
    assert rules.free_slots(gate, limits, NOON + timedelta(hours=11)) == 0
    assert rules.free_slots(gate, limits, NOON + timedelta(hours=12)) == 50


def test_releasing_a_slot_of_yesterday_does_not_lower_todays_count():
    gate, slots = rules.reserve(Gate(), UNLIMITED, 2, NOON)
    gate, _ = rules.reserve(gate, UNLIMITED, 3, NOON + timedelta(days=1))
    assert rules.release(gate, slots).today(NOON + timedelta(days=1)) == 3


def test_zero_means_no_limit():
    gate, slots = rules.reserve(Gate(), UNLIMITED, 500, NOON)
    assert len(slots) == 500
    assert gate.starts == ()


@pytest.mark.parametrize("resume_on", list(ResumeOn))
def test_no_execution_starts_during_a_suspension(resume_on: ResumeOn):
    assert rules.free_slots(suspended(resume_on, after(60)), UNLIMITED, after(59)) == 0


def test_a_suspension_by_time_ends_at_that_time():
    gate, slots = rules.reserve(suspended(ResumeOn.TIME, after(60)), UNLIMITED, 5, after(60))
    assert len(slots) == 5
    assert gate.suspension is None


def test_a_suspension_by_health_ends_only_when_the_gate_is_resumed():
    gate = suspended(ResumeOn.HEALTH, after(5))
    assert rules.free_slots(gate, UNLIMITED, after(3_600)) == 0
    assert rules.free_slots(rules.resume(gate), UNLIMITED, after(5)) > 0


def test_a_trial_admits_one_execution():
    gate, slots = rules.reserve(suspended(ResumeOn.TRIAL, after(300)), UNLIMITED, 5, after(300))
    assert [slot.trial for slot in slots] == [True]
    assert rules.free_slots(gate, UNLIMITED, after(301)) == 0


def test_trials_follow_after_5_10_20_40_and_then_every_60_minutes():
    gate, now, pauses = suspended(ResumeOn.TRIAL, after(300)), NOON, []
    for _ in range(6):
        assert gate.suspension
        pauses.append((gate.suspension.until - now).total_seconds() / 60)
        now = gate.suspension.until
        gate, _ = rules.reserve(gate, UNLIMITED, 1, now)
    assert pauses == [5, 10, 20, 40, 60, 60]


def test_health_probes_follow_after_5_10_20_and_at_most_300_seconds():
    gate, now, pauses = suspended(ResumeOn.HEALTH, after(5)), NOON, []
    for _ in range(8):
        assert gate.suspension
        pauses.append((gate.suspension.until - now).total_seconds())
        now = gate.suspension.until
        gate = rules.probe_failed(gate, now)
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300]


def test_the_same_refusal_of_several_calls_suspends_once():
    gate = suspended(ResumeOn.TRIAL, after(300))
    again = Suspension(
        reason=ErrorCode.INSUFFICIENT_CREDITS, resume_on=ResumeOn.TRIAL, since=after(2), until=after(302)
    )
    assert rules.suspend(gate, again) == gate


def test_a_suspension_for_missing_credits_replaces_one_for_a_rate_limit_but_not_the_reverse():
    out_of_credits = suspended(ResumeOn.TRIAL, after(300))
    limited = Suspension(reason=ErrorCode.RATE_LIMITED, resume_on=ResumeOn.TIME, since=after(1), until=after(900))
    assert rules.suspend(out_of_credits, limited) == out_of_credits
    assert rules.suspend(Gate(suspension=limited), out_of_credits.suspension).suspension == out_of_credits.suspension


def test_the_later_of_two_suspensions_by_time_applies():
    gate = suspended(ResumeOn.TIME, after(10))
    later = Suspension(reason=ErrorCode.RATE_LIMITED, resume_on=ResumeOn.TIME, since=after(1), until=after(90))
    assert rules.suspend(gate, later).suspension == later


def test_the_wait_reason_is_an_error_code():
    assert rules.wait_reason(Gate(), UNLIMITED, NOON) is None
    assert rules.wait_reason(suspended(ResumeOn.TRIAL, after(9)), UNLIMITED, NOON) is ErrorCode.INSUFFICIENT_CREDITS
    full, _ = rules.reserve(Gate(), TEN_A_MINUTE, 10, NOON)
    assert rules.wait_reason(full, TEN_A_MINUTE, NOON) is ErrorCode.RATE_LIMITED


@pytest.mark.parametrize("ahead", [0, 3, 9, 10, 25, 119])
def test_the_estimated_start_is_exact_if_nothing_changes(ahead: int):
    gate, _ = rules.reserve(Gate(), TEN_A_MINUTE, 4, after(-20))
    gate, _ = rules.reserve(gate, TEN_A_MINUTE, 3, after(-5))
    estimated = rules.estimate_start(gate, TEN_A_MINUTE, ahead, NOON)
    left, now = ahead + 1, NOON
    while True:
        gate, slots = rules.reserve(gate, TEN_A_MINUTE, left, now)
        left -= len(slots)
        if not left:
            break
        now = min(start for start in gate.starts if start > now - rules.WINDOW) + rules.WINDOW
    assert estimated == now


def test_the_estimated_start_is_not_before_the_end_of_a_suspension():
    assert rules.estimate_start(suspended(ResumeOn.TRIAL, after(300)), TEN_A_MINUTE, 0, NOON) == after(300)


def test_the_estimated_start_respects_the_daily_limit():
    limits = Limits(per_minute=0, per_day=50)
    gate, _ = rules.reserve(Gate(), limits, 48, NOON)
    assert rules.estimate_start(gate, limits, 1, NOON) == NOON
    assert rules.estimate_start(gate, limits, 2, NOON) == datetime(2026, 3, 2, tzinfo=UTC)
    assert rules.estimate_start(gate, limits, 52, NOON) == datetime(2026, 3, 3, tzinfo=UTC)

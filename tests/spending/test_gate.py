"""The gate's rules: how many may start, when the next one may, and what a closure does."""

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


def closed(reopening: ResumeOn, until: datetime, tries: int = 1) -> Gate:
    reason = ErrorCode.INSUFFICIENT_CREDITS
    return Gate(suspension=Suspension(reason=reason, resume_on=reopening, since=NOON, until=until, tries=tries))


def test_ten_executions_may_start_in_a_minute_and_no_more():
    gate, slots = rules.reserve(Gate(), TEN_A_MINUTE, 25, NOON)
    assert len(slots) == 10
    assert rules.reserve(gate, TEN_A_MINUTE, 1, after(60)) == (gate, [])


def test_never_more_than_ten_starts_in_any_sixty_seconds_however_they_arrive():
    gate, starts = Gate(), []
    for second in range(0, 600, 7):
        gate, slots = rules.reserve(gate, TEN_A_MINUTE, second % 5, after(second))
        starts += [slot.at for slot in slots]
    for start in starts:
        assert sum(start <= other < start + timedelta(seconds=60) for other in starts) <= 10
    assert len(starts) > 60


def test_a_slot_is_free_again_when_its_minute_has_passed():
    gate, _ = rules.reserve(Gate(), TEN_A_MINUTE, 10, NOON)
    assert rules.free_slots(gate, TEN_A_MINUTE, NOON + rules.WINDOW) == 10


def test_a_slot_that_is_given_back_can_be_taken_by_another():
    gate, slots = rules.reserve(Gate(), TEN_A_MINUTE, 10, NOON)
    gate = rules.release(gate, slots[:3])
    assert rules.free_slots(gate, TEN_A_MINUTE, after(1)) == 3
    assert gate.today(NOON) == 7


def test_the_days_executions_end_at_its_limit_and_begin_anew_at_midnight():
    limits = Limits(per_minute=0, per_day=50)
    gate, slots = rules.reserve(Gate(), limits, 60, NOON)
    assert len(slots) == 50
    assert rules.free_slots(gate, limits, NOON + timedelta(hours=11)) == 0
    assert rules.free_slots(gate, limits, NOON + timedelta(hours=12)) == 50


def test_a_slot_of_yesterday_does_not_lower_todays_count():
    gate, slots = rules.reserve(Gate(), UNLIMITED, 2, NOON)
    gate, _ = rules.reserve(gate, UNLIMITED, 3, NOON + timedelta(days=1))
    assert rules.release(gate, slots).today(NOON + timedelta(days=1)) == 3


def test_zero_means_no_limit():
    gate, slots = rules.reserve(Gate(), UNLIMITED, 500, NOON)
    assert len(slots) == 500
    assert gate.starts == ()


@pytest.mark.parametrize("reopening", list(ResumeOn))
def test_nothing_passes_a_closed_gate(reopening: ResumeOn):
    assert rules.free_slots(closed(reopening, after(60)), UNLIMITED, after(59)) == 0


def test_a_closure_by_time_ends_by_itself():
    gate, slots = rules.reserve(closed(ResumeOn.TIME, after(60)), UNLIMITED, 5, after(60))
    assert len(slots) == 5
    assert gate.suspension is None


def test_only_the_health_call_opens_a_gate_that_waits_for_it():
    gate = closed(ResumeOn.HEALTH, after(5))
    assert rules.free_slots(gate, UNLIMITED, after(3_600)) == 0
    assert rules.free_slots(rules.resume(gate), UNLIMITED, after(5)) > 0


def test_one_job_tries_when_the_time_has_come_and_the_others_wait_for_it():
    gate, slots = rules.reserve(closed(ResumeOn.TRIAL, after(300)), UNLIMITED, 5, after(300))
    assert [slot.trial for slot in slots] == [True]
    assert rules.free_slots(gate, UNLIMITED, after(301)) == 0


def test_trials_come_after_5_10_20_40_and_then_every_60_minutes():
    gate, now, pauses = closed(ResumeOn.TRIAL, after(300)), NOON, []
    for _ in range(6):
        assert gate.suspension
        pauses.append((gate.suspension.until - now).total_seconds() / 60)
        now = gate.suspension.until
        gate, _ = rules.reserve(gate, UNLIMITED, 1, now)
    assert pauses == [5, 10, 20, 40, 60, 60]


def test_the_health_call_is_asked_after_5_10_20_and_at_most_300_seconds():
    gate, now, pauses = closed(ResumeOn.HEALTH, after(5)), NOON, []
    for _ in range(8):
        assert gate.suspension
        pauses.append((gate.suspension.until - now).total_seconds())
        now = gate.suspension.until
        gate = rules.probe_failed(gate, now)
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300]


def test_the_same_refusal_met_by_ten_calls_closes_once():
    gate = closed(ResumeOn.TRIAL, after(300))
    again = Suspension(
        reason=ErrorCode.INSUFFICIENT_CREDITS, resume_on=ResumeOn.TRIAL, since=after(2), until=after(302)
    )
    assert rules.suspend(gate, again) == gate


def test_missing_credits_outweigh_a_rate_limit_but_not_the_other_way_round():
    credits_gone = closed(ResumeOn.TRIAL, after(300))
    limited = Suspension(reason=ErrorCode.RATE_LIMITED, resume_on=ResumeOn.TIME, since=after(1), until=after(900))
    assert rules.suspend(credits_gone, limited) == credits_gone
    assert rules.suspend(Gate(suspension=limited), credits_gone.suspension).suspension == credits_gone.suspension


def test_the_later_of_two_named_times_holds():
    gate = closed(ResumeOn.TIME, after(10))
    later = Suspension(reason=ErrorCode.RATE_LIMITED, resume_on=ResumeOn.TIME, since=after(1), until=after(90))
    assert rules.suspend(gate, later).suspension == later


def test_why_it_is_closed_is_an_error_code():
    assert rules.wait_reason(Gate(), UNLIMITED, NOON) is None
    assert rules.wait_reason(closed(ResumeOn.TRIAL, after(9)), UNLIMITED, NOON) is ErrorCode.INSUFFICIENT_CREDITS
    full, _ = rules.reserve(Gate(), TEN_A_MINUTE, 10, NOON)
    assert rules.wait_reason(full, TEN_A_MINUTE, NOON) is ErrorCode.RATE_LIMITED


@pytest.mark.parametrize("ahead", [0, 3, 9, 10, 25, 119])
def test_the_estimate_is_when_the_job_really_goes_if_nothing_changes(ahead: int):
    gate, _ = rules.reserve(Gate(), TEN_A_MINUTE, 4, after(-20))
    gate, _ = rules.reserve(gate, TEN_A_MINUTE, 3, after(-5))
    promised = rules.estimate_start(gate, TEN_A_MINUTE, ahead, NOON)
    left, now = ahead + 1, NOON
    while True:
        gate, slots = rules.reserve(gate, TEN_A_MINUTE, left, now)
        left -= len(slots)
        if not left:
            break
        now = min(start for start in gate.starts if start > now - rules.WINDOW) + rules.WINDOW
    assert promised == now


def test_the_estimate_of_a_closed_gate_is_not_before_it_opens():
    assert rules.estimate_start(closed(ResumeOn.TRIAL, after(300)), TEN_A_MINUTE, 0, NOON) == after(300)


def test_the_estimate_knows_the_limit_of_the_day():
    limits = Limits(per_minute=0, per_day=50)
    gate, _ = rules.reserve(Gate(), limits, 48, NOON)
    assert rules.estimate_start(gate, limits, 1, NOON) == NOON
    assert rules.estimate_start(gate, limits, 2, NOON) == datetime(2026, 3, 2, tzinfo=UTC)
    assert rules.estimate_start(gate, limits, 52, NOON) == datetime(2026, 3, 3, tzinfo=UTC)

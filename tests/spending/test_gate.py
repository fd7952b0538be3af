"""The rules of the gate: how many executions may start, when the next one may, and what a suspension does."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.error_codes import ErrorCode
from shared.spending import gate as rules
from shared.spending import suspensions
from shared.spending.gate_state import Candidate, Gate, Limits, ResumeOn, Slot, Suspension
from shared.spending.suspensions import FIRST_TRIAL

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TEN_A_MINUTE = Limits(per_minute=10, per_day=0)
UNLIMITED = Limits(per_minute=0, per_day=0)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def suspended(resume_on: ResumeOn, until: datetime, tries: int = 1) -> Gate:
    reason = ErrorCode.INSUFFICIENT_CREDITS
    return Gate(suspension=Suspension(reason=reason, resume_on=resume_on, since=NOON, until=until, tries=tries))


def reserve(gate: Gate, limits: Limits, count: int, now: datetime) -> tuple[Gate, list[Slot]]:
    """Admit `count` jobs of one caller and workflow, if the gate allows."""
    gate, slots = rules.reserve(gate, limits, [Candidate(workflow="default", caller="zap")] * count, now)
    return gate, [slot for slot in slots if slot]


def test_ten_executions_may_start_in_a_minute_and_no_more():
    gate, slots = reserve(Gate(), TEN_A_MINUTE, 25, NOON)
    assert len(slots) == 10
    assert reserve(gate, TEN_A_MINUTE, 1, after(60)) == (gate, [])


def test_at_most_ten_executions_start_in_any_sixty_seconds():
    gate, starts = Gate(), []
    for second in range(0, 600, 7):
        gate, slots = reserve(gate, TEN_A_MINUTE, second % 5, after(second))
        starts += [slot.at for slot in slots]
    for start in starts:
        assert sum(start <= other < start + timedelta(seconds=60) for other in starts) <= 10
    assert len(starts) > 60


def test_a_slot_is_free_again_after_its_minute():
    gate, _ = reserve(Gate(), TEN_A_MINUTE, 10, NOON)
    assert rules.free_slots(gate, TEN_A_MINUTE, NOON + rules.WINDOW) == 10


def test_a_released_slot_is_free_again():
    gate, slots = reserve(Gate(), TEN_A_MINUTE, 10, NOON)
    gate = rules.release(gate, slots[:3])
    assert rules.free_slots(gate, TEN_A_MINUTE, after(1)) == 3
    assert gate.today(NOON) == 7


def test_the_daily_limit_resets_at_midnight():
    limits = Limits(per_minute=0, per_day=50)
    gate, slots = reserve(Gate(), limits, 60, NOON)
    assert len(slots) == 50
    assert rules.free_slots(gate, limits, NOON + timedelta(hours=11)) == 0
    assert rules.free_slots(gate, limits, NOON + timedelta(hours=12)) == 50


def test_releasing_a_slot_of_yesterday_does_not_lower_todays_count():
    daily = Limits(per_minute=0, per_day=100)
    gate, slots = reserve(Gate(), daily, 2, NOON)
    gate, _ = reserve(gate, daily, 3, NOON + timedelta(days=1))
    assert rules.release(gate, slots).today(NOON + timedelta(days=1)) == 3


def test_zero_means_no_limit():
    gate, slots = reserve(Gate(), UNLIMITED, 500, NOON)
    assert len(slots) == 500
    assert gate.starts == ()


@pytest.mark.parametrize("resume_on", list(ResumeOn))
def test_no_execution_starts_during_a_suspension(resume_on: ResumeOn):
    assert rules.free_slots(suspended(resume_on, after(60)), UNLIMITED, after(59)) == 0


def test_a_suspension_by_time_ends_at_that_time():
    gate, slots = reserve(suspended(ResumeOn.TIME, after(60)), UNLIMITED, 5, after(60))
    assert len(slots) == 5
    assert gate.suspension is None


def test_a_suspension_by_health_ends_only_when_the_gate_is_resumed():
    gate = suspended(ResumeOn.HEALTH, after(5))
    assert rules.free_slots(gate, UNLIMITED, after(3_600)) == 0
    assert rules.free_slots(rules.resume(gate), UNLIMITED, after(5)) > 0


def test_a_trial_admits_one_execution():
    gate, slots = reserve(suspended(ResumeOn.TRIAL, after(300)), UNLIMITED, 5, after(300))
    assert [bool(slot.trials) for slot in slots] == [True]
    assert rules.free_slots(gate, UNLIMITED, after(301)) == 0


def test_trials_follow_after_5_10_20_40_and_then_every_60_minutes():
    gate, now, pauses = suspended(ResumeOn.TRIAL, after(300)), NOON, []
    for _ in range(6):
        assert gate.suspension
        pauses.append((gate.suspension.until - now).total_seconds() / 60)
        now = gate.suspension.until
        gate, _ = reserve(gate, UNLIMITED, 1, now)
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
    full, _ = reserve(Gate(), TEN_A_MINUTE, 10, NOON)
    assert rules.wait_reason(full, TEN_A_MINUTE, NOON) is ErrorCode.RATE_LIMITED


@pytest.mark.parametrize("ahead", [0, 3, 9, 10, 25, 119])
def test_the_estimated_start_is_exact_if_nothing_changes(ahead: int):
    gate, _ = reserve(Gate(), TEN_A_MINUTE, 4, after(-20))
    gate, _ = reserve(gate, TEN_A_MINUTE, 3, after(-5))
    estimated = rules.estimate_start(gate, TEN_A_MINUTE, ahead, NOON)
    left, now = ahead + 1, NOON
    while True:
        gate, slots = reserve(gate, TEN_A_MINUTE, left, now)
        left -= len(slots)
        if not left:
            break
        now = min(start for start in gate.starts if start > now - rules.WINDOW) + rules.WINDOW
    assert estimated == now


def test_the_estimated_start_is_not_before_the_end_of_a_suspension():
    assert rules.estimate_start(suspended(ResumeOn.TRIAL, after(300)), TEN_A_MINUTE, 0, NOON) == after(300)


def test_the_estimated_start_respects_the_daily_limit():
    limits = Limits(per_minute=0, per_day=50)
    gate, _ = reserve(Gate(), limits, 48, NOON)
    assert rules.estimate_start(gate, limits, 1, NOON) == NOON
    assert rules.estimate_start(gate, limits, 2, NOON) == datetime(2026, 3, 2, tzinfo=UTC)
    assert rules.estimate_start(gate, limits, 52, NOON) == datetime(2026, 3, 3, tzinfo=UTC)


# --- whom a suspension holds ---------------------------------------------------------------------------------------

CATS, DOGS = Candidate(workflow="cats", caller="zap"), Candidate(workflow="dogs", caller="zap")
OTHER = Candidate(workflow="cats", caller="ci")
REFUSED = Candidate(workflow="cats", caller="zap", refused_for=ErrorCode.KEY_REFUSED)


def refusal(workflow: str | None = None) -> Suspension:
    """What the refusal of a job of zap for the workflow cats leads to at noon; `workflow`: only that is suspended."""
    return Suspension(
        reason=ErrorCode.KEY_REFUSED,
        resume_on=ResumeOn.TRIAL,
        since=NOON,
        until=NOON + FIRST_TRIAL,
        workflow=workflow,
        refused_workflow="cats",
        refused_caller="zap",
    )


def admitted(gate: Gate, *candidates: Candidate, seconds: float = 1) -> tuple[Gate, list[int]]:
    """The gate and the indexes of the candidates that may start."""
    gate, slots = rules.reserve(gate, UNLIMITED, candidates, after(seconds))
    return gate, [index for index, slot in enumerate(slots) if slot]


def tried(gate: Gate, candidate: Candidate, seconds: float = 1) -> tuple[Gate, Slot]:
    gate, (slot,) = rules.reserve(gate, UNLIMITED, [candidate], after(seconds))
    assert slot
    assert slot.trials
    return gate, slot


@pytest.mark.parametrize("elsewhere", [DOGS, OTHER])
def test_one_job_from_elsewhere_is_tried_at_once(elsewhere: Candidate):
    gate, found = admitted(rules.suspend(Gate(), refusal()), REFUSED, CATS, elsewhere, elsewhere)
    assert found == [2]
    assert admitted(gate, CATS, DOGS, OTHER, seconds=2)[1] == []
    assert admitted(gate, CATS, DOGS, seconds=302)[1] == [0]


def test_a_trial_takes_a_job_that_was_not_refused_for_this_reason_before():
    gate = rules.suspend(Gate(), refusal())
    assert admitted(gate, REFUSED, REFUSED, CATS, seconds=300)[1] == [2]
    assert admitted(gate, REFUSED, REFUSED, seconds=300)[1] == []
    assert admitted(gate, REFUSED, REFUSED, seconds=305)[1] == [0], "for want of another"
    for_credits = Candidate(workflow="cats", caller="zap", refused_for=ErrorCode.INSUFFICIENT_CREDITS)
    assert admitted(gate, for_credits, CATS, seconds=300)[1] == [0]


def test_a_job_that_is_from_elsewhere_for_both_suspensions_is_the_trial_of_both():
    """Otherwise all would wait: the workflow's trial is the first job, and the account needs another caller's."""
    for_account = replace(refusal(), refused_caller="form:")
    gate = rules.suspend(rules.suspend(Gate(), refusal("cats")), for_account)
    form = Candidate(workflow="cats", caller="form:")
    assert admitted(gate, form, CATS)[1] == []
    gate, slots = rules.reserve(gate, UNLIMITED, [form, CATS, OTHER], after(1))
    assert [bool(slot) for slot in slots] == [False, False, True]
    assert slots[2]
    gate = rules.trial_succeeded(gate, slots[2], "cats", after(2))
    assert (gate.suspension, gate.workflows) == (None, ())


def test_a_trial_takes_a_job_of_a_caller_that_had_none_refused():
    gate = rules.suspend(Gate(), refusal())
    lately = Candidate(workflow="dogs", caller="form:", caller_refused_at=after(-60))
    before = Candidate(workflow="dogs", caller="mail", caller_refused_at=after(-3_600))
    assert admitted(gate, lately, before, OTHER)[1] == [2]
    assert admitted(gate, lately, before)[1] == [1]
    assert admitted(gate, lately)[1] == [0], "for want of another"
    gate = rules.suspend(gate, replace(refusal("birds"), refused_caller="ci"))
    assert admitted(gate, OTHER, before)[1] == [1], "the suspension of another workflow names its caller"


def test_a_suspended_workflow_holds_only_its_own_jobs():
    gate = rules.suspend(Gate(), refusal("cats"))
    assert admitted(gate, CATS, DOGS, REFUSED, DOGS)[1] == [1, 3]
    assert rules.wait_reason(gate, UNLIMITED, after(1), "cats") is ErrorCode.KEY_REFUSED
    assert rules.wait_reason(gate, UNLIMITED, after(1), "dogs") is None
    assert rules.estimate_start(gate, UNLIMITED, 0, after(1), "cats") == after(300)
    assert rules.estimate_start(gate, UNLIMITED, 0, after(1), "dogs") == after(1)


def test_a_suspended_workflow_has_one_trial_beside_the_jobs_of_others():
    assert admitted(rules.suspend(Gate(), refusal("cats")), DOGS, OTHER, OTHER, DOGS)[1] == [0, 1, 3]


def test_a_job_of_another_workflow_that_is_accepted_narrows_the_suspension():
    gate, slot = tried(rules.suspend(Gate(), refusal()), DOGS)
    gate = rules.trial_succeeded(gate, slot, "dogs", after(2))
    assert gate.suspension is None
    assert [(one.workflow, one.until, one.tries) for one in gate.workflows] == [("cats", after(302), 1)]
    assert admitted(gate, CATS, DOGS, seconds=3)[1] == [1]
    gate, slot = tried(gate, OTHER, 4)
    assert rules.trial_succeeded(gate, slot, "cats", after(5)).workflows == ()


def test_a_job_of_the_same_workflow_that_is_accepted_ends_the_suspension():
    gate, slot = tried(rules.suspend(Gate(), refusal()), OTHER)
    gate = rules.trial_succeeded(gate, slot, "cats", after(2))
    assert (gate.suspension, gate.workflows) == (None, ())


def test_what_a_poll_suspended_no_paid_call_ends():
    suspension = replace(refusal(), by_poll=True)
    gate, slot = tried(rules.suspend(Gate(), suspension), CATS, 300)
    assert rules.trial_succeeded(gate, slot, "cats", after(301)).suspension


def test_a_released_trial_is_made_by_the_next_job():
    before = rules.suspend(Gate(), refusal())
    gate, slot = tried(before, OTHER)
    gate = rules.release(gate, [slot])
    assert (gate.suspension, gate.executions_today) == (before.suspension, 0)
    assert admitted(gate, OTHER, seconds=2)[1] == [0]


def test_a_failed_trial_of_a_workflow_moves_the_next_one_back():
    gate, slot = tried(rules.suspend(Gate(), refusal("cats")), CATS, 300)
    assert rules.hold(gate, after(301), CATS) is None, "the trial is under way: the others may follow at once"
    gate = rules.trial_failed(gate, slot)
    held = rules.hold(gate, after(301), CATS)
    assert held
    assert (held.until, gate.executions_today) == (after(900), 0)


def test_jobs_from_elsewhere_are_tried_after_0_5_10_20_seconds_and_then_any_job():
    gate, now, times = rules.suspend(Gate(), refusal()), NOON, []
    while not rules.reserve(gate, UNLIMITED, [CATS], now)[1][0]:
        trial, (slot,) = rules.reserve(gate, UNLIMITED, [OTHER], now)
        if slot:
            times.append((now - NOON).total_seconds())
            gate = rules.trial_failed(trial, slot)
        now += timedelta(seconds=1)
    assert times == [0, 5, 10, 20, 40, 80, 160, 320]
    assert (now - NOON).total_seconds() == 320 + 300


@pytest.mark.parametrize(("candidate", "seconds"), [(CATS, 300), (REFUSED, 300), (OTHER, 0)])
def test_a_job_is_held_until_it_may_be_tried(candidate: Candidate, seconds: int):
    suspension = refusal("cats")
    assert suspensions.held_until(suspension, candidate) == after(seconds)
    assert bool(rules.hold(rules.suspend(Gate(), suspension), after(1), candidate)) == bool(seconds)


def test_no_more_workflows_are_remembered_than_fit_the_document():
    gate = Gate()
    for number in range(300):
        gate = rules.suspend(gate, refusal(f"workflow {number}"))
    assert len(gate.workflows) == rules.MAX_WORKFLOWS
    assert gate.workflows[-1].workflow == "workflow 299"


def test_trials_of_a_workflow_come_at_growing_intervals():
    gate, now, pauses = rules.suspend(Gate(), refusal("cats")), NOON, []
    for _ in range(6):
        (suspension,) = gate.workflows
        pauses.append((suspension.until - now).total_seconds() / 60)
        now = suspension.until
        gate, slot = tried(gate, CATS, (now - NOON).total_seconds())
        gate = rules.trial_failed(gate, slot)
    assert pauses == [5, 10, 20, 40, 60, 60]

"""The gate on spending: which jobs may start now, and when the others may. Pure; its state is one document.

The gate never rejects a job: the job waits, and `estimate_start` says when it can start. A refusal that may concern
other jobs suspends them until a trial shows what it concerns: all jobs, those of one workflow, or only the refused job.
Limits: https://www.wireflow.ai/docs/api (10 executions a minute on every plan; 50, 200 or 1,000 a day).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from shared.error_codes import ErrorCode
from shared.spending import budget, suspensions
from shared.spending.budget import Budget, Charge, Reservation, Shortage
from shared.spending.gate_state import Candidate, Gate, Limits, ResumeOn, Slot, Suspension, utc_day

# A start counts when it arrives, not when it was reserved: one second more than Wireflow's minute covers the latency.
WINDOW = timedelta(seconds=61)
UNLIMITED = 1_000  # executions that a gate without limits admits at once
TRIAL_TAKES = timedelta(seconds=35)  # at most: the paid call and its recording
NEVER = datetime.min.replace(tzinfo=UTC)
MAX_WORKFLOWS = 100  # suspended at the same time; the oldest suspension is dropped


# --- admission -----------------------------------------------------------------------------------------------------


def free_slots(gate: Gate, limits: Limits, now: datetime) -> int:
    """Return how many executions may start now, of workflows that are not suspended."""
    slots, suspension = _within_limits(gate, limits, now), gate.suspension
    if suspension and suspension.resume_on is ResumeOn.TRIAL:
        return min(slots, 1) if now >= suspension.until or suspensions.is_contestable(suspension, now) else 0
    return 0 if suspension and suspensions.is_in_force(suspension, now) else slots


def reserve(
    gate: Gate, limits: Limits, candidates: Sequence[Candidate], now: datetime, wanted: int = UNLIMITED
) -> tuple[Gate, list[Slot | None]]:
    """Return the gate after admitting as many candidates as it allows, at most `wanted`, and the slot of each or None.

    The first candidates come first. A suspension admits a trial only, of a job that was not refused for its reason.
    Without limits executions are not counted: the gate changes only with a suspension.
    """
    gate = without_future(gate, now)
    slots: list[Slot | None] = [None] * len(candidates)
    startable, free = _startable(gate, candidates, now), min(wanted, _within_limits(gate, limits, now))
    spent, chosen = _affordable(gate, limits, candidates, startable, now, free)
    if not chosen:
        return gate, slots
    suspension = gate.suspension if gate.suspension and not suspensions.has_ended(gate.suspension, now) else None
    reserved = replace(
        gate,
        starts=(*_recent_starts(gate, now), *[now] * len(chosen)) if limits.per_minute else (),
        day=max(gate.day, utc_day(now)) if limits.exist else gate.day,
        executions_today=gate.today(now) + len(chosen) if limits.exist else gate.executions_today,
        suspension=suspension,
        budget=spent,
    )
    for index, reservation in chosen.items():
        found = filter(None, (suspension, suspension_of(gate, candidates[index].workflow)))
        trials = tuple(one for one in found if one.resume_on is not ResumeOn.OPERATOR)
        slots[index] = Slot(at=now, trials=trials, reservation=reservation, caller=candidates[index].charge.caller)
        for trial in trials:
            if trial.resume_on is ResumeOn.TRIAL:
                reserved = _replaced(reserved, suspensions.tried(trial, candidates[index], now))
    return reserved, slots


def _affordable(
    gate: Gate, limits: Limits, candidates: Sequence[Candidate], startable: Sequence[int], now: datetime, wanted: int
) -> tuple[Budget, dict[int, Reservation | None]]:
    """Return the first candidates that the spend limits admit, with their reservations, and the budget after them.

    A job passes those that wait for limits of their own. None passes one that waits for a limit of all jobs.
    """
    spent, chosen = gate.budget, dict[int, Reservation | None]()
    for index in startable:
        if len(chosen) >= wanted:
            break
        charge = candidates[index].charge
        if short := budget.shortage(spent, limits.spending, charge, now):
            if short.alone:
                continue
            break
        spent, chosen[index] = budget.reserve(spent, limits.spending, charge, now)
    return spent, chosen


def without_future(gate: Gate, now: datetime) -> Gate:
    """Return the gate with starts of the future as starts of now, and suspensions of the future beginning now.

    The clock was set back: without this, it would have to catch up before anything may start.
    """
    return replace(
        gate,
        starts=tuple(min(start, now) for start in gate.starts),
        suspension=gate.suspension and suspensions.without_future(gate.suspension, now),
        workflows=tuple(suspensions.without_future(suspension, now) for suspension in gate.workflows),
    )


def release(gate: Gate, slots: Sequence[Slot]) -> Gate:
    """Return the gate without starts and trials that did not happen: refused as invalid, or not needed after all."""
    starts = list(gate.starts)
    for slot in slots:
        if slot.at in starts:
            starts.remove(slot.at)
        for trial in slot.trials:
            gate = _replaced(gate, trial)
        if slot.reservation:
            gate = replace(gate, budget=budget.release(gate.budget, slot.reservation, slot.caller))
    today = [slot for slot in slots if utc_day(slot.at) == gate.day]
    return replace(gate, starts=tuple(starts), executions_today=max(0, gate.executions_today - len(today)))


def trial_failed(gate: Gate, slot: Slot) -> Gate:
    """Return the gate after a refused trial: its start did not happen, and the next trial follows later."""
    for trial in slot.trials:
        current = suspension_of(gate, trial.workflow)
        if current:
            gate = _replaced(gate, replace(current, tried_at=None))
    return release(gate, [replace(slot, trials=())])


def _within_limits(gate: Gate, limits: Limits, now: datetime) -> int:
    slots = UNLIMITED
    if limits.per_minute:
        slots = min(slots, limits.per_minute - len(_recent_starts(gate, now)))
    if limits.per_day:
        slots = min(slots, limits.per_day - gate.today(now))
    return 0 if budget.exhausted(gate.budget, limits.spending, now) else max(slots, 0)


def _startable(gate: Gate, candidates: Sequence[Candidate], now: datetime) -> list[int]:
    """Return the indexes of the candidates that may start; a suspension admits one of those it concerns, as a trial."""
    if by_operator := [n for n, one in enumerate(candidates) if one.chosen]:
        return by_operator
    account = gate.suspension
    if account and account.resume_on is not ResumeOn.TRIAL and suspensions.is_in_force(account, now):
        return []
    common = [account] if account and account.resume_on is ResumeOn.TRIAL else []
    chosen: list[int] = []
    tried: list[Suspension] = []
    for index in sorted(range(len(candidates)), key=lambda n: _trial_order(gate, candidates[n])):
        own = suspension_of(gate, candidates[index].workflow)
        concerned = [*common, own] if own else common
        if all(one not in tried and suspensions.may_try(one, candidates[index], now) for one in concerned):
            chosen.append(index)
            tried += concerned
    return sorted(chosen)


def _trial_order(gate: Gate, candidate: Candidate) -> tuple[bool, datetime]:
    """Return what sorts candidates for a trial.

    Jobs that were refused for the same reason come last. Before them come those whose callers had jobs refused: a
    caller with one bad job probably has another, and a failed trial keeps all jobs waiting.
    """
    known = [one for one in (gate.suspension, *gate.workflows) if one]
    again = any(candidate.refused_for == one.reason for one in known if one.workflow in (None, candidate.workflow))
    refused = [one.since for one in known if one.refused_caller == candidate.caller]
    return again, max([candidate.caller_refused_at or NEVER, *refused])


# --- suspensions ---------------------------------------------------------------------------------------------------


def suspension_of(gate: Gate, workflow: str | None) -> Suspension | None:
    """Return the suspension of a workflow alone, or for None that of all jobs."""
    if workflow is None:
        return gate.suspension
    return next((suspension for suspension in gate.workflows if suspension.workflow == workflow), None)


def suspend(gate: Gate, suspension: Suspension) -> Gate:
    """Return the gate with `suspension`, unless one as strong is in force."""
    current = suspension_of(gate, suspension.workflow)
    if suspension.workflow is not None:
        workflows = gate.workflows if current else (*gate.workflows, suspension)[-MAX_WORKFLOWS:]
        return replace(gate, workflows=workflows)
    if current is None or not suspensions.is_in_force(current, suspension.since):
        return replace(gate, suspension=suspension)
    ranks = list(ResumeOn)
    stronger = ranks.index(suspension.resume_on) > ranks.index(current.resume_on)
    later = suspension.resume_on is current.resume_on is ResumeOn.TIME and suspension.until > current.until
    return replace(gate, suspension=suspension) if stronger or later else gate


def resume(gate: Gate, workflow: str | None = None) -> Gate:
    """Return the gate without the suspension of a workflow, or for None without that of all jobs."""
    if workflow is None:
        return replace(gate, suspension=None)
    kept = tuple(suspension for suspension in gate.workflows if suspension.workflow != workflow)
    return replace(gate, workflows=kept)


def trial_succeeded(gate: Gate, slot: Slot, workflow: str, now: datetime) -> Gate:
    """Return the gate after a job of `workflow` was accepted: the suspensions that it tried end.

    If all jobs were suspended because one of another workflow was refused, only that workflow stays suspended. A
    suspension that a poll caused stays until a poll succeeds.
    """
    for trial in slot.trials:
        current = suspension_of(gate, trial.workflow)
        if current is None or current.since != trial.since or current.by_poll:
            continue
        gate = resume(gate, trial.workflow)
        if trial.workflow is None and trial.refused_workflow not in (None, workflow):
            until = now + suspensions.FIRST_TRIAL
            narrowed = replace(trial, workflow=trial.refused_workflow, since=now, until=until, tries=1)
            gate = suspend(gate, replace(narrowed, contested_at=None, tried_at=None))
    return gate


def probe_failed(gate: Gate, now: datetime) -> Gate:
    """Return the gate after a failed health call: the pause before the next one doubles."""
    return replace(gate, suspension=suspensions.extended(gate.suspension, now)) if gate.suspension else gate


def _replaced(gate: Gate, suspension: Suspension) -> Gate:
    """Return the gate with `suspension` in the place of an earlier or later state of the same one, if it is there."""
    current = suspension_of(gate, suspension.workflow)
    if current is None or current.since != suspension.since:
        return gate
    if suspension.workflow is None:
        return replace(gate, suspension=suspension)
    return replace(gate, workflows=tuple(suspension if one is current else one for one in gate.workflows))


# --- what waiting jobs are told ------------------------------------------------------------------------------------


def blocked_by(gate: Gate, now: datetime, workflow: str | None = None) -> Suspension | None:
    """Return the suspension that keeps a job of `workflow` from starting now, if one does."""
    found = (gate.suspension, suspension_of(gate, workflow))
    return next((suspension for suspension in found if suspension and suspensions.is_in_force(suspension, now)), None)


def hold(gate: Gate, now: datetime, candidate: Candidate) -> Suspension | None:
    """Return the suspension of its workflow that holds a job, if one does; it is held until `held_until`.

    While a trial is under way it is not: if it succeeds the others start at once.
    """
    suspension = suspension_of(gate, candidate.workflow)
    if suspension is None or now >= suspensions.held_until(suspension, candidate):
        return None
    return None if suspension.tried_at and now < suspension.tried_at + TRIAL_TAKES else suspension


def shortage(
    gate: Gate, limits: Limits, charge: Charge, now: datetime, ahead: int = 0, own_ahead: int = 0
) -> Shortage | None:
    """Return the spend limit that keeps a job from starting, or None.

    `ahead`: the jobs before it; `own_ahead`: those of its caller among them.
    """
    return budget.shortage(gate.budget, limits.spending, charge, now, ahead, own_ahead)


def wait_reason(
    gate: Gate,
    limits: Limits,
    now: datetime,
    workflow: str | None = None,
    charge: Charge | None = None,
    ahead: int = 0,
    own_ahead: int = 0,
) -> ErrorCode | None:
    """Return what keeps a job of `workflow` from starting now, or after the jobs before it, or None.

    `ahead`: these jobs; `own_ahead`: those of its caller among them. Without `charge`: the cheapest job.
    """
    if suspension := blocked_by(gate, now, workflow):
        return suspension.reason
    charge = charge or Charge(caller=None, micros=limits.spending.lowest)
    if shortage(gate, limits, charge, now, ahead, own_ahead):
        return ErrorCode.SPEND_LIMIT
    return ErrorCode.RATE_LIMITED if not free_slots(gate, limits, now) else None


def estimate_start(
    gate: Gate,
    limits: Limits,
    ahead: int,
    now: datetime,
    workflow: str | None = None,
    charge: Charge | None = None,
    own_ahead: int = 0,
) -> datetime:
    """Return when a job of `workflow` that has `ahead` jobs before it can start, if nothing changes.

    `own_ahead`: those of its caller among them. Without `charge`: the cheapest job. The jobs before it are expected to
    cost as much as it.
    """
    found = filter(None, (gate.suspension, suspension_of(gate, workflow)))
    at = max([now, *(suspensions.expected_end(suspension, now) for suspension in found)])
    if limits.per_day and (days := (gate.today(now) + ahead) // limits.per_day):
        midnight = datetime.combine(date.fromisoformat(max(gate.day, utc_day(now))), time(), UTC)
        at = max(at, midnight + timedelta(days=days))
    charge = charge or Charge(caller=None, micros=limits.spending.lowest)
    short = shortage(gate, limits, charge, now, ahead, own_ahead)
    if short and short.until:
        return max(at, short.until)
    if limits.per_minute:
        occupied = [start + WINDOW for start in sorted(_recent_starts(gate, now)) if start + WINDOW > at]
        rounds, place = divmod(ahead, limits.per_minute)
        behind = place - max(limits.per_minute - len(occupied), 0)  # the first ones need not wait for earlier starts
        at = max(at, occupied[behind] if behind >= 0 else at) + rounds * WINDOW
    return at


def _recent_starts(gate: Gate, now: datetime) -> list[datetime]:
    return [min(start, now) for start in gate.starts if start > now - WINDOW]

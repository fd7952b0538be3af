"""The gate on spending: which jobs may start now, and when the others may. Pure; its state is one document.

The gate never rejects a job: the job waits, and `estimate_start` says when it can start. A refusal that may concern
other jobs suspends them until a trial shows what it concerns: all jobs, those of one workflow, or only the refused job.
Limits: https://www.wireflow.ai/docs/api (10 executions a minute on every plan; 50, 200 or 1,000 a day).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from shared.error_codes import ErrorCode
from shared.spending.gate_state import Candidate, Gate, Limits, ResumeOn, Slot, Suspension, utc_day

# A start counts when it arrives, not when it was reserved: one second more than Wireflow's minute covers the latency.
WINDOW = timedelta(seconds=61)
# The first and the longest pause before a trial, and before a health call; each pause is twice as long as the last.
FIRST_TRIAL, MAX_TRIAL = timedelta(minutes=5), timedelta(minutes=60)
FIRST_PROBE, MAX_PROBE = timedelta(seconds=5), timedelta(seconds=300)
FIRST_CONTEST = timedelta(seconds=5)  # between the first two trials with jobs from elsewhere; then twice as long each
UNLIMITED = 1_000  # executions that a gate without limits admits at once
# A job that was refused before is tried again only if no other job comes up this long after a trial is due.
OTHERS_FIRST = timedelta(seconds=5)
TRIAL_TAKES = timedelta(seconds=15)  # at most: the paid call and its recording
NEVER = datetime.min.replace(tzinfo=UTC)
MAX_WORKFLOWS = 100  # suspended at the same time; the oldest suspension is dropped


# --- admission -----------------------------------------------------------------------------------------------------


def free_slots(gate: Gate, limits: Limits, now: datetime) -> int:
    """Return how many executions may start now, of workflows that are not suspended."""
    slots, suspension = _within_limits(gate, limits, now), gate.suspension
    if suspension and suspension.resume_on is ResumeOn.TRIAL:
        return min(slots, 1) if now >= suspension.until or _is_contestable(suspension, now) else 0
    return 0 if suspension and _in_force(suspension, now) else slots


def reserve(
    gate: Gate, limits: Limits, candidates: Sequence[Candidate], now: datetime, wanted: int = UNLIMITED
) -> tuple[Gate, list[Slot | None]]:
    """Return the gate after admitting as many candidates as it allows, at most `wanted`, and the slot of each or None.

    The first candidates come first. A suspension admits a trial only, of a job that was not refused for its reason.
    Without limits executions are not counted: the gate changes only with a suspension.
    """
    gate = without_future(gate, now)
    slots: list[Slot | None] = [None] * len(candidates)
    chosen = _startable(gate, candidates, now)[: min(wanted, _within_limits(gate, limits, now))]
    if not chosen:
        return gate, slots
    suspension = gate.suspension if gate.suspension and gate.suspension.resume_on is ResumeOn.TRIAL else None
    reserved = replace(
        gate,
        starts=(*_recent_starts(gate, now), *[now] * len(chosen)) if limits.per_minute else (),
        day=max(gate.day, utc_day(now)) if limits.exist else gate.day,
        executions_today=gate.today(now) + len(chosen) if limits.exist else gate.executions_today,
        suspension=suspension,
    )
    for index in chosen:
        trials = tuple(filter(None, (suspension, suspension_of(gate, candidates[index].workflow))))
        slots[index] = Slot(at=now, trials=trials)
        for trial in trials:
            reserved = _replaced(reserved, _tried(trial, candidates[index], now))
    return reserved, slots


def without_future(gate: Gate, now: datetime) -> Gate:
    """Return the gate with starts of the future as starts of now, and suspensions of the future beginning now.

    The clock was set back: without this, it would have to catch up before anything may start.
    """
    return replace(
        gate,
        starts=tuple(min(start, now) for start in gate.starts),
        suspension=gate.suspension and _without_future(gate.suspension, now),
        workflows=tuple(_without_future(suspension, now) for suspension in gate.workflows),
    )


def _without_future(suspension: Suspension, now: datetime) -> Suspension:
    ahead = max(suspension.since - now, timedelta())
    until = min(suspension.until - ahead, now + MAX_TRIAL)  # no pause is longer
    tried_at = suspension.tried_at and min(suspension.tried_at, now)
    contested_at = suspension.contested_at and min(suspension.contested_at, now)
    since = suspension.since - ahead
    return replace(suspension, since=since, until=until, tried_at=tried_at, contested_at=contested_at)


def release(gate: Gate, slots: Sequence[Slot]) -> Gate:
    """Return the gate without starts and trials that did not happen: refused as invalid, or not needed after all."""
    starts = list(gate.starts)
    for slot in slots:
        if slot.at in starts:
            starts.remove(slot.at)
        for trial in slot.trials:
            gate = _replaced(gate, trial)
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
    return max(slots, 0)


def _startable(gate: Gate, candidates: Sequence[Candidate], now: datetime) -> list[int]:
    """Return the indexes of the candidates that may start; a suspension admits one of those it concerns, as a trial."""
    account = gate.suspension
    if account and account.resume_on is not ResumeOn.TRIAL and _in_force(account, now):
        return []
    common = [account] if account and account.resume_on is ResumeOn.TRIAL else []
    chosen: list[int] = []
    tried: list[Suspension] = []
    for index in sorted(range(len(candidates)), key=lambda n: _trial_order(gate, candidates[n])):
        own = suspension_of(gate, candidates[index].workflow)
        concerned = [*common, own] if own else common
        if all(one not in tried and _may_try(one, candidates[index], now) for one in concerned):
            chosen.append(index)
            tried += concerned
    return sorted(chosen)


def _trial_order(gate: Gate, candidate: Candidate) -> tuple[bool, datetime]:
    """Return what sorts candidates for a trial.

    Jobs that were refused for the same reason come last. Before them come those whose callers had jobs refused: a
    caller with one bad job probably has another, and a failed trial keeps all jobs waiting.
    """
    suspensions = [one for one in (gate.suspension, *gate.workflows) if one]
    again = any(
        candidate.refused_for == one.reason for one in suspensions if one.workflow in (None, candidate.workflow)
    )
    refused = [one.since for one in suspensions if one.refused_caller == candidate.caller]
    return again, max([candidate.caller_refused_at or NEVER, *refused])


def _may_try(suspension: Suspension, candidate: Candidate, now: datetime) -> bool:
    """Whether a candidate may be the trial of a suspension now."""
    fresh = candidate.refused_for != suspension.reason
    if now < suspension.until:
        return fresh and _is_contestable(suspension, now) and _is_from_elsewhere(suspension, candidate)
    return fresh or now >= suspension.until + OTHERS_FIRST


def _tried(suspension: Suspension, candidate: Candidate, now: datetime) -> Suspension:
    """Return the suspension after a trial began: until its outcome is known, it is as if the trial had failed."""
    if now < suspension.until:
        return replace(suspension, until=now + FIRST_TRIAL, contested_at=now, tried_at=now)
    contested_at = now if _is_from_elsewhere(suspension, candidate) else suspension.contested_at
    return replace(_extended(suspension, now), contested_at=contested_at, tried_at=now)


def _is_contestable(suspension: Suspension, now: datetime) -> bool:
    """Whether a job from elsewhere may be tried now, before the trials of any job."""
    return suspension.refused_workflow is not None and now >= _contest_at(suspension)


def _contest_at(suspension: Suspension) -> datetime:
    """Return when a job from elsewhere may be tried: the first one at once, the next ones at growing intervals."""
    if suspension.contested_at is None:
        return suspension.since
    return suspension.contested_at + max(suspension.contested_at - suspension.since, FIRST_CONTEST)


def trial_times(suspension: Suspension) -> list[datetime]:
    """Return when the next trial may be made: with a job from elsewhere, and with any job."""
    if suspension.resume_on is not ResumeOn.TRIAL:
        return []
    return [_contest_at(suspension), suspension.until] if suspension.refused_workflow else [suspension.until]


def _is_from_elsewhere(suspension: Suspension, candidate: Candidate) -> bool:
    return (candidate.workflow, candidate.caller) != (suspension.refused_workflow, suspension.refused_caller)


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
    if current is None or not _in_force(current, suspension.since):
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
            narrowed = replace(trial, workflow=trial.refused_workflow, since=now, until=now + FIRST_TRIAL, tries=1)
            gate = suspend(gate, replace(narrowed, contested_at=None, tried_at=None))
    return gate


def probe_failed(gate: Gate, now: datetime) -> Gate:
    """Return the gate after a failed health call: the pause before the next one doubles."""
    return replace(gate, suspension=_extended(gate.suspension, now)) if gate.suspension else gate


def _in_force(suspension: Suspension, now: datetime) -> bool:
    return suspension.resume_on is ResumeOn.HEALTH or now < suspension.until


def _extended(suspension: Suspension, now: datetime) -> Suspension:
    """Return the suspension after one more unsuccessful trial or probe: the pause doubles up to its maximum."""
    trial = suspension.resume_on is ResumeOn.TRIAL
    first, last = (FIRST_TRIAL, MAX_TRIAL) if trial else (FIRST_PROBE, MAX_PROBE)
    return replace(suspension, until=now + pause(suspension.tries, first, last), tries=suspension.tries + 1)


def pause(tries: int, first: timedelta = FIRST_TRIAL, last: timedelta = MAX_TRIAL) -> timedelta:
    """Return the pause after so many unsuccessful tries beyond the first: twice as long each time, at most `last`."""
    return min(first * (1 << min(tries, 10)), last)


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
    return next((suspension for suspension in found if suspension and _in_force(suspension, now)), None)


def hold(gate: Gate, now: datetime, candidate: Candidate) -> Suspension | None:
    """Return the suspension of its workflow that holds a job, if one does; it is held until `held_until`.

    While a trial is under way it is not: if it succeeds the others start at once.
    """
    suspension = suspension_of(gate, candidate.workflow)
    if suspension is None or now >= held_until(suspension, candidate):
        return None
    return None if suspension.tried_at and now < suspension.tried_at + TRIAL_TAKES else suspension


def held_until(suspension: Suspension, candidate: Candidate) -> datetime:
    """Return when the job may be tried."""
    if suspension.refused_workflow is None or not _is_from_elsewhere(suspension, candidate):
        return suspension.until
    return (
        suspension.until
        if candidate.refused_for is suspension.reason
        else min(_contest_at(suspension), suspension.until)
    )


def wait_reason(gate: Gate, limits: Limits, now: datetime, workflow: str | None = None) -> ErrorCode | None:
    """Return what keeps a job of `workflow` from starting now, or None."""
    if suspension := blocked_by(gate, now, workflow):
        return suspension.reason
    return ErrorCode.RATE_LIMITED if not free_slots(gate, limits, now) else None


def estimate_start(gate: Gate, limits: Limits, ahead: int, now: datetime, workflow: str | None = None) -> datetime:
    """Return when a job of `workflow` that has `ahead` jobs before it can start, if nothing changes."""
    suspensions = filter(None, (gate.suspension, suspension_of(gate, workflow)))
    at = max([now, *(suspension.until for suspension in suspensions)])
    if limits.per_day and (days := (gate.today(now) + ahead) // limits.per_day):
        midnight = datetime.combine(date.fromisoformat(max(gate.day, utc_day(now))), time(), UTC)
        at = max(at, midnight + timedelta(days=days))
    if limits.per_minute:
        occupied = [start + WINDOW for start in sorted(_recent_starts(gate, now)) if start + WINDOW > at]
        free_at = [at] * (limits.per_minute - len(occupied)) + occupied
        rounds, place = divmod(ahead, limits.per_minute)
        at = max(at, free_at[place]) + rounds * WINDOW
    return at


def _recent_starts(gate: Gate, now: datetime) -> list[datetime]:
    return [min(start, now) for start in gate.starts if start > now - WINDOW]

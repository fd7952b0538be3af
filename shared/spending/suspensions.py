"""One suspension: which job may be its trial, when the next trial or health call is due, and when it ends. Pure."""

from dataclasses import replace
from datetime import datetime, timedelta

from shared.spending.gate_state import Candidate, ResumeOn, Suspension

# The first and the longest pause before a trial, and before a health call; each pause is twice as long as the last.
FIRST_TRIAL, MAX_TRIAL = timedelta(minutes=5), timedelta(minutes=60)
FIRST_PROBE, MAX_PROBE = timedelta(seconds=5), timedelta(seconds=300)
FIRST_CONTEST = timedelta(seconds=5)  # between the first two trials with jobs from elsewhere; then twice as long each
# A job that was refused before is tried again only if no other job comes up this long after a trial is due.
OTHERS_FIRST = timedelta(seconds=5)


def may_try(suspension: Suspension, candidate: Candidate, now: datetime) -> bool:
    """Return whether a candidate may be the trial of a suspension now."""
    fresh = candidate.refused_for != suspension.reason
    if now < suspension.until:
        return fresh and is_contestable(suspension, now) and _is_from_elsewhere(suspension, candidate)
    return fresh or now >= suspension.until + OTHERS_FIRST


def tried(suspension: Suspension, candidate: Candidate, now: datetime) -> Suspension:
    """Return the suspension after a trial began: until its outcome is known, it is as if the trial had failed."""
    if now < suspension.until:
        return replace(suspension, until=now + FIRST_TRIAL, contested_at=now, tried_at=now)
    contested_at = now if _is_from_elsewhere(suspension, candidate) else suspension.contested_at
    return replace(extended(suspension, now), contested_at=contested_at, tried_at=now)


def is_contestable(suspension: Suspension, now: datetime) -> bool:
    """Return whether a job from elsewhere may be tried now, before the trials of any job."""
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


def is_in_force(suspension: Suspension, now: datetime) -> bool:
    """Return whether no job may start, not even as a trial."""
    return suspension.resume_on in (ResumeOn.HEALTH, ResumeOn.OPERATOR) or now < suspension.until


def has_ended(suspension: Suspension, now: datetime) -> bool:
    """Return whether the time has come that Wireflow had named."""
    return suspension.resume_on is ResumeOn.TIME and now >= suspension.until


def extended(suspension: Suspension, now: datetime) -> Suspension:
    """Return the suspension after one more unsuccessful trial or probe: the pause doubles up to its maximum."""
    trial = suspension.resume_on is ResumeOn.TRIAL
    first, last = (FIRST_TRIAL, MAX_TRIAL) if trial else (FIRST_PROBE, MAX_PROBE)
    return replace(suspension, until=now + pause(suspension.tries, first, last), tries=suspension.tries + 1)


def pause(tries: int, first: timedelta = FIRST_TRIAL, last: timedelta = MAX_TRIAL) -> timedelta:
    """Return the pause after `tries` unsuccessful tries beyond the first: twice as long each time, at most `last`."""
    return min(first * (1 << min(tries, 10)), last)


def held_until(suspension: Suspension, candidate: Candidate) -> datetime:
    """Return when the job may be tried."""
    if suspension.refused_workflow is None or not _is_from_elsewhere(suspension, candidate):
        return suspension.until
    return (
        suspension.until
        if candidate.refused_for is suspension.reason
        else min(_contest_at(suspension), suspension.until)
    )


def expected_end(suspension: Suspension, now: datetime) -> datetime:
    """Return when a suspension ends at the earliest; the operator has not said when."""
    return now + MAX_TRIAL if suspension.resume_on is ResumeOn.OPERATOR else suspension.until


def without_future(suspension: Suspension, now: datetime) -> Suspension:
    """Return the suspension, if it is of the future, beginning now."""
    ahead = max(suspension.since - now, timedelta())
    until = min(suspension.until - ahead, now + MAX_TRIAL)  # no pause is longer
    tried_at = suspension.tried_at and min(suspension.tried_at, now)
    contested_at = suspension.contested_at and min(suspension.contested_at, now)
    since = suspension.since - ahead
    return replace(suspension, since=since, until=until, tried_at=tried_at, contested_at=contested_at)

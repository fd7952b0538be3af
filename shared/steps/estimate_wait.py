"""Estimate why a queued job waits, and until when."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.callers import share_of
from shared.error_codes import ErrorCode
from shared.job_states import Status
from shared.listed_job import ListedJob
from shared.runtime.dependencies import Deps
from shared.runtime.places import Places
from shared.spending import gate
from shared.spending.budget import Shortage


@dataclass(frozen=True, slots=True)
class Wait:
    """`reason`: None if the job starts at the poller's next call; `until`: None if that is unknown.

    `position`: in the queue, 1 for the job that starts next; None for a job that is held or still to be prepared.
    """

    reason: ErrorCode | None
    until: datetime | None
    position: int | None = None


async def estimate_wait(job: ListedJob, deps: Deps, places: Places | None = None) -> Wait | None:
    """Return the wait of a job for its start, or None if it has started, is about to be prepared, or is being sent.

    It is an estimate from what the instance knows: counting the jobs before this one would take too long. `places`: if
    the job has one that the queue does not know.
    """
    if job.status is Status.TRIGGERING and job.outcome_unknown:
        return await _wait_for_retry(job, deps)
    if job.status is not Status.QUEUED:
        return None
    if job.queue_at is None:
        return Wait(job.wait_reason, job.due_at) if job.wait_reason else None
    places = places or await deps.queue.refreshed(job.caller)
    own_ahead = places.own_ahead(job.place or job.queue_at, job.caller)
    short = deps.admission.shortage(job, own_ahead)
    if short and short.until is None:  # its price is above the limit
        return Wait(ErrorCode.SPEND_LIMIT, None)
    return _hold(job, short, deps) if job.held else _wait_in_queue(job, job.queue_at, own_ahead, places, deps)


async def _wait_for_retry(job: ListedJob, deps: Deps) -> Wait | None:
    """Return what keeps a paid call with an unknown outcome from being retried, or None if the gate does not."""
    await deps.queue.refreshed(job.caller)
    now, limits, state = deps.clock.now(), deps.config.limits, deps.admission.known
    charge, short = deps.admission.charge(job), deps.admission.shortage(job, 0)
    reason = gate.wait_reason(state, limits, now, job.workflow, charge) if state else None
    if state is None or reason is None:
        return None
    if reason is ErrorCode.PAUSED or (short and short.until is None):
        return Wait(reason, None)
    return Wait(reason, gate.estimate_start(state, limits, 0, now, job.workflow, charge))


def _hold(job: ListedJob, short: Shortage | None, deps: Deps) -> Wait:
    if short and job.wait_reason is ErrorCode.SPEND_LIMIT:
        return Wait(job.wait_reason, short.until)
    now = deps.clock.now()
    return Wait(job.wait_reason, job.due_at if job.due_at and job.due_at > now else _next_poller_call(now, deps))


def _wait_in_queue(job: ListedJob, place: datetime, own_ahead: int, places: Places, deps: Deps) -> Wait:
    now, limits, state = deps.clock.now(), deps.config.limits, deps.admission.known
    if state is None:  # the store does not respond: a rough estimate is better than an error
        return Wait(job.wait_reason or ErrorCode.RATE_LIMITED, _next_poller_call(now, deps))
    ahead, charge = places.ahead(place, share_of(job.caller), deps.admission.startable), deps.admission.charge(job)
    numbers = (places.least_ahead(place, deps.admission.startable), ahead)
    reason = gate.wait_reason(state, limits, now, job.workflow, charge, numbers[0], own_ahead) or job.wait_reason
    if reason is ErrorCode.PAUSED:
        return Wait(reason, None)
    if reason is ErrorCode.RATE_LIMITED and ahead == 0 and gate.free_slots(state, limits, now):
        reason = None
    starts = [gate.estimate_start(state, limits, n, now, job.workflow, charge, own_ahead) for n in {*numbers}]
    at = max(min(starts) + (max(starts) - min(starts)) / 2, place)
    return Wait(reason, at if at > now else _next_poller_call(now, deps), ahead + 1)


def estimate_start(job: ListedJob, place: datetime, places: Places, deps: Deps) -> datetime:
    """Return when a new job with a place in the queue can start; now if the gate is not known."""
    now, state = deps.clock.now(), deps.admission.known
    if state is None:
        return now
    ahead = places.ahead(place, share_of(job.caller), deps.admission.startable)
    charge, own_ahead = deps.admission.charge(job), places.own_ahead(place, job.caller)
    return gate.estimate_start(state, deps.config.limits, ahead, now, job.workflow, charge, own_ahead)


def _next_poller_call(now: datetime, deps: Deps) -> datetime:
    """The scheduler calls the poller once a minute, and a wake-up at most an interval after a job is queued."""
    scheduled = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    interval = timedelta(seconds=deps.wake_up.interval)
    return min(scheduled, now + interval) if interval else scheduled

"""The place of a job in the queue, and whether there is one."""

from datetime import datetime, timedelta

from shared.callers import FORM_PREFIX, is_visitor, share_of
from shared.error_codes import ErrorCode
from shared.job import Job
from shared.runtime.dependencies import Deps
from shared.runtime.places import Places
from shared.spending import gate
from shared.spending.budget import Charge, Shortage
from shared.spending.suspensions import MAX_TRIAL

MIN_RETRY, MAX_RETRY = timedelta(seconds=5), timedelta(hours=1)


class QueueFull(Exception):
    """MAX_QUEUED_JOBS wait, or as many of the caller as it may have. `retry_seconds`: until the next job starts."""

    def __init__(self, retry_seconds: int) -> None:
        super().__init__("the queue is full")
        self.retry_seconds = retry_seconds


def sharers(caller: str | None, deps: Deps) -> list[str | None]:
    """Return the callers that share their places with `caller`, itself first: the visitors of all forms are one."""
    if not is_visitor(caller):
        return [caller]
    forms = [FORM_PREFIX + origin for origin in deps.config.auth.origins]
    return [caller, *(form for form in forms if form != caller)]


async def next_place(caller: str | None, deps: Deps) -> datetime:
    """Return the place of the next job of a caller."""
    async with deps.queue.recent(sharers(caller, deps)) as places:
        (place,) = places.next(share_of(caller), deps.clock.now())
    return place


async def place_of_prepared(job: Job, deps: Deps) -> datetime:
    """Return the place that the job was given when it was accepted, or the next one if the queue is beyond that."""
    head = (await deps.queue.refreshed()).head
    return job.place if job.place and head and job.place >= head else await next_place(job.caller, deps)


def placed_or_held(job: Job, places: Places, deps: Deps) -> Job:
    """Return a new job with a place in the queue, or out of it if its caller is at a limit: it must not hold up others.

    Raise QueueFull if it may not wait.
    """
    now, short = deps.clock.now(), deps.admission.shortage(job) if job.prepared else None
    if short is None or not short.alone:
        return job.placed(*accepted_places(1, job.caller, places, deps))
    check_room(places, 1, job.caller, deps)
    return held_by_limit(job.placed(places.hold(job.caller, now)), short, now)


def held_by_limit(job: Job, short: Shortage, now: datetime) -> Job:
    """Return the job out of the queue until a limit that concerns it or its caller alone resets.

    It is held for at most an hour at a time: limits may be raised. The jobs of a caller come back in the order of their
    places, which are microseconds apart.
    """
    longest = now + MAX_TRIAL
    order = timedelta(microseconds=job.place.microsecond if job.place else 0)
    return job.held_until(min(short.until or longest, longest) + order, ErrorCode.SPEND_LIMIT)


def accepted_places(count: int, caller: str | None, places: Places, deps: Deps) -> list[datetime]:
    """Return the places of `count` new jobs of a caller. Raise QueueFull if they may not wait."""
    check_room(places, count, caller, deps)
    return places.accept(caller, deps.clock.now(), count)


def has_room(places: Places, count: int, caller: str | None, deps: Deps) -> bool:
    """Return whether `count` more jobs of a caller may wait, as far as this instance knows."""
    limit = deps.config.max_queued_jobs
    return _has_own_room(places, count, caller, deps) and (not limit or places.waiting + count <= limit)


def _has_own_room(places: Places, count: int, caller: str | None, deps: Deps) -> bool:
    own = deps.config.limits.spending.callers.get(caller or "")
    return not (own and own.max_queued) or places.waiting_of(caller) + count <= own.max_queued


def check_room(places: Places, count: int, caller: str | None, deps: Deps) -> None:
    """Raise QueueFull if `count` more jobs of a caller may not wait: until one of its own starts, or any job."""
    if has_room(places, count, caller, deps):
        return
    now, state, limits = deps.clock.now(), deps.admission.known, deps.config.limits
    waits_for = None if _has_own_room(places, count, caller, deps) else caller
    charge = Charge(caller=waits_for, micros=limits.spending.lowest)
    until = gate.estimate_start(state, limits, 0, now, charge=charge) - now if state else MIN_RETRY
    raise QueueFull(int(min(max(until, MIN_RETRY), MAX_RETRY).total_seconds()))

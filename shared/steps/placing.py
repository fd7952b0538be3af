"""The place of a job in the queue."""

from datetime import datetime

from shared.callers import FORM_PREFIX, is_visitor
from shared.job import Job
from shared.runtime.dependencies import Deps


async def next_places(caller: str | None, deps: Deps, count: int = 1) -> list[datetime]:
    """Return places for the next `count` jobs of a caller."""
    forms = [FORM_PREFIX + origin for origin in deps.config.auth.origins]
    callers = [caller, *(form for form in forms if form != caller)] if is_visitor(caller) else [caller]
    return await deps.places.next(callers, deps.store, deps.clock.now(), count)


async def place_of_prepared(job: Job, deps: Deps) -> datetime:
    """Return the place that the job was given when it was accepted, or the next one if the queue is beyond that."""
    head = await deps.places.head(deps.store, deps.clock.now())
    if job.place and head and job.place >= head:
        return job.place
    (place,) = await next_places(job.caller, deps)
    return place

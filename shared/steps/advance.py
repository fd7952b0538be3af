"""For each state of a job the step that does its work."""

from datetime import datetime

from shared.job import Status
from shared.runtime.dependencies import Deps
from shared.runtime.lease import Lease
from shared.runtime.request_limiter import Throttled
from shared.steps.copy import copy
from shared.steps.dispatch import give_up_waiting, resolve
from shared.steps.follow import follow, needs_recheck, recheck
from shared.steps.input_images import forget
from shared.steps.prepare import prepare


async def advance(lease: Lease, deps: Deps) -> datetime | None:
    """Do what the job needs now; returns when it needs more, or None when nobody has to hold it any longer."""
    try:
        return await _step(lease, deps)
    except Throttled as missed:
        return missed.at


async def _step(lease: Lease, deps: Deps) -> datetime | None:
    match lease.job.status:
        case Status.QUEUED if not lease.job.prepared:
            return await prepare(lease, deps)
        case Status.QUEUED:
            await give_up_waiting(lease, deps)
            return None
        case Status.TRIGGERING:
            return await resolve(lease, deps)
        case Status.RUNNING:
            return await follow(lease, deps)
        case Status.COPYING:
            return await copy(lease, deps)
        case Status.FAILED if needs_recheck(lease.job):
            return await recheck(lease, deps)
        case Status.SUCCEEDED | Status.CANCELED | Status.FAILED:
            return await forget(lease, deps)

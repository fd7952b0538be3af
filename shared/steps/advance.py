"""Advance a job: for each state, the step that does its work."""

from datetime import datetime

from shared.job_states import Status
from shared.runtime.dependencies import Deps
from shared.runtime.lease import Lease
from shared.runtime.request_limiter import Throttled
from shared.runtime.slots import WindowOver
from shared.steps.copy import copy
from shared.steps.dispatch import leave_hold
from shared.steps.follow import follow
from shared.steps.prepare import prepare
from shared.steps.recheck import recheck
from shared.steps.resolve import resolve
from shared.steps.wrap_up import wrap_up


async def advance(lease: Lease, deps: Deps) -> datetime | None:
    """Do what the job needs now. Return when it needs more, or None when it need not be held any longer."""
    try:
        at = await _advance(lease, deps)
        # A job that is held after its last step has receivers to tell.
        return at if at or lease.released else deps.clock.now()
    except Throttled as throttled:
        return throttled.at
    except WindowOver:
        return deps.clock.now()


async def _advance(lease: Lease, deps: Deps) -> datetime | None:
    match lease.job.status:
        case Status.QUEUED if not lease.job.prepared:
            return await prepare(lease, deps)
        case Status.QUEUED:
            return await leave_hold(lease, deps)
        case Status.TRIGGERING:
            return await resolve(lease, deps)
        case Status.RUNNING:
            return await follow(lease, deps)
        case Status.COPYING:
            return await copy(lease, deps)
        case Status.FAILED if lease.job.is_recheck_due(deps.clock.now()):
            return await recheck(lease, deps)
        case Status.SUCCEEDED | Status.CANCELED | Status.FAILED:
            await wrap_up(lease, deps)
            return None

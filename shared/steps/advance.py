"""Advance a job: for each state, the step that does its work."""

from datetime import datetime

from shared.job_states import Status
from shared.runtime.dependencies import Deps
from shared.runtime.lease import Lease
from shared.runtime.request_limiter import Throttled
from shared.runtime.slots import WindowOver
from shared.steps.chain import start_next
from shared.steps.copy import copy
from shared.steps.dispatch import leave_hold
from shared.steps.erase import erase_images
from shared.steps.follow import follow
from shared.steps.input_images import delete_input
from shared.steps.prepare import prepare
from shared.steps.recheck import recheck
from shared.steps.resolve import resolve


async def advance(lease: Lease, deps: Deps) -> datetime | None:
    """Do what the job needs now. Return when it needs more, or None when it need not be held any longer."""
    try:
        return await _advance(lease, deps)
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
        case Status.SUCCEEDED | Status.CANCELED | Status.FAILED:
            return await _finish_up(lease, deps)


async def _finish_up(lease: Lease, deps: Deps) -> datetime | None:
    """Do one of the things that are left to do for a final job."""
    job = lease.job
    if job.erased_at:
        return await erase_images(lease, deps)
    if then := job.next_to_start:
        return await start_next(lease, then, deps)
    if job.is_recheck_due(deps.clock.now()):
        return await recheck(lease, deps)
    return await delete_input(lease, deps)

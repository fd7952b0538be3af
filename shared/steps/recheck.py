"""Recheck a run that timed out: an hour later Wireflow is asked for a late result, whose images are copied."""

from datetime import datetime, timedelta

from shared.ports import RunResponse, RunState
from shared.runtime.dependencies import Deps
from shared.runtime.lease import Lease
from shared.steps.follow import fetch_run, with_result
from shared.steps.results import result_images
from shared.steps.settle import settle
from shared.wireflow import errors

RETRY_AFTER, GIVE_UP_AFTER = timedelta(minutes=10), timedelta(hours=3)


async def recheck(lease: Lease, deps: Deps) -> datetime | None:
    """Ask for a late result. Return when to continue, or None if there is none."""
    now, job = deps.clock.now(), lease.job
    try:
        response = await _late_response(lease, deps)
    except errors.PollError:
        if now < (job.completed_at or now) + GIVE_UP_AFTER:
            await lease.release(job.recheck_postponed(now + RETRY_AFTER))
            return None
        response = None
    images = result_images(job, response) if response else ()
    if response is None or not images:
        await lease.release(job.rechecked())
        return None
    job = with_result(job, response, deps)
    failed = response.state in {RunState.FAILED, RunState.CANCELLED, RunState.TIMEOUT}
    error = job.error if failed else None
    before = lease.job
    await lease.save(job.rescued(images, now, error))
    await settle(before, lease.job, deps)
    return now


async def _late_response(lease: Lease, deps: Deps) -> RunResponse | None:
    """Return a response with images from either endpoint, or None."""
    for details in (False, True):
        try:
            response = await fetch_run(lease, deps, details=details)
        except errors.RunNotFound:
            continue
        if result_images(lease.job, response):
            return response
    return None

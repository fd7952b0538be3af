"""The operator's switch: pause and resume all starts, and let one job through a suspension."""

import asyncio
from contextlib import suppress

from shared.job import Job
from shared.job_states import Status
from shared.ports import JobQuery
from shared.runtime.dependencies import Deps
from shared.steps.wake_up import wake_up_meanwhile
from shared.store_errors import Conflict

PAGE, MAX_PAGES = 100, 1_000  # of queued jobs


class NotWaiting(Exception):
    """The job cannot be started: there is no such job, or it does not wait for the gate."""


async def pause(deps: Deps) -> None:
    """Let no job start until `resume`. It takes effect within two seconds; calls in progress are not stopped."""
    await deps.admission.pause()


async def resume(deps: Deps) -> None:
    """End every suspension, whatever its reason, and let held jobs back into the queue.

    If the cause is still there, the next refusal suspends again.
    """
    await wake_up_meanwhile(deps.admission.resume_all(), deps.clock.now(), deps)
    before = None
    for _ in range(MAX_PAGES):
        jobs = await deps.store.list_jobs(JobQuery(limit=PAGE, status=Status.QUEUED, before=before))
        await asyncio.gather(*(_release(job.id, deps) for job in jobs if job.held))
        if len(jobs) < PAGE:
            return
        before = (jobs[-1].created_at, jobs[-1].id)


async def _release(job_id: str, deps: Deps) -> None:
    with suppress(Conflict):  # a worker has it
        if (job := await deps.store.get(job_id)) and job.held:
            await deps.store.save(job.due(deps.clock.now()))


async def start_one(job_id: str, deps: Deps) -> Job:
    """Let the poller start a queued job next, through every suspension. Limits still apply to it.

    Raise NotWaiting, and Conflict if a worker has just taken the job.
    """
    job = await deps.store.get(job_id)
    if job is None:
        raise NotWaiting("There is no job with this ID.")
    if job.status is not Status.QUEUED or not job.prepared:
        state = job.status if job.prepared else "still being prepared"
        raise NotWaiting(f"The job is not waiting for its start: it is {state}.")
    now = deps.clock.now()
    return await wake_up_meanwhile(deps.store.save(job.chosen_for_trial(now)), now, deps)

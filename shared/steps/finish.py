"""Finish a job: every transition to a final state is saved here, so that its receivers are told."""

from shared.job import Job
from shared.runtime.dependencies import Deps
from shared.runtime.lease import Lease


async def finish(lease: Lease, job: Job, deps: Deps) -> Job:  # noqa: ARG001 - for the hooks
    """Save a leased job that has become final, and end the lease."""
    return await lease.release(job)


async def finish_unleased(job: Job, deps: Deps) -> Job:
    """Save a job that the trigger has made final, and let the poller do what is left to do. Raise StoreError."""
    job = await deps.store.save(job)
    if job.due_at:
        await deps.wake_up.at(job.due_at)
    return job

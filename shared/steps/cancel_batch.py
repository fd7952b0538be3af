"""Cancel a batch: queued jobs are canceled, started ones continue."""

import asyncio
from contextlib import suppress

from shared.batches import Batch, BatchStatus
from shared.job import Job
from shared.job_states import Status
from shared.runtime.dependencies import Deps
from shared.steps.cancel import cancel
from shared.store_errors import Conflict, StoreError, StoreUnavailable

AT_ONCE = 16  # jobs
MAX_TRIES = 5  # for a document that others change


async def cancel_batch(batch: Batch, deps: Deps) -> Batch:
    """Return the batch, canceled; one whose jobs are all final is unchanged. A repeat continues an interrupted one."""
    rows = await deps.batch_rows.refreshed(batch.id)
    if batch.status(rows) is BatchStatus.DONE:
        return batch
    canceled = await _mark(batch, deps)  # first, so that no request goes on storing rows
    await cancel_rows(canceled, deps)
    return canceled


async def cancel_rows(batch: Batch, deps: Deps) -> None:
    """Cancel the queued jobs of a batch."""
    limit = asyncio.Semaphore(AT_ONCE)

    async def cancel_one(job_id: str) -> None:
        async with limit:
            await _cancel(job_id, deps)

    rows = await deps.batch_rows.refreshed(batch.id)
    await asyncio.gather(*(cancel_one(row.id) for row in rows if row.status is Status.QUEUED))
    deps.batch_rows.forget(batch.id)


async def canceled_with_batch(job: Job, deps: Deps) -> Job:
    """Return a job that is about to wait again, canceled if its batch is: Wireflow has not accepted its run."""
    if job.status is not Status.QUEUED or job.batch_id is None:
        return job
    with suppress(StoreError):
        batch = await deps.store.get_batch(job.batch_id)
        if batch and batch.canceled_at:
            return job.canceled(deps.clock.now())
    return job


async def _mark(batch: Batch, deps: Deps) -> Batch:
    for _ in range(MAX_TRIES):
        if batch.canceled_at:
            return batch
        try:
            return await deps.store.save_batch(batch.canceled(deps.clock.now()))
        except Conflict:
            batch = await deps.store.get_batch(batch.id) or batch
    raise StoreUnavailable("the batch is being changed by other requests at the same time")


async def _cancel(job_id: str, deps: Deps) -> None:
    for _ in range(MAX_TRIES):  # after a conflict the job may still be queued
        job = await deps.store.get(job_id)
        if job is None or job.status is not Status.QUEUED:
            return
        try:
            await cancel(job, deps)
        except Conflict:
            continue

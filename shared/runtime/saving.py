"""Saving a job to which requests may add receivers, or jobs that continue it, at the same time."""

from shared.callbacks import MAX_CALLBACKS
from shared.job import Job
from shared.ports import JobStore
from shared.store_errors import Conflict, RecordTooLarge


async def save_over(base: Job, job: Job, store: JobStore) -> Job:
    """Save `job`, which was computed from the stored record `base`. What requests have added since then is kept.

    Raise Conflict if anything else was changed, RecordTooLarge, or StoreUnavailable.
    """
    for _ in range(MAX_CALLBACKS):  # each request adds at least one
        try:
            return await save(job, store)
        except Conflict:
            stored = await store.get(job.id)
            merged = stored and job.with_additions_of(stored, base)
            if stored is None or merged is None:
                raise
        base, job = stored, merged
    return await save(job, store)


async def save(job: Job, store: JobStore) -> Job:
    """Save the job; if its record is too large, without merely informative fields. Raise as `JobStore.save` does."""
    try:
        return await store.save(job)
    except RecordTooLarge:
        return await store.save(job.trimmed())

"""How far a batch is: how many of its jobs are in which state, what they cost, and when the last one ends."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import fmean

from shared.batches import Batch, BatchRow, BatchStatus
from shared.job_states import FINAL, Status
from shared.runtime.dependencies import Deps
from shared.spending.money import Cost, total_cost
from shared.steps.estimate_wait import estimate_wait

RUN_SECONDS = 20.0  # of a run and its copy, while it is not known how long they take
COUNTED_AS = {Status.TRIGGERING: Status.RUNNING, Status.COPYING: Status.RUNNING}


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchProgress:
    """`counts`: the jobs by status, where `running` includes what is being started or copied, and `total`.

    `cost`: as far as it is known; `estimated_end`: None if all jobs are final, or if it is not known.
    """

    status: BatchStatus
    counts: Mapping[str, int]
    cost: Cost | None
    estimated_end: datetime | None


async def batch_progress(batch: Batch, deps: Deps) -> BatchProgress:
    """Return how far a batch was at most ten seconds ago."""
    rows = await deps.batch_rows.of(batch.id)
    counted = Counter(COUNTED_AS.get(row.status, row.status) for row in rows)
    shown = (Status.QUEUED, Status.RUNNING, Status.SUCCEEDED, Status.FAILED, Status.CANCELED)
    known = [row.cost for row in rows if row.cost]
    return BatchProgress(
        status=batch.status(rows),
        counts={"total": batch.total, **{str(status): counted[status] for status in shown}},
        cost=total_cost(known) if known else None,
        estimated_end=await _estimate_end([row for row in rows if row.status not in FINAL], deps),
    )


async def run_seconds(workflow: str, deps: Deps) -> timedelta:
    """Return how long a run of a workflow takes on average, as far as that is known."""
    took = await deps.run_times.of(workflow)
    return timedelta(seconds=fmean(took) if took else RUN_SECONDS)


async def _estimate_end(rows: Sequence[BatchRow], deps: Deps) -> datetime | None:
    """When the last job in the queue ends. Jobs that are held return to it, and are not the last on average."""
    if not rows:
        return None
    in_queue = [row for row in rows if row.queue_at and row.queue_at != row.give_up_at]
    last = max(in_queue or rows, key=lambda row: row.queue_at or row.give_up_at)
    start = deps.clock.now()
    if (
        last.status is Status.QUEUED
        and (job := await deps.store.get(last.id))
        and (wait := await estimate_wait(job, deps))
    ):
        if wait.until is None:
            return None
        start = wait.until
    return start + await run_seconds(last.workflow, deps)

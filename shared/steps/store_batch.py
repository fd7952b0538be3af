"""Store the rows of a batch as jobs, a hundred in a commit.

The batch is recorded first, and a row's job id follows from the batch's key and the row's number. So an
interrupted upload is continued by sending it again, and no row becomes two jobs.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared import idempotency
from shared.batches import Batch
from shared.job import Job
from shared.log import Event
from shared.runtime.dependencies import Deps
from shared.runtime.places import Places
from shared.spending.money import total_cost
from shared.steps.accept import KeyReused
from shared.steps.accept_batch import create_all
from shared.steps.cancel_batch import cancel_rows
from shared.steps.chain import link
from shared.steps.estimate_wait import estimate_start
from shared.steps.input_images import InputRefused, find_inputs, store_inputs
from shared.steps.new_job import job_id_for, new_job
from shared.steps.placing import check_room, sharers
from shared.steps.prepare import prepare_at_once
from shared.steps.receivers import add_all_receivers
from shared.steps.wake_up import wake_up_meanwhile
from shared.store_errors import AlreadyExists, Conflict, StoreUnavailable
from shared.submission import BatchSubmission, Submission

CHUNK = 100  # rows in one commit
MAX_TRIES = 5  # while others store the same batch
MAX_DELAY = timedelta(days=180)  # of the deadlines of rows that start later
LEFT_OUT = "The row was left out when the batch was stored. Send it in another upload, once its source is ready."

Refused = Mapping[int, InputRefused]  # by row


class RowLeftOut(InputRefused):
    """The row was refused when its upload was stored."""


class RowsRefused(Exception):
    """Rows name an image of an earlier job that cannot be their input; nothing was stored."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(f"{len(refused)} rows")
        self.refused = refused


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """A batch whose rows are jobs, except those that were refused. `replayed`: the batch existed before."""

    batch: Batch
    refused: Refused
    replayed: bool


@dataclass(frozen=True, slots=True)
class PlannedBatch:
    """What an upload leads to. `existing`: its batch, if it was sent before. `jobs`: those that are still to be stored.

    The jobs have places and deadlines as if they were stored now; the last one can start at `last_start`.
    """

    batch_id: str
    existing: Batch | None
    jobs: Sequence[Job] = ()
    refused: Refused = field(default_factory=dict)
    last_start: datetime | None = None


async def store_batch(submission: BatchSubmission, deps: Deps, *, partial: bool) -> StoredBatch:
    """Store the batch and a job for each row that is not stored yet. With `partial` refused rows are left out.

    Raise KeyReused, RowsRefused, TooManyReceivers, QueueFull if not all rows may wait, and StoreUnavailable; sending
    the upload again then continues it.
    """
    planned = await plan_batch(submission, deps)
    if planned.existing and not planned.existing.storing:
        await _add_receivers(submission, (), deps)
        return StoredBatch(planned.existing, await _left_out(submission, planned.existing, deps), replayed=True)
    check_refused(planned, partial=partial)
    if planned.jobs:
        async with deps.queue.recent(sharers(submission.caller, deps)) as places:
            check_room(places, len(planned.jobs), submission.caller, deps)
    batch = planned.existing or await deps.store.create_batch(_new_batch(planned, submission, deps))
    if batch.fingerprint != submission.fingerprint:  # another request has just created it
        raise KeyReused
    created = list[Job]()
    for start in range(0, len(planned.jobs), CHUNK):
        created += await _store(planned.jobs[start : start + CHUNK], deps)
        batch = await deps.store.get_batch(batch.id) or batch
        if batch.canceled_at:
            break
    completed = await _complete(batch, max([batch.expire_at, *(job.expire_at for job in created)]), deps)
    deps.batch_rows.forget(batch.id)
    await _add_receivers(submission, created, deps)
    return StoredBatch(completed, planned.refused, replayed=planned.existing is not None)


async def plan_batch(submission: BatchSubmission, deps: Deps) -> PlannedBatch:
    """Return what storing the upload would do. Raise KeyReused."""
    batch_id = idempotency.job_id(submission.key, submission.caller, await deps.store.id_secret())
    existing = await deps.store.get_batch(batch_id)
    if existing and existing.fingerprint != submission.fingerprint:
        raise KeyReused
    if existing and not existing.storing:
        return PlannedBatch(batch_id, existing)
    stored = {row.id for row in await deps.batch_rows.refreshed(batch_id)} if existing else set()
    jobs, refused = list[Job](), dict[int, InputRefused]()
    for number, row in enumerate(submission.rows):
        job_id = await job_id_for(row, deps)
        if job_id in stored:
            continue
        try:
            jobs.append(await _row_job(job_id, row, batch_id, number, deps))
        except InputRefused as refusal:
            refused[_number(row)] = refusal
        await deps.clock.sleep(0)  # other requests are handled meanwhile
    async with deps.queue.recent(sharers(submission.caller, deps)) as places:
        known = deepcopy(places)
    placed, last_start = await _placed(jobs, known, deps)
    return PlannedBatch(batch_id, existing, placed, refused, last_start)


def check_refused(planned: PlannedBatch, *, partial: bool) -> None:
    """Raise RowsRefused if rows cannot be accepted; with `partial` only if no other is left."""
    if planned.refused and not (partial and (planned.jobs or planned.existing)):
        raise RowsRefused(planned.refused)


async def _row_job(job_id: str, row: Submission, batch_id: str, number: int, deps: Deps) -> Job:
    """The job of a row. `number`: its position, which orders the jobs of a batch."""
    images = await store_inputs(job_id, await find_inputs(row, deps), deps)
    return new_job(job_id, row, images, deps, number).in_batch(batch_id, _number(row))


def _number(row: Submission) -> int:
    if row.key is None or row.key.index is None:
        raise ValueError("the key of a row has its number")
    return row.key.index


async def _placed(jobs: Sequence[Job], places: Places, deps: Deps) -> tuple[list[Job], datetime | None]:
    """The jobs in the queue, and when the last one can start.

    Their deadlines count from their estimated starts: the last rows of a large batch may start days later.
    """
    if not jobs:
        return [], None
    now = deps.clock.now()
    placed, start = [], now
    for job, place in zip(jobs, places.accept(jobs[0].caller, now, len(jobs)), strict=True):
        start = estimate_start(job, place, places, deps)
        placed.append(prepare_at_once(job.deferred(min(start - now, MAX_DELAY)), deps).placed(place))
        await deps.clock.sleep(0)
    return placed, start


def _new_batch(planned: PlannedBatch, submission: BatchSubmission, deps: Deps) -> Batch:
    return Batch(
        id=planned.batch_id,
        fingerprint=submission.fingerprint,
        total=len(planned.jobs),
        created_at=deps.clock.now(),
        expire_at=max(job.expire_at for job in planned.jobs),
        caller=submission.caller,
        private=submission.private,
        estimated_cost=total_cost([cost for job in planned.jobs for cost in job.estimates]),
    )


async def _store(jobs: Sequence[Job], deps: Deps) -> Sequence[Job]:
    """Store jobs in one commit; return those that were created. Another request may store some of them first."""
    for _ in range(MAX_TRIES):
        async with deps.queue.recent(sharers(jobs[0].caller, deps)) as places:
            given = places.accept(jobs[0].caller, deps.clock.now(), len(jobs))
            placed = [job.placed(place) for job, place in zip(jobs, given, strict=True)]
            try:
                created = await wake_up_meanwhile(create_all(placed, deps), deps.clock.now(), deps)
            except AlreadyExists:
                created = []
        await link(created, deps)
        for job in created:
            deps.log.info(Event.JOB_ACCEPTED, "A job was accepted.", status=job.status, **job.log_fields())
        if created or not (jobs := [job for job in jobs if await deps.store.get(job.id) is None]):
            return created
    raise StoreUnavailable("the batch is being stored by other requests at the same time")


async def _add_receivers(submission: BatchSubmission, created: Sequence[Job], deps: Deps) -> None:
    """Add the receivers of a repeated upload to the jobs that an earlier one has created."""
    new = {job.id for job in created}
    rows = [(await job_id_for(row, deps), row) for row in submission.rows]
    await add_all_receivers([(job_id, row) for job_id, row in rows if job_id not in new], deps)


async def _left_out(submission: BatchSubmission, batch: Batch, deps: Deps) -> Refused:
    """The rows of a repeated upload that were refused when it was stored: their sources may be ready by now."""
    if len(submission.rows) <= batch.total:
        return {}
    stored = {row.id for row in await deps.batch_rows.refreshed(batch.id)}
    return {_number(row): RowLeftOut(LEFT_OUT) for row in submission.rows if await job_id_for(row, deps) not in stored}


async def _complete(batch: Batch, expire_at: datetime, deps: Deps) -> Batch:
    """Record that every row is stored, unless another request has done so or has canceled the batch meanwhile."""
    for _ in range(MAX_TRIES):
        if batch.canceled_at:
            await cancel_rows(batch, deps)
        if not batch.storing:
            return batch
        try:
            return await deps.store.save_batch(batch.completed(expire_at))
        except Conflict:
            batch = await deps.store.get_batch(batch.id) or batch
    raise StoreUnavailable("the batch is being changed by other requests at the same time")

"""Accept a submission: a 2xx means that the job is in the store, and an equal request is never paid twice.

A slot is reserved first, then the job is created: a crash in between costs a slot, not a job.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from shared.job import Job
from shared.log import Event
from shared.runtime.dependencies import Deps
from shared.spending.gate_state import Slot
from shared.steps.dispatch import send, triggered
from shared.steps.input_images import find_input_image, store_input
from shared.steps.new_job import job_id_for, new_job
from shared.steps.placing import next_places
from shared.steps.prepare import prepare_at_once
from shared.steps.waiting import held_by_limit
from shared.store_errors import AlreadyExists, Conflict, StoreUnavailable
from shared.submission import Submission

Admit = Callable[[str], Awaitable[None]]  # called with the id of a new job; raises to reject it


@dataclass(frozen=True, slots=True)
class Accepted:
    """The job of a submission. `replayed`: it existed before."""

    job: Job
    replayed: bool = False


class KeyReused(Exception):
    """The idempotency key was used before, with another request."""


async def admit_all(_job_id: str) -> None:
    """Reject no job."""


async def accept(submission: Submission, deps: Deps, admit: Admit = admit_all) -> Accepted:
    """Store the job and, if the gate admits it at once, make the paid call.

    Raise KeyReused or InputRefused for a request that must be changed, StoreUnavailable if nothing could be stored.
    """
    job_id = await job_id_for(submission, deps)
    if submission.key and (existing := await deps.store.get(job_id)):
        return replay(existing, submission)
    input_image = await find_input_image(submission, deps)
    await admit(job_id)
    if submission.file is not None:
        input_image = await store_input(job_id, submission.file, deps)
    job = prepare_at_once(new_job(job_id, submission, input_image, deps), deps)
    slot = await _acquire_slot(job, deps)
    if slot is None:
        job = job.placed(*await next_places(job.caller, deps))
        job = await _held_if_short(job, deps)
    try:
        job = await _create(triggered(job, slot, deps) if slot else job, deps)
    except AlreadyExists as error:
        await _release(slot, deps)
        await _hand_over_input(job, error.job, deps)
        return replay(error.job, submission)
    except StoreUnavailable:
        await _release(slot, deps)
        raise
    deps.log.info(Event.JOB_ACCEPTED, "A job was accepted.", status=job.status, **job.log_fields())
    return Accepted(await send(job, slot, deps) if slot else job)


def replay(job: Job, submission: Submission) -> Accepted:
    """Return the existing job of the submission's key. Raise KeyReused if it was made by another request."""
    if job.fingerprint != submission.fingerprint:
        raise KeyReused
    return Accepted(job, replayed=True)


async def _acquire_slot(job: Job, deps: Deps) -> Slot | None:
    """Return a slot if the job can start at once."""
    if not job.prepared:
        return None
    return await deps.admission.try_acquire(job, lambda: deps.places.is_queue_empty(deps.store, deps.clock.now()))


async def _held_if_short(job: Job, deps: Deps) -> Job:
    """Return the job, out of the queue if its caller is at a limit: it must not hold up others."""
    if not (job.prepared and deps.config.limits.spending.configured):
        return job
    return held_by_limit(job, await deps.admission.shortage(job), deps.clock.now()) or job


async def _create(job: Job, deps: Deps) -> Job:
    """Create the job. If the store does not respond, check whether the job was created before giving up."""
    try:
        return await deps.store.create(job)
    except StoreUnavailable:
        existing = await deps.store.get(job.id)
    if existing is None:
        raise StoreUnavailable(f"job {job.id} could not be stored")
    if existing != job:
        raise AlreadyExists(existing)
    return existing


async def _hand_over_input(job: Job, existing: Job, deps: Deps) -> None:
    """Of two equal requests at once, one may have stored its file after the other's job has deleted it."""
    if job.stored_input and existing.finished and existing.stored_input is None:
        with suppress(Conflict, StoreUnavailable):
            await deps.store.save(existing.input_left_over(job.stored_input))


async def _release(slot: Slot | None, deps: Deps) -> None:
    if slot:
        await deps.admission.release([slot])

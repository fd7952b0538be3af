"""Accept a submission: a 2xx means that the job is in the store, and an equal request is never paid twice.

A slot is reserved first, then the job is created: a crash in between costs a slot, not a job.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from shared.job import Job
from shared.log import Event
from shared.runtime.dependencies import Deps
from shared.runtime.meanwhile import meanwhile
from shared.runtime.places import Places
from shared.spending.gate_state import Slot
from shared.steps.chain import link
from shared.steps.dispatch import Draft, send, triggered
from shared.steps.input_images import find_inputs, store_inputs
from shared.steps.new_job import job_id_for, new_job
from shared.steps.placing import check_room, has_room, placed_or_held, sharers
from shared.steps.prepare import prepare_at_once
from shared.steps.receivers import add_receivers, with_receivers
from shared.steps.wake_up import wake_up_meanwhile
from shared.store_errors import AlreadyExists, Conflict, StoreUnavailable
from shared.submission import Submission, SubmissionRefused

Admit = Callable[[str], Awaitable[None]]  # called with the id of a new job; raises to reject it


@dataclass(frozen=True, slots=True)
class Accepted:
    """The job of a submission. `replayed`: it existed before."""

    job: Job
    replayed: bool = False


class KeyReused(SubmissionRefused):
    """The idempotency key was used before, with another request."""


class JobErased(SubmissionRefused):
    """The idempotency key was used before, with the same request, and its job was erased."""


async def accept(
    submission: Submission, deps: Deps, admit: Admit | None = None, draft: Draft | None = None
) -> Accepted:
    """Store the job and, if the gate admits it at once, make the paid call.

    `draft`: prepares the response meanwhile; the accepted job may be another one after all.

    Raise SubmissionRefused for a request that must be changed, QueueFull for one that may be sent later,
    StoreUnavailable if nothing could be stored.
    """
    accepted = await _accept(submission, deps, admit, draft)
    await link([accepted.job], deps)
    return accepted


async def _accept(submission: Submission, deps: Deps, admit: Admit | None, draft: Draft | None) -> Accepted:
    job_id = await job_id_for(submission, deps)
    async with deps.queue.recent(sharers(submission.caller, deps)) as places:
        looked_up = _is_looked_up_first(submission, admit, places, deps)
        if looked_up and (existing := await deps.store.get(job_id)):
            return await _replay(existing, submission, deps)
        if places.head is not None or submission.files:  # it will wait
            check_room(places, 1, submission.caller, deps)
        found = await find_inputs(submission, deps)
        if admit:
            await admit(job_id)
        images = await store_inputs(job_id, found, deps)
        job = prepare_at_once(new_job(job_id, submission, images, deps), deps)
        slot = None
        try:
            if job.prepared and places.head is None:
                slot = await _slot(job, submission, deps, looked_up=looked_up)
            job = triggered(job, slot, deps) if slot else placed_or_held(job, places, deps)
            job = await (_create(job, deps) if slot else _create_waiting(job, places, deps, draft))
        except AlreadyExists as error:
            await _release(slot, deps)
            await _hand_over_input(job, error.job, deps)
            return await _replay(error.job, submission, deps)
        except StoreUnavailable:
            await _release(slot, deps)
            raise
        deps.log.info(Event.JOB_ACCEPTED, "A job was accepted.", status=job.status, **job.log_fields())
        return Accepted(await send(job, slot, deps, draft) if slot else job)


def _is_looked_up_first(submission: Submission, admit: Admit | None, places: Places, deps: Deps) -> bool:
    """Whether a repeated request must be recognized before anything else is done for it.

    Otherwise the store recognizes it when the job is created, which saves a read; `_slot` does before it reserves one.
    """
    if submission.key is None:
        return False
    costs = admit is not None or bool(submission.files) or submission.from_job is not None
    return costs or not has_room(places, 1, submission.caller, deps)


async def _slot(job: Job, submission: Submission, deps: Deps, *, looked_up: bool) -> Slot | None:
    """Return a slot if the gate admits the job at once. Raise AlreadyExists instead of reserving one for a repeat."""
    may_be_repeated = submission.key is not None and not looked_up
    if may_be_repeated and deps.admission.reserves(job) and (existing := await deps.store.get(job.id)):
        raise AlreadyExists(existing)
    return await deps.admission.try_acquire(job)


def replay(job: Job, submission: Submission) -> Accepted:
    """Return the existing job of the submission's key, without what the submission adds to it.

    Raise KeyReused if it was made by another request or was erased, TooManyReceivers.
    """
    if job.fingerprint != submission.fingerprint:
        raise KeyReused
    if job.erased_at:
        raise JobErased
    with_receivers(job, submission, job.created_at)  # raises
    return Accepted(job, replayed=True)


async def _replay(job: Job, submission: Submission, deps: Deps) -> Accepted:
    return Accepted(await add_receivers(replay(job, submission).job, submission, deps), replayed=True)


async def _create_waiting(job: Job, places: Places, deps: Deps, draft: Draft | None) -> Job:
    """Create a job that waits, and meanwhile let the poller be called, and draft the response if the queue is known.

    Otherwise the response is made afterwards: it needs what is being read, and a read must not miss the job.
    """
    drafting = partial(draft, job, places) if draft and deps.queue.is_fresh(job.caller) else None
    creating = wake_up_meanwhile(_create(job, deps), deps.clock.now(), deps)
    return await meanwhile(creating, drafting, deps.clock, deps.log)


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
    """Of two equal requests at once, one may have stored its files after the other's job has deleted them."""
    if job.stored_inputs and existing.finished and not existing.stored_inputs:
        with suppress(Conflict, StoreUnavailable):
            await deps.store.save(existing.inputs_left_over(job.input_images))


async def _release(slot: Slot | None, deps: Deps) -> None:
    if slot:
        await deps.admission.release([slot])

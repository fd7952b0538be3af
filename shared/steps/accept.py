"""Accepting a request: what is answered with a 2xx is in the store, and the same request is never paid twice.

First a slot is reserved, then the job created: a crash in between costs a slot, not a job.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress

from shared.job import Job
from shared.log import Event
from shared.ports import AlreadyExists, Conflict, StoreUnavailable
from shared.runtime.dependencies import Deps
from shared.spending.gate import Slot
from shared.steps.dispatch import send, triggering
from shared.steps.input_images import keep, source_of
from shared.steps.prepare import prepared
from shared.submission import Accepted, Submission, id_of, new_job, replay

Admit = Callable[[str], Awaitable[None]]  # by the id of a job that is new; raises what its caller is told


async def everybody(_job_id: str) -> None:
    """Nobody is turned away."""


async def accept(submission: Submission, deps: Deps, admit: Admit = everybody) -> Accepted:
    """Record the submission and, if the gate lets it through at once, make the paid call.

    KeyReused or InputRefused: the caller must change something.
    """
    job_id = await id_of(submission, deps)
    if submission.key and (there := await deps.store.get(job_id)):
        return replay(there, submission)
    source = await source_of(submission, deps)
    await admit(job_id)
    if submission.file is not None:
        source = await keep(job_id, submission.file, deps)
    return await _take_in(prepared(new_job(job_id, submission, source, deps), deps), submission, deps)


async def _take_in(job: Job, submission: Submission, deps: Deps) -> Accepted:
    slot = await _slot(deps) if job.prepared else None
    try:
        job = await _record(triggering(job, deps) if slot else job, deps)
    except AlreadyExists as error:
        await _return(slot, deps)
        await _hand_over(job, error.job, deps)
        return replay(error.job, submission)
    except StoreUnavailable:
        await _return(slot, deps)
        raise
    deps.log.info(Event.JOB_ACCEPTED, "A job was accepted.", status=job.status, **job.log_fields())
    return Accepted(await send(job, slot, deps) if slot else job)


async def _hand_over(job: Job, there: Job, deps: Deps) -> None:
    """The file of a request that came twice at once may have been stored after its job has removed it: once more."""
    if job.image1_kept and there.finished and there.image1_kept is None:
        with suppress(Conflict, StoreUnavailable):
            await deps.store.save(there.evolve(image1_kept=job.image1_kept))


async def _record(job: Job, deps: Deps) -> Job:
    """Create the job; if the store does not answer, look whether it is there all the same before giving up."""
    try:
        return await deps.store.create(job)
    except StoreUnavailable:
        there = await deps.store.get(job.id)
    if there is None:
        raise StoreUnavailable(f"job {job.id} could not be recorded")
    if there != job:
        raise AlreadyExists(there)
    return there


async def _slot(deps: Deps) -> Slot | None:
    """Only when nobody waits in line: who came first goes first."""
    return await deps.admission.try_once(lambda: deps.store.queue_head(deps.clock.now(), 1))


async def _return(slot: Slot | None, deps: Deps) -> None:
    if slot:
        await deps.admission.release([slot])

"""Accepting a request: what is answered with a 2xx is in the store, and the same request is never paid twice.

First a slot is reserved, then the job created: a crash in between costs a slot, not a job.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress

from shared.job import Job
from shared.log import Event
from shared.ports import AlreadyExists, Conflict, StoreUnavailable
from shared.spending.gate import Slot
from shared.steps.dispatch import send, triggering
from shared.steps.input_images import keep, source_of
from shared.steps.orders import Accepted, Order, id_of, new_job, replay
from shared.steps.prepare import prepared
from shared.steps.services import Services

Admit = Callable[[str], Awaitable[None]]  # by the id of a job that is new; raises what its caller is told


async def everybody(_job_id: str) -> None:
    """Nobody is turned away."""


async def accept(order: Order, services: Services, admit: Admit = everybody) -> Accepted:
    """Record the order and, if the gate lets it through at once, make the paid call.

    KeyReused or InputRefused: the caller must change something.
    """
    job_id = await id_of(order, services)
    if order.key and (there := await services.store.get(job_id)):
        return replay(there, order)
    source = await source_of(order, services)
    await admit(job_id)
    if order.file is not None:
        source = await keep(job_id, order.file, services)
    return await _take_in(prepared(new_job(job_id, order, source, services), services), order, services)


async def _take_in(job: Job, order: Order, services: Services) -> Accepted:
    slot = await _slot(services) if job.prepared else None
    try:
        job = await _record(triggering(job, services) if slot else job, services)
    except AlreadyExists as error:
        await _return(slot, services)
        await _hand_over(job, error.job, services)
        return replay(error.job, order)
    except StoreUnavailable:
        await _return(slot, services)
        raise
    services.log.info(Event.JOB_ACCEPTED, "A job was accepted.", status=job.status, **job.log_fields())
    return Accepted(await send(job, slot, services) if slot else job)


async def _hand_over(job: Job, there: Job, services: Services) -> None:
    """The file of a request that came twice at once may have been stored after its job has removed it: once more."""
    if job.image1_kept and there.finished and there.image1_kept is None:
        with suppress(Conflict, StoreUnavailable):
            await services.store.save(there.evolve(image1_kept=job.image1_kept))


async def _record(job: Job, services: Services) -> Job:
    """Create the job; if the store does not answer, look whether it is there all the same before giving up."""
    try:
        return await services.store.create(job)
    except StoreUnavailable:
        there = await services.store.get(job.id)
    if there is None:
        raise StoreUnavailable(f"job {job.id} could not be recorded")
    if there != job:
        raise AlreadyExists(there)
    return there


async def _slot(services: Services) -> Slot | None:
    """Only when nobody waits in line: who came first goes first."""
    return await services.admission.try_once(lambda: services.store.line(services.clock.now(), 1))


async def _return(slot: Slot | None, services: Services) -> None:
    if slot:
        await services.admission.give_back([slot])

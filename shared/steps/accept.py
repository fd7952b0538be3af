"""Accepting a request: what is answered with a 2xx is in the store, and the same request is never paid twice.

First a slot is reserved, then the job created: a crash in between costs a slot, not a job.
"""

import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.errorcodes import ErrorCode
from shared.job import Job, Status
from shared.log import Event
from shared.ports import AlreadyExists, Conflict, StoreUnavailable
from shared.spending import gate
from shared.spending.gate import Slot
from shared.steps.dispatch import send
from shared.steps.services import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A request that is known to be good. `input`: JSON, what goes to Wireflow beside the prompt."""

    prompt: str
    input: str
    fingerprint: str
    idempotency_key: str | None = None
    deadline_seconds: float | None = None
    allow_partial: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """The order's job. `replayed`: it was there before."""

    job: Job
    replayed: bool = False


class KeyReused(Exception):
    """The idempotency key came before with another request."""


async def accept(order: Order, services: Services) -> Accepted:
    """Record the order and, if the gate lets it through at once, make the paid call."""
    job_id = await _job_id(order, services)
    if order.idempotency_key and (there := await services.store.get(job_id)):
        return _replay(there, order)
    slot = await _slot(services)
    try:
        job = await _record(_new_job(job_id, order, slot, services), services)
    except AlreadyExists as error:
        await _return(slot, services)
        return _replay(error.job, order)
    except StoreUnavailable:
        await _return(slot, services)
        raise
    services.log.info(Event.JOB_ACCEPTED, "A job was accepted.", status=job.status, **job.log_fields())
    return Accepted(await send(job, slot, services) if slot else job)


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


def fingerprint(text: str) -> str:
    """Of a JSON text: the same for the same value, whatever its spelling (spaces, order of names, 1 and 1.0)."""
    canonical = json.dumps(json.loads(text, parse_float=_number), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _number(text: str) -> float:
    number = float(text)
    return int(number) if number.is_integer() else number


async def cancel(job: Job, services: Services) -> Job:
    """Take back a job that still waits; Conflict if it does not any more."""
    if job.status is not Status.QUEUED:
        raise Conflict(job.id)
    now = services.clock.now()
    changes = {"status": Status.CANCELED, "completed_at": now, "queue_at": None, "due_at": None, "wait_reason": None}
    canceled = await services.store.save(job.evolve(**changes))
    services.log.info(Event.JOB_CANCELED, "A job was cancelled by its caller.", **canceled.log_fields())
    return canceled


@dataclass(frozen=True, slots=True)
class Wait:
    """What keeps a job in line, and when it can go if nothing changes."""

    reason: ErrorCode
    until: datetime


async def waiting(job: Job, services: Services) -> Wait | None:
    """Why a queued job waits; None for any other."""
    if job.status is not Status.QUEUED or job.queue_at is None:
        return None
    now, limits = services.clock.now(), services.config.limits
    try:
        state, ahead = await services.admission.recent(), await services.store.ahead(job.queue_at)
    except StoreUnavailable:  # the job is recorded: an answer without a good estimate is better than none
        return Wait(job.wait_reason or ErrorCode.RATE_LIMITED, _next_minute(now))
    reason = gate.why_closed(state, limits, now) or job.wait_reason or ErrorCode.RATE_LIMITED
    at = max(gate.estimate(state, limits, ahead, now), job.queue_at)
    return Wait(reason, at if at > now else _next_minute(now))


def _next_minute(now: datetime) -> datetime:
    """The poller's next call: the scheduler makes one a minute."""
    return now.replace(second=0, microsecond=0) + timedelta(minutes=1)


async def _job_id(order: Order, services: Services) -> str:
    """Unguessable; with a key the same for the same caller and key, so that a repeat meets the same document."""
    if order.idempotency_key is None:
        return services.random_id()
    text = json.dumps(["key", None, order.idempotency_key]).encode()
    return hmac.new(await services.store.id_secret(), text, hashlib.sha256).hexdigest()[:32]


def _replay(job: Job, order: Order) -> Accepted:
    if job.fingerprint != order.fingerprint:
        raise KeyReused
    return Accepted(job, replayed=True)


async def _slot(services: Services) -> Slot | None:
    """Only when nobody waits in line: who came first goes first."""
    return await services.admission.try_once(lambda: services.store.line(services.clock.now(), 1))


async def _return(slot: Slot | None, services: Services) -> None:
    if slot:
        await services.admission.give_back([slot])


def _new_job(job_id: str, order: Order, slot: Slot | None, services: Services) -> Job:
    now, config = services.clock.now(), services.config
    patience = timedelta(hours=config.max_queue_hours)
    if order.deadline_seconds is not None:
        patience = min(patience, timedelta(seconds=order.deadline_seconds))
    job = Job(
        id=job_id,
        status=Status.QUEUED,
        prompt=order.prompt,
        input=order.input,
        fingerprint=order.fingerprint,
        allow_partial=order.allow_partial,
        created_at=now,
        expire_at=now + timedelta(days=config.retention_days),
        give_up_at=now + patience,
        queue_at=now,
        due_at=now + patience,
    )
    if slot is None:
        return job.evolve(wait_reason=ErrorCode.RATE_LIMITED)
    lease_over = now + timedelta(seconds=config.lease)
    return job.evolve(status=Status.TRIGGERING, triggered_at=now, queue_at=None, due_at=lease_over)

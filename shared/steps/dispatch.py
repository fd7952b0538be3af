"""The paid call: made once per attempt, and each of its three outcomes recorded. Nothing is paid twice unmarked.

Started → running. Refused → back in line, or failed if the caller must mend it. Unknown → stays triggering, and is
repeated once, marked `possibleDuplicate`, when Wireflow is healthy again (`ON_UNKNOWN=retry`).
"""

import asyncio
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.config import OnUnknown
from shared.error_codes import EXPLANATIONS, Charged, ErrorCode
from shared.job import Job, JobError, Status
from shared.log import Event
from shared.ports import Conflict, Started, StoreUnavailable
from shared.runtime.dependencies import Deps
from shared.runtime.lease import Lease
from shared.spending import gate
from shared.spending.gate import Slot
from shared.spending.pacing import until_next_poll
from shared.wireflow import errors
from shared.workflows import FieldRefused, Mode, call_body

Changes = dict[str, Any]

WAITED = "The job has waited as long as it may. When this is mended, send the request again with a new Idempotency-Key."


async def send(job: Job, slot: Slot, deps: Deps) -> Job:
    """Make the paid call of a job that was just recorded as triggering, and record what came of it."""
    outcome = job.evolve(**await _pay(job, slot, deps))
    for _ in range(2):
        try:
            return await deps.store.save(outcome)
        except StoreUnavailable:
            continue
        except Conflict:
            break
    # The job stays triggering and is resolved like any other unknown outcome.
    deps.log.error(Event.OUTCOME_UNKNOWN, "The outcome could not be recorded.", **outcome.log_fields())
    return job


async def send_held(lease: Lease, slot: Slot, deps: Deps) -> None:
    """The same for a job that this worker holds, and goes on holding if the run was started."""
    changes = await _pay(lease.job, slot, deps)
    if changes.get("status") is Status.RUNNING:
        del changes["due_at"]  # then the save begins the lease anew
    await lease.save(**changes)


def triggering(job: Job, deps: Deps) -> Job:
    """The job as it is recorded before its paid call: leased to whoever makes it."""
    now = deps.clock.now()
    lease_over = now + timedelta(seconds=deps.config.lease)
    return job.evolve(status=Status.TRIGGERING, triggered_at=now, queue_at=None, due_at=lease_over, wait_reason=None)


@dataclass(frozen=True, slots=True)
class Line:
    """What may leave the line now, recorded as triggering; `moves_at`: when the next may go, None if nobody waits."""

    taken: list[tuple[Lease, Slot]]
    moves_at: datetime | None


async def take_from_line(deps: Deps, limit: int) -> Line:
    """Take as many jobs from the head of the line as the gate lets through."""
    now = deps.clock.now()
    if not await deps.store.queue_head(now, 1):
        return Line([], None)
    await deps.admission.probe(deps.wireflow.healthy)
    state = await deps.admission.recent()
    free = gate.free(state, deps.config.limits, now)
    taken = await _take_first(min(free, limit), deps) if min(free, limit) > 0 else []
    return Line(taken, gate.estimate(state, deps.config.limits, len(taken), now))


async def _take_first(wanted: int, deps: Deps) -> list[tuple[Lease, Slot]]:
    jobs = await deps.store.queue_head(deps.clock.now(), wanted)
    slots = await deps.admission.take(len(jobs))
    leases = await asyncio.gather(*(_take(job, deps) for job, _ in zip(jobs, slots, strict=False)))
    pairs = list(zip(leases, slots, strict=True))
    await deps.admission.release([slot for lease, slot in pairs if lease is None])
    return [(lease, slot) for lease, slot in pairs if lease is not None]


async def _take(job: Job, deps: Deps) -> Lease | None:
    try:
        taken = await deps.store.save(triggering(job, deps))
    except (Conflict, StoreUnavailable):
        return None
    return Lease(taken, deps.store, deps.clock, deps.config.lease)


async def resolve(lease: Lease, deps: Deps) -> datetime | None:
    """Repeat a paid call whose outcome nobody knows, once; returns when to go on, or None if there is nothing to hold.

    Wireflow must be healthy and the gate open: an outage must not eat the one repetition.
    """
    job, now = lease.job, deps.clock.now()
    repeatable = deps.config.on_unknown is OnUnknown.RETRY and not job.possible_duplicate
    slot = await _slot_for_repetition(deps) if repeatable else None
    if slot is not None:
        await lease.save(possible_duplicate=True, triggered_at=now)
        await send_held(lease, slot, deps)
        return deps.clock.now() if lease.job.status is Status.RUNNING else None
    if repeatable and now < job.give_up_at:
        opening = gate.estimate(await deps.admission.recent(), deps.config.limits, 0, now)
        # Looked at anew after a minute: a closed gate may open earlier than it says.
        return min(max(opening, now + timedelta(seconds=1)), now + timedelta(seconds=60))
    await _give_up(lease, deps)
    return None


async def _slot_for_repetition(deps: Deps) -> Slot | None:
    """A slot, once Wireflow is healthy: an outage must not eat the one repetition."""
    await deps.admission.probe(deps.wireflow.healthy)
    if not gate.free(await deps.admission.recent(), deps.config.limits, deps.clock.now()):
        return None
    if not await deps.wireflow.healthy():
        await deps.admission.unhealthy()
        return None
    return next(iter(await deps.admission.take(1)), None)


async def _give_up(lease: Lease, deps: Deps) -> None:
    job = await lease.save(**_outcome_unknown(lease.job, None, deps.clock.now()))
    _log(deps, Event.JOB_FAILED, ErrorCode.OUTCOME_UNKNOWN, job)


async def give_up_waiting(lease: Lease, deps: Deps) -> None:
    """Fail a job that has waited in line for as long as it may, with the code of what kept it."""
    job, now = lease.job, deps.clock.now()
    closed = gate.wait_reason_of(await deps.admission.recent(), deps.config.limits, now) if job.prepared else None
    code = closed or job.wait_reason
    error = JobError.of(
        code or ErrorCode.RATE_LIMITED,
        charged=job.cost(Charged.NO),
        request_id=job.request_id,
        hint=WAITED,
    )
    job = await lease.save(**failed(error, now))
    _log(deps, Event.JOB_FAILED, error.code, job)


# --- the call and its outcomes -------------------------------------------------------------------------------------


async def _pay(job: Job, slot: Slot, deps: Deps) -> Changes:
    """Make the call; what the job becomes. The gate learns of it too."""
    deps.requests.note(deps.clock.now())
    try:
        started = await _call(job, deps)
    except errors.Refused as error:
        await _tell_gate(deps.admission.refused(error, slot), deps)
        changes, event, code = _after_refusal(job, error, deps.clock.now()), Event.UPSTREAM_REFUSED, error.code
    except errors.OutcomeUnknown as error:
        await _tell_gate(deps.admission.unclear(error), deps)
        changes, event, code = _after_unknown(job, error, deps), Event.OUTCOME_UNKNOWN, error.code
    else:
        await _tell_gate(deps.admission.started(slot), deps)
        changes = _after_start(started, deps.clock.now())
        deps.log.info(Event.JOB_STARTED, "Wireflow has started the run.", **job.evolve(**changes).log_fields())
        return changes
    after = job.evolve(**changes)
    _log(deps, event, code, after)
    if after.error:
        _log(deps, Event.JOB_FAILED, after.error.code, after)
    return changes


async def _tell_gate(telling: Any, deps: Deps) -> None:
    """The gate's state is advice; the job's outcome is a fact that must be recorded whatever becomes of the other."""
    try:
        await telling
    except (Conflict, StoreUnavailable) as error:
        deps.log.warning(Event.GATE_CLOSED, f"The gate could not be written: {type(error).__name__}")


async def _call(job: Job, deps: Deps) -> Started:
    """What the settings of today make of the job; an error where they do not know its workflow or its fields."""
    workflow = deps.config.workflow(job.workflow)
    if workflow is None:
        raise errors.RequestRefused(f"There is no workflow {job.workflow!r} any more.", code=ErrorCode.CONFIGURATION)
    fields = json.loads(job.input)
    try:
        known = workflow.mode is Mode.RUN
        body = {"inputs": fields} if known else call_body(workflow, job.prompt, fields, job.hosted_url)
    except FieldRefused as error:
        raise errors.RequestRefused(f"{error.field}: {error}") from error
    return await deps.wireflow.start(workflow, body, job.idempotency_key)


def _after_start(started: Started, now: datetime) -> Changes:
    return {
        "status": Status.RUNNING,
        "execution_id": started.execution_id,
        "request_id": started.request_id,
        "started_at": now,
        "outcome_unknown": False,
        "wait_reason": None,
        "missing_since": None,
        "due_at": now + timedelta(seconds=until_next_poll(0)),
    }


def _after_refusal(job: Job, error: errors.Refused, now: datetime) -> Changes:
    repeated = job.possible_duplicate
    if isinstance(error, errors.RequestRefused):
        if repeated:
            return _outcome_unknown(job, error, now)
        refused = JobError.of(error.code, charged=Charged.NO, message=str(error), request_id=error.request_id)
        return failed(refused, now)
    return {
        "status": Status.QUEUED,
        # A new key, because Wireflow may replay its refusal; the same one if the first sending may live.
        "attempt": job.attempt if repeated else job.attempt + 1,
        "request_id": error.request_id,
        "wait_reason": error.code,
        "triggered_at": None,
        "queue_at": _place_after_repetition(job, now) if repeated else job.created_at,
        "due_at": job.give_up_at,
    }


def _place_after_repetition(job: Job, now: datetime) -> datetime:
    """After a pause as long as the job is old: Wireflow may replay this refusal for the key, which stays the same."""
    return now + min(max(now - job.created_at, gate.FIRST_PROBE), gate.LAST_TRIAL)


def _after_unknown(job: Job, error: errors.OutcomeUnknown, deps: Deps) -> Changes:
    if job.possible_duplicate or deps.config.on_unknown is OnUnknown.HOLD:
        return _outcome_unknown(job, error, deps.clock.now())
    # The lease goes on: it is over when a call that is still on its way has long been answered.
    return {"outcome_unknown": True, "request_id": error.request_id, "due_at": job.due_at}


def _outcome_unknown(job: Job, error: errors.WireflowError | None, now: datetime) -> Changes:
    request_id = error.request_id if error else job.request_id
    words = str(error) if error else None
    code = ErrorCode.OUTCOME_UNKNOWN
    return failed(JobError.of(code, charged=Charged.UNKNOWN, message=words, request_id=request_id), now)


def failed(error: JobError, now: datetime) -> Changes:
    """What a job becomes that ends with this error."""
    return {
        "status": Status.FAILED,
        "error": error,
        "request_id": error.request_id,
        "completed_at": now,
        "due_at": None,
        "queue_at": None,
    }


def _log(deps: Deps, event: Event, code: ErrorCode, job: Job) -> None:
    """Our own sentence, never the vendor's: it may quote the prompt."""
    deps.log.warning(event, EXPLANATIONS[code].message, **{**job.log_fields(), "errorCode": code})

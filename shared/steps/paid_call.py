"""The paid call and its three outcomes: started, refused (nothing was started), unknown (sent, no clear response).

Started → running. Refused → back into the queue, or failed if only the caller can fix it or if Wireflow refuses this
job alone. Unknown → stays triggering until `resolve` retries the call, or failed.
"""

import json
from datetime import datetime, timedelta

from shared.config import OnUnknown
from shared.error_codes import EXPLANATIONS, Charged, ErrorCode
from shared.job import Job
from shared.job_parts import JobError, VendorCall, VendorResponse
from shared.log import Event
from shared.ports import Started
from shared.runtime.dependencies import Deps
from shared.spending import gate, suspensions
from shared.spending.gate_state import ResumeOn, Slot
from shared.spending.pacing import seconds_to_next_poll
from shared.steps.cancel_batch import canceled_with_batch
from shared.steps.update_gate import update_gate
from shared.store_errors import StoreError
from shared.wireflow import errors
from shared.workflows import FieldRefused, Mode, call_body

WAKE_UP_SECONDS = 5.0  # by which a wake-up may be late
MAX_REFUSALS = 3  # of a job that is refused while others of its workflow are not
MAX_RETURNS = 5  # of a job to its place in the queue, after refusals in a row for a reason that may pass soon
REFUSED_ALONE_HINT = (
    "Wireflow has accepted other jobs of this workflow since then. Ask the operator to find and fix the cause, then "
    "retry this job. Or change the request and send it with a new Idempotency-Key."
)
UNKNOWN_WORKFLOW_HINT = (
    "Nothing was charged. Ask the operator to add the workflow to WIREFLOW_WORKFLOWS, then retry this job. Or choose a "
    "workflow of GET /workflows, and send the request with a new Idempotency-Key."
)


class WorkflowUnknown(errors.RequestRefused):
    """The workflow is not configured here, and no other deployment took the job: nothing was sent."""


def unknown_workflow(job: Job) -> str:
    """Return the message for a job whose workflow is not configured."""
    return f"The workflow {job.workflow!r} is not configured."


async def make_paid_call(job: Job, slot: Slot, deps: Deps, *, patient: bool = False) -> Job:
    """Make the call of a job that was stored as triggering. Return the job after it, not stored yet.

    The gate is updated with the outcome. `patient`: no caller waits for it.
    """
    deps.requests.record_start()
    try:
        started = await _call(job, deps, patient=patient)
    except errors.Refused as error:
        alone = await deps.admission.is_refused_alone(job, error, slot)
        await update_gate(deps.admission.call_refused(job, error, slot, alone=alone), deps)
        refused = await _after_refusal(_responded(job, error, deps), error, alone, deps)
        after = await canceled_with_batch(refused, deps)
        if isinstance(error, errors.Redirected):
            deps.log.warning(Event.CONFIGURATION, str(error), **job.log_fields())  # the suspension is the error
        event, code = Event.UPSTREAM_REFUSED, error.code
    except errors.OutcomeUnknown as error:
        await update_gate(deps.admission.outcome_unknown(error), deps)
        after, event, code = after_unknown(_responded(job, error, deps), error, deps), Event.OUTCOME_UNKNOWN, error.code
    else:
        await update_gate(deps.admission.call_started(job, slot), deps)
        after = await _after_start(_responded(job, started, deps), started, deps)
        deps.log.info(Event.JOB_STARTED, "Wireflow started the run.", **after.log_fields())
        return after
    log_failure(event, code, after, deps)
    if after.error:
        log_failure(Event.JOB_FAILED, after.error.code, after, deps)
    return after


def _responded(job: Job, result: Started | errors.WireflowError, deps: Deps) -> Job:
    """Return the job with the response to its paid call; unchanged if none was made."""
    code = None if isinstance(result, Started) else result.code
    if isinstance(result, errors.RequestRefused) and result.http_status is None:
        return job
    response = VendorResponse(
        attempt=job.attempt,
        call=VendorCall.START,
        at=deps.clock.now(),
        http_status=result.http_status,
        request_id=result.request_id,
        error_code=code,
        execution_id=result.execution_id if isinstance(result, Started) else None,
    )
    return job.responded(response)


def log_failure(event: Event, code: ErrorCode, job: Job, deps: Deps) -> None:
    """Log our own sentence for `code`, never the vendor's words: they may quote the prompt."""
    deps.log.warning(event, EXPLANATIONS[code].message, **{**job.log_fields(), "errorCode": code})


def outcome_unknown(job: Job, error: errors.WireflowError | None, now: datetime) -> Job:
    """Return the job, failed because the outcome of its paid call stays unknown, or because its run was lost."""
    lost = f"Wireflow started the run {job.execution_id}, but does not know it." if job.execution_id else None
    job_error = JobError.of(
        ErrorCode.OUTCOME_UNKNOWN,
        charged=Charged.UNKNOWN,
        message=str(error) if error else lost,
        request_id=error.request_id if error else job.request_id,
    )
    return job.failed(job_error, now)


async def _call(job: Job, deps: Deps, *, patient: bool) -> Started:
    """Build the request from the current settings and send it. Raise RequestRefused if they no longer fit the job."""
    workflow = deps.config.workflow(job.workflow)
    if workflow is None:
        raise WorkflowUnknown(unknown_workflow(job), code=ErrorCode.CONFIGURATION)
    fields = json.loads(job.input)
    try:
        prepared = workflow.mode is Mode.RUN
        body = {"inputs": fields} if prepared else call_body(workflow, job.prompt, fields, job.hosted_urls)
    except FieldRefused as error:
        raise errors.RequestRefused(f"{error.field}: {error}") from error
    started = await deps.wireflow.start(workflow, body, job.idempotency_key, patient=patient)
    if (owner := deps.executions.owner(started.execution_id, job.id)) != job.id:
        disputed = execution_of_another_job(job, owner, started.request_id, deps)
        disputed.http_status = started.http_status
        raise disputed
    return started


def execution_of_another_job(job: Job, owner_id: str, request_id: str | None, deps: Deps) -> errors.NoExecutionId:
    """Log that Wireflow issued one execution id to two jobs; return the error of the later one."""
    message = "Wireflow returned the execution id of another job. Only the first job follows it."
    deps.log.error(Event.OUTCOME_UNKNOWN, message, otherJobId=owner_id, **job.log_fields())
    return errors.NoExecutionId("Wireflow returned the execution id of another job.", request_id=request_id)


async def _after_start(job: Job, started: Started, deps: Deps) -> Job:
    now, pause = deps.clock.now(), await seconds_to_first_claim(job, deps)
    return job.started(started.execution_id, started.request_id, now, now + timedelta(seconds=pause))


async def seconds_to_first_claim(job: Job, deps: Deps) -> float:
    """Return after how many seconds a run needs the poller: a wake-up earlier than it is polled first."""
    first_poll = seconds_to_next_poll(0, await deps.run_times.of(job.workflow), deps.requests.price_of_poll())
    return max(first_poll - WAKE_UP_SECONDS, min(first_poll, 1.0))


async def _after_refusal(job: Job, error: errors.Refused, alone: bool, deps: Deps) -> Job:
    """Return the job after a refusal; `alone`: others of its workflow are accepted."""
    now = deps.clock.now()
    if isinstance(error, errors.RequestRefused):
        if job.possible_duplicate:
            return outcome_unknown(job, error, now)
        hint = UNKNOWN_WORKFLOW_HINT if isinstance(error, WorkflowUnknown) else None
        refused = JobError.of(
            error.code, charged=Charged.NO, message=str(error), hint=hint, request_id=error.request_id
        )
        return job.failed(refused, now)
    must_act = isinstance(error, errors.OperatorMustAct)
    job = job.refused(error.code, str(error), now, again=alone or not must_act)
    times = job.refusal.times if job.refusal else 1
    if must_act and alone and times >= MAX_REFUSALS and not isinstance(error, errors.OutOfCredits):
        return _refused_alone(job, error, now)
    holds = []
    if must_act:
        holds.append(await _next_trial(job, deps) or now + suspensions.pause(times - 1))
    elif times > MAX_RETURNS:  # others go first, in case Wireflow refuses only this job
        pause = suspensions.pause(times - MAX_RETURNS, suspensions.FIRST_PROBE, suspensions.MAX_TRIAL)
        holds.append(max(error.retry_at or now, now) + pause)
    if job.possible_duplicate:
        # The key must not change, because the first call may have started a run. Wireflow may replay this refusal for
        # it: the pause is as long as the job's age, so that retries become rare.
        holds.append(now + min(max(now - job.created_at, suspensions.FIRST_PROBE), suspensions.MAX_TRIAL))
    # Otherwise a new idempotency key: Wireflow may replay its refusal for the old one.
    attempt = job.attempt if job.possible_duplicate else job.attempt + 1
    queued = job.requeued(error.code, attempt=attempt, request_id=error.request_id)
    return queued.held_until(max(holds), error.code) if holds else queued


def _refused_alone(job: Job, error: errors.Refused, now: datetime) -> Job:
    job_error = JobError.of(
        error.code,
        charged=job.charged(Charged.NO),
        message=str(error),
        hint=REFUSED_ALONE_HINT,
        request_id=error.request_id,
    )
    return job.failed(job_error, now)


async def _next_trial(job: Job, deps: Deps) -> datetime | None:
    """Return when a suspended job of this workflow is tried next, or None if it is not suspended."""
    try:
        blocking = gate.blocked_by(await deps.admission.recent(), deps.clock.now(), job.workflow)
    except StoreError:
        return None
    return blocking.until if blocking and blocking.resume_on is ResumeOn.TRIAL else None


def after_unknown(job: Job, error: errors.OutcomeUnknown, deps: Deps) -> Job:
    """Return the job after a paid call that may have started a run, which cannot be followed."""
    if job.possible_duplicate or deps.config.on_unknown is OnUnknown.HOLD:
        return outcome_unknown(job, error, deps.clock.now())
    return job.unresolved(error.request_id)

"""Follow a run: poll it until it has ended, and save its image URLs as soon as they are known.

A failed poll never fails the job, because the image may be paid for. A run in progress is never triggered again.
https://www.wireflow.ai/docs/api/executions; the guide: without a result after 60 s, ask the details endpoint.
"""

from datetime import datetime, timedelta

from shared.error_codes import EXPLANATIONS, Charged, ErrorCode
from shared.job import Job
from shared.job_parts import Image, JobError, VendorCall, VendorResponse
from shared.job_states import Status
from shared.log import Event
from shared.ports import RunResponse, RunState
from shared.runtime.dependencies import Deps
from shared.runtime.lease import Lease
from shared.runtime.request_limiter import Throttled
from shared.spending.money import cost_of_credits
from shared.spending.pacing import MAX_PAUSE, MIN_PAUSE, seconds_to_next_poll
from shared.steps.copy import RECHECK_AFTER
from shared.steps.finish import finish
from shared.steps.results import request_texts, result_images, result_text
from shared.steps.run_owner import wait_for_run
from shared.steps.settle import settle
from shared.steps.update_gate import update_gate
from shared.wireflow import errors
from shared.wireflow.refusals import is_refusal

DETAILS_EVERY = 60.0  # seconds
POLL_AGAIN_WHEN_EMPTY = 5.0
CLOCK_SKEW = 0.05  # between two readings of both clocks
MISSING_FOR = timedelta(seconds=60)
LOST = "Wireflow does not recognize a run that it started. WIREFLOW_API_KEY may belong to another account."


async def follow(lease: Lease, deps: Deps) -> datetime | None:
    """Poll a running job once, if a poll is due. Return when to continue, or None when the job has ended."""
    if (at := await next_poll(lease, deps)) > deps.clock.now():
        return at
    if known_at := await wait_for_run(lease, deps):
        return known_at if lease.job.status is Status.RUNNING else None
    throttled_until, before = None, lease.job
    try:
        if (response := await _poll(lease, deps)) is not None:
            await _record_progress(lease, response, deps)
            await _finish(lease, response, deps)
    except Throttled as throttled:  # the deadline must not wait for Wireflow's limits
        throttled_until = throttled.at
    deadline = run_deadline(lease.job, deps)
    if lease.job.status is Status.RUNNING and deps.clock.now() >= deadline:
        await time_out(lease, deps)
    await settle(before, lease.job, deps)
    if lease.job.finished:
        return None
    if lease.job.status is not Status.RUNNING:
        return deps.clock.now()
    return min(throttled_until or await next_poll(lease, deps), deadline)


async def fetch_run(lease: Lease, deps: Deps, *, details: bool) -> RunResponse:
    """Ask for the run once, from the poll or the details endpoint, while the lease holds.

    Raise Throttled, LeaseLost or PollError.
    """
    job, notes = lease.job, lease.notes
    before = run_deadline(job, deps) if job.status is Status.RUNNING else None
    async with deps.requests.acquire(before, overdue=_is_overdue(lease, deps)) as sent_at:
        lease.check()
        notes.polls += 1
        if details:
            notes.details_at = deps.clock.monotonic()  # even if the call fails: once a minute is enough
        request = deps.wireflow.details if details else deps.wireflow.poll
        try:
            response = await request(job.execution_id or "")
        except errors.PollError as error:
            deps.requests.observe(error.rate_limit, sent_at)
            raise
        finally:
            notes.polled_at = deps.clock.monotonic()  # not when it was sent: it may have arrived late
    deps.requests.observe(response.rate_limit, sent_at)
    await update_gate(deps.admission.poll_succeeded(job), deps)
    return response


def run_deadline(job: Job, deps: Deps) -> datetime:
    """Return when a run counts as timed out."""
    return (job.started_at or job.created_at) + timedelta(seconds=deps.config.run_deadline)


# --- polling -------------------------------------------------------------------------------------------------------


async def next_poll(lease: Lease, deps: Deps) -> datetime:
    """Return when the run is polled next, as it is now: what a poll is worth changes with the requests that are left.

    A run that was reported as completed without an image is polled again after 5 s.
    """
    notes, now, seconds = lease.notes, deps.clock.now(), deps.clock.monotonic()
    if notes.run_started_at is None:
        elapsed = (now - (lease.job.started_at or lease.job.created_at)).total_seconds()
        notes.run_started_at = seconds - max(elapsed, 0.0)
    took, price = await deps.run_times.of(lease.job.workflow), deps.requests.price_of_poll()
    if notes.polled_at is None:
        at = notes.run_started_at + seconds_to_next_poll(0, took, price)
    elif notes.empty_at is not None and notes.polled_at <= notes.empty_at:
        at = notes.empty_at + POLL_AGAIN_WHEN_EMPTY
    else:
        elapsed = notes.polled_at - notes.run_started_at
        at = notes.polled_at + seconds_to_next_poll(elapsed, took, price, notes.poll_errors)
    first_due = notes.run_started_at + MIN_PAUSE + CLOCK_SKEW  # of a run that no worker has polled, or much later
    if notes.due_at is not None and notes.due_at > max(notes.polled_at or 0.0, first_due):
        at = max(at, notes.due_at + MIN_PAUSE)  # another worker may have polled just before it was due
    return now + timedelta(seconds=at - seconds)


def _is_overdue(lease: Lease, deps: Deps) -> bool:
    """Whether the run was not polled for a minute."""
    notes = lease.notes
    last = notes.run_started_at if notes.polled_at is None else notes.polled_at
    return last is not None and deps.clock.monotonic() - last >= MAX_PAUSE


async def _poll(lease: Lease, deps: Deps) -> RunResponse | None:
    """Return the next response about the run, or None if there is none to act on.

    The details endpoint is called once a minute. If one endpoint does not know the run, the other one is called.
    """
    notes, now = lease.notes, deps.clock.monotonic()
    asked_at = notes.run_started_at if notes.details_at is None else notes.details_at
    details = asked_at is not None and now - asked_at >= DETAILS_EVERY
    for endpoint in (details, not details):
        try:
            response = await fetch_run(lease, deps, details=endpoint)
        except errors.RunNotFound:
            continue
        except errors.PollError as error:
            await _handle_poll_error(error, lease, deps)
            return None
        notes.poll_errors, notes.unusable = 0, None
        return response
    await _handle_missing_run(lease, deps)
    return None


async def _handle_poll_error(error: errors.PollError, lease: Lease, deps: Deps) -> None:
    """Back off for as long as Wireflow asks. A refused key also suspends new executions."""
    job, known = lease.job, EXPLANATIONS[error.code].message
    lease.notes.poll_errors += 1
    if error.retry_at is not None:
        deps.requests.pause(error.retry_at)
    if error.code is ErrorCode.KEY_REFUSED:
        await update_gate(deps.admission.run_not_followed(job), deps)
    if isinstance(error, errors.UnusableResponse):
        known = lease.notes.unusable = str(error)
        if job.last_response is None and error.raw:  # saved at once: another worker may see the run time out
            job = await lease.save(job.with_last_response(error.raw))
    fields = {**job.log_fields(), "errorCode": error.code}
    deps.log.warning(Event.UPSTREAM_REFUSED, f"A poll failed. {known}", **fields)


async def _handle_missing_run(lease: Lease, deps: Deps) -> None:
    """Neither endpoint knows the run. After a minute, the outcome of the paid call counts as unknown."""
    job, now = lease.job, deps.clock.now()
    lease.notes.poll_errors += 1
    if job.missing_since is None:
        await lease.save(job.run_missing(now))
    elif now - job.missing_since < MISSING_FOR:
        return
    elif job.images:
        await lease.save(job.copying(job.images, now))  # the run has reported its images
    else:
        deps.log.error(Event.OUTCOME_UNKNOWN, LOST, **job.log_fields())
        await update_gate(deps.admission.run_not_followed(job), deps)
        await lease.save(job.run_lost())


# --- what a response changes ---------------------------------------------------------------------------------------


async def _record_progress(lease: Lease, response: RunResponse, deps: Deps) -> None:
    """Save what is new: early image URLs, a response that was not understood, the end of a run's absence."""
    job, notes = lease.job, lease.notes
    notes.steps = response.steps or notes.steps
    if deps.unknown_shapes.record(response.unknown_shapes, job) or response.state is None:
        notes.unknown_response = notes.unknown_response or response.raw
    images = job.images if _ended(response) else result_images(job, response)
    last_response = job.last_response or (response.raw if response.state is None else None)
    progressed = job.polled(images, last_response)
    if progressed != job:
        await lease.save(progressed)


async def _finish(lease: Lease, response: RunResponse, deps: Deps) -> None:
    """Move the job on if the run has ended."""
    if not _ended(response):
        lease.notes.running_at = lease.notes.polled_at
        return
    # An unknown field name alone is not worth a write of its own: the response is saved with this one.
    job = with_result(lease.job, response, deps)
    job = job.with_last_response(lease.notes.unknown_response)
    images, now = result_images(job, response), deps.clock.now()
    error = None if response.state is RunState.COMPLETED else _run_error(job, response, images)
    if images:
        if error is None:
            await _record_run_time(lease, deps)
        await lease.save(job.copying(images, now, error))
    elif error:
        await _fail(lease, job.failed(error, now), deps)
    elif lease.notes.empty_at is None:
        lease.notes.empty_at = deps.clock.monotonic()  # completed without an image: poll again
    else:
        failed = job.failed(_without_image(job, response), now)
        await _fail(lease, failed.with_last_response(response.raw, final=True), deps)  # it may hold the image


def with_result(job: Job, response: RunResponse, deps: Deps) -> Job:
    """Return the job with the response that reported the end of its run, and what it says about the run as a whole."""
    result = VendorResponse(
        attempt=job.attempt,
        call=VendorCall.RESULT,
        at=deps.clock.now(),
        http_status=response.http_status,
        request_id=response.request_id,
    )
    cost = cost_of_credits(response.credits_used, deps.config.usd_per_credit)
    job = job.responded(result)
    return job.with_run_details(response.request_id, response.credits_used, response.model, cost)


async def _record_run_time(lease: Lease, deps: Deps) -> None:
    """Remember how long a run took that has just completed."""
    notes = lease.notes
    started, ended = notes.run_started_at or 0.0, notes.polled_at or 0.0
    running = started if notes.running_at is None else notes.running_at
    await deps.run_times.add(lease.job.workflow, running - started, ended - started)


def _ended(response: RunResponse) -> bool:
    return response.state is not None and response.state.terminal


def _run_error(job: Job, response: RunResponse, images: tuple[Image, ...]) -> JobError:
    """Return the error of a run that FAILED, was CANCELLED or ended with TIMEOUT, in the vendor's words.

    A failed model is not charged (https://www.wireflow.ai/docs/api/executions); images were paid for.
    """
    codes = {RunState.CANCELLED: ErrorCode.CANCELED, RunState.TIMEOUT: ErrorCode.TIMED_OUT}
    refused = is_refusal(response.error, response.error_codes, request_texts(job))
    general = ErrorCode.MODERATION if refused else ErrorCode.UPSTREAM_ERROR
    code = codes.get(response.state or RunState.FAILED, general)
    charged = Charged.NO if response.state is RunState.FAILED else Charged.UNKNOWN
    if images or (response.credits_used or 0) > 0:
        charged = Charged.YES
    return JobError.of(code, charged=job.charged(charged), message=response.error, request_id=job.request_id)


def _without_image(job: Job, response: RunResponse) -> JobError:
    """Return the error of a run that completed without an image: in its own words, or in those of its text.

    A node that has failed, or a code of the provider, such as the finish reason IMAGE_SAFETY, says more than the
    missing image. What other nodes have cost is not known without the credits.
    """
    charged = Charged.UNKNOWN
    if response.credits_used is not None:
        charged = Charged.YES if response.credits_used else Charged.NO
    code = ErrorCode.COMPLETED_WITHOUT_IMAGE
    words = "; ".join(filter(None, (response.error, result_text(job, response))))
    if response.node_error or any(step.status == RunState.FAILED for step in response.steps):
        code, words = ErrorCode.UPSTREAM_ERROR, response.node_error or words
    if is_refusal(response.node_error, response.error_codes, request_texts(job)):
        code = ErrorCode.MODERATION
    return JobError.of(code, charged=job.charged(charged), message=words, request_id=job.request_id)


async def time_out(lease: Lease, deps: Deps) -> None:
    """Stop waiting for the run. If it has reported images, the job succeeds once they are stored.

    Otherwise it fails, and an hour later Wireflow is asked for a late result.
    """
    job, now = lease.job.with_last_response(lease.notes.unknown_response), deps.clock.now()
    if job.images:
        await lease.save(job.copying(job.images, now))
    else:
        message = lease.notes.unusable  # else that of the code
        error = JobError.of(ErrorCode.TIMED_OUT, charged=Charged.UNKNOWN, message=message, request_id=job.request_id)
        await _fail(lease, job.failed(error, now, recheck_at=now + RECHECK_AFTER), deps)


async def _fail(lease: Lease, failed: Job, deps: Deps) -> None:
    job = await finish(lease, failed, deps)
    if job.error:
        deps.log.warning(Event.JOB_FAILED, EXPLANATIONS[job.error.code].message, **job.log_fields())

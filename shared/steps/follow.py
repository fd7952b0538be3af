"""Following a run: polled until it has ended, its image URLs saved as soon as they are known.

No error of a poll ends a job: the image may be paid for. A run that goes on is never triggered again.
https://www.wireflow.ai/docs/api/executions; the guide: without a result after 60 s the details endpoint is asked.
"""

from datetime import datetime, timedelta
from typing import Any

from shared.error_codes import EXPLANATIONS, Charged, ErrorCode
from shared.job import Image, Job, JobError, Status
from shared.log import Event
from shared.ports import RunResponse, RunState
from shared.runtime.dependencies import Deps
from shared.runtime.lease import Lease
from shared.runtime.request_limiter import Throttled
from shared.spending.pacing import until_next_poll
from shared.steps.copy import LATE_LOOK_AFTER
from shared.wireflow import errors
from shared.wireflow.signed_urls import unsigned

DETAILS_EVERY = timedelta(seconds=60)
ASK_AGAIN_WHEN_EMPTY = timedelta(seconds=5)
MISSING_FOR = timedelta(seconds=60)
LATE_LOOK_RETRY, LATE_LOOK_UNTIL = timedelta(minutes=10), timedelta(hours=3)


async def follow(lease: Lease, deps: Deps) -> datetime | None:
    """Poll a running job once, if its time has come; returns when to go on, or None when it has ended."""
    now = deps.clock.now()
    at = _next_poll(lease)
    if now < at:
        return at
    answer, next_turn = await _ask_in_turn(lease, deps)
    if answer is not None:
        await _record_progress(lease, answer, deps)
        await _finish(lease, answer, deps)
    if lease.job.status is Status.RUNNING and deps.clock.now() >= _deadline(lease.job, deps):
        await _time_out(lease, deps)
    if lease.job.finished:
        return None
    if lease.job.status is not Status.RUNNING:
        return deps.clock.now()
    return min(next_turn or _next_poll(lease), _deadline(lease.job, deps))


def needs_recheck(job: Job) -> bool:
    """Whether a failed job's run was given up on, and nobody has looked at it since."""
    return job.error is not None and job.error.code is ErrorCode.TIMED_OUT and not job.late_look_done


async def recheck(lease: Lease, deps: Deps) -> datetime | None:
    """An hour after a run was given up on: a late result is still kept."""
    now, job = deps.clock.now(), lease.job
    try:
        answer = await _late_answer(lease, deps)
    except errors.PollError:
        if now < (job.completed_at or now) + LATE_LOOK_UNTIL:
            return now + LATE_LOOK_RETRY
        answer = None
    images = _images(job, answer) if answer else ()
    if answer is None or not images:
        await lease.save(late_look_done=True, due_at=None)
        return None
    error = None if answer.state is RunState.COMPLETED else job.error
    changes = {**_to_copying(images, now), **_named(job, answer)}
    await lease.save(**changes, error=error, late_look_done=True, completed_at=None)
    return now


async def _late_answer(lease: Lease, deps: Deps) -> RunResponse | None:
    """An answer with images, from whichever endpoint has one."""
    for details in (False, True):
        try:
            answer = await _fetch_run(lease, deps, details=details)
        except errors.RunNotFound:
            continue
        if answer.image_urls:
            return answer
    return None


# --- asking --------------------------------------------------------------------------------------------------------


def _next_poll(lease: Lease) -> datetime:
    """The guide's schedule from the run's start, or from the last answer; 5 s after a run that ended without image."""
    job, notes = lease.job, lease.notes
    if notes.asked_at is None:
        return (job.started_at or job.created_at) + timedelta(seconds=until_next_poll(0))
    if notes.empty_at is not None and notes.asked_at <= notes.empty_at:
        return notes.empty_at + ASK_AGAIN_WHEN_EMPTY
    elapsed = (notes.asked_at - (job.started_at or job.created_at)).total_seconds()
    return notes.asked_at + timedelta(seconds=until_next_poll(elapsed, notes.poll_errors))


async def _ask_in_turn(lease: Lease, deps: Deps) -> tuple[RunResponse | None, datetime | None]:
    """The next answer, or the time of the next turn: a run's deadline must not wait for Wireflow's limits."""
    try:
        return await _ask(lease, deps), None
    except Throttled as missed:
        return None, missed.at


async def _ask(lease: Lease, deps: Deps) -> RunResponse | None:
    """The next answer about the run, or None if there is none worth judging."""
    notes, now = lease.notes, deps.clock.now()
    started = lease.job.started_at or lease.job.created_at
    details = now - max(started, notes.details_at or started) >= DETAILS_EVERY
    try:
        answer = await _fetch_run(lease, deps, details=details)
    except errors.RunNotFound:
        return await _ask_the_other(lease, deps, details=not details)
    except errors.PollError as error:
        await _handle_poll_error(error, lease, deps)
        return None
    notes.poll_errors = 0
    return answer


async def _ask_the_other(lease: Lease, deps: Deps, *, details: bool) -> RunResponse | None:
    """One endpoint does not know the run: the other one may."""
    try:
        return await _fetch_run(lease, deps, details=details)
    except errors.RunNotFound:
        await _missing(lease, deps)
    except errors.PollError as error:
        await _handle_poll_error(error, lease, deps)
    return None


async def _fetch_run(lease: Lease, deps: Deps, *, details: bool) -> RunResponse:
    """One request, in turn and only while the lease holds. Details are noted even if they fail: not every second."""
    execution_id = lease.job.execution_id or ""
    before = _deadline(lease.job, deps) if lease.job.status is Status.RUNNING else None
    async with deps.requests.turn(before):
        lease.check()
        lease.notes.polls += 1
        lease.notes.asked_at = deps.clock.now()
        if details:
            lease.notes.details_at = lease.notes.asked_at
        ask = deps.wireflow.details if details else deps.wireflow.poll
        answer = await ask(execution_id)
    deps.requests.heard(answer.pace)
    await deps.admission.key_accepted()
    return answer


async def _handle_poll_error(error: errors.PollError, lease: Lease, deps: Deps) -> None:
    """A failed poll: later, as late as Wireflow asks; a refused key stops new executions too."""
    lease.notes.poll_errors += 1
    if error.retry_at is not None:
        deps.requests.pause(error.retry_at)
    if error.code is ErrorCode.KEY_REFUSED:
        await deps.admission.key_refused()
    fields = {**lease.job.log_fields(), "errorCode": error.code}
    deps.log.warning(Event.UPSTREAM_REFUSED, f"A poll failed. {EXPLANATIONS[error.code].message}", **fields)


async def _missing(lease: Lease, deps: Deps) -> None:
    """Neither endpoint knows the run: twice, a minute apart, means that nobody knows whether there is one."""
    now, since = deps.clock.now(), lease.job.missing_since
    lease.notes.poll_errors += 1
    if since is None:
        await lease.save(missing_since=now)
    elif now - since >= MISSING_FOR and lease.job.images:
        await lease.save(status=Status.COPYING, copying_since=now)  # the run has shown what it made
    elif now - since >= MISSING_FOR:
        deps.log.warning(Event.OUTCOME_UNKNOWN, "Wireflow does not know the run.", **lease.job.log_fields())
        await lease.save(status=Status.TRIGGERING, outcome_unknown=True, missing_since=None)


# --- judging -------------------------------------------------------------------------------------------------------


async def _record_progress(lease: Lease, answer: RunResponse, deps: Deps) -> None:
    """Keep what is new: image URLs while the run goes on, answers that nobody understands, a run found again."""
    job = lease.job
    changes: dict[str, Any] = {}
    lease.notes.steps = answer.steps or lease.notes.steps
    if deps.drift.noticed(answer.news, job) or answer.state is None:
        lease.notes.strange_answer = lease.notes.strange_answer or answer.raw
    if answer.state is None and job.last_answer is None:
        changes["last_answer"] = answer.raw
    if job.missing_since is not None:
        changes["missing_since"] = None
    images = _images(job, answer)
    if not _ended(answer) and images != job.images:
        changes["images"] = images
    if changes:
        await lease.save(**changes)


def _ended(answer: RunResponse) -> bool:
    return answer.state is not None and answer.state.terminal


async def _finish(lease: Lease, answer: RunResponse, deps: Deps) -> None:
    """Move the job on if the run has ended."""
    if not _ended(answer):
        return
    now, images = deps.clock.now(), _images(lease.job, answer)
    error = None if answer.state is RunState.COMPLETED else _vendor_error(lease.job, answer, images)
    if images:
        changes = {**_to_copying(images, now), **_named(lease.job, answer)}
        await lease.save(**changes, error=error, last_answer=_strange(lease))
    elif error:
        await _fail(lease, error, answer, deps)
    elif lease.notes.empty_at is None:
        lease.notes.empty_at = now  # COMPLETED without an image is asked once more
    else:
        await _fail(lease, _without_image(lease.job, answer), answer, deps)


def _images(job: Job, answer: RunResponse) -> tuple[Image, ...]:
    """The images of this answer, then those known before that it no longer shows; what is stored keeps its number.

    A URL of the request itself is an input, not a result. Of one image signed several times the newest URL counts: it
    lives longest.
    """
    shown = {unsigned(url): url for url in answer.image_urls if not _is_input(url, job)}
    known = {unsigned(image.source_url): image.source_url for image in job.images}
    if any(image.name for image in job.images):
        more = [url for place, url in shown.items() if place not in known]
        return (*job.images, *_numbered(more, len(job.images)))
    return _numbered([*shown.values(), *(url for place, url in known.items() if place not in shown)], 0)


def _numbered(urls: list[str], start: int) -> tuple[Image, ...]:
    return tuple(Image(index=index, source_url=url) for index, url in enumerate(urls, start))


def _strange(lease: Lease) -> str | None:
    """The answer that nobody understood: kept with the next write, for names alone are not worth one of their own."""
    return lease.job.last_answer or lease.notes.strange_answer


def _is_input(url: str, job: Job) -> bool:
    return url in (job.hosted_url, job.image1) or f'"{url}"' in job.input


def _to_copying(images: tuple[Image, ...], now: datetime) -> dict[str, Any]:
    return {
        "status": Status.COPYING,
        "images": images,
        "copying_since": now,
    }


def _named(job: Job, answer: RunResponse) -> dict[str, Any]:
    """What an answer says about the run as a whole; one that says nothing takes nothing away."""
    credits_used = job.credits_used if answer.credits_used is None else answer.credits_used
    return {"credits_used": credits_used, "request_id": answer.request_id or job.request_id}


def _vendor_error(job: Job, answer: RunResponse, images: tuple[Image, ...]) -> JobError:
    """FAILED, CANCELLED or TIMEOUT in the vendor's words. A failed model is not charged; images were paid for."""
    code = {RunState.CANCELLED: ErrorCode.CANCELED, RunState.TIMEOUT: ErrorCode.TIMED_OUT}.get(
        answer.state or RunState.FAILED, ErrorCode.MODERATION if answer.moderated else ErrorCode.UPSTREAM_ERROR
    )
    charged = Charged.NO if answer.state is RunState.FAILED else Charged.UNKNOWN
    if images or (answer.credits_used or 0) > 0:
        charged = Charged.YES
    request_id = answer.request_id or job.request_id
    return JobError.of(code, charged=job.cost(charged), message=answer.error, request_id=request_id)


def _without_image(job: Job, answer: RunResponse) -> JobError:
    credits_used = answer.credits_used
    charged = Charged.UNKNOWN if credits_used is None else Charged.YES if credits_used else Charged.NO
    code = ErrorCode.COMPLETED_WITHOUT_IMAGE
    return JobError.of(code, charged=job.cost(charged), message=answer.error, request_id=answer.request_id)


# --- the end -------------------------------------------------------------------------------------------------------


def _deadline(job: Job, deps: Deps) -> datetime:
    return (job.started_at or job.created_at) + timedelta(seconds=deps.config.run_deadline)


async def _time_out(lease: Lease, deps: Deps) -> None:
    """Given up on; images that the run has shown are kept, and one look an hour later may find more."""
    job, now = lease.job, deps.clock.now()
    error = JobError.of(ErrorCode.TIMED_OUT, charged=Charged.UNKNOWN, request_id=job.request_id)
    if job.images:
        await lease.save(status=Status.COPYING, copying_since=now, error=error)
    else:
        await _fail(lease, error, None, deps, due_at=now + LATE_LOOK_AFTER)


async def _fail(
    lease: Lease, error: JobError, answer: RunResponse | None, deps: Deps, due_at: datetime | None = None
) -> None:
    changes: dict[str, Any] = {"status": Status.FAILED, "error": error, "completed_at": deps.clock.now()}
    if answer:
        changes |= _named(lease.job, answer)
    job = await lease.save(**changes, last_answer=_strange(lease), due_at=due_at)
    deps.log.warning(Event.JOB_FAILED, EXPLANATIONS[error.code].message, **job.log_fields())

"""What a job needs before its paid call: the input image hosted at Wireflow, the inputs of a saved workflow known.

None of it costs money. What only the caller can mend fails the job; everything else is tried again while it waits.
"""

import json
from collections.abc import Awaitable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TypeVar

from shared.error_codes import EXPLANATIONS, Charged, ErrorCode
from shared.job import Job, JobError
from shared.log import Event
from shared.ports import CopyError, ImageGone, ImageRefused, UrlNotAllowed
from shared.runtime.dependencies import Deps
from shared.runtime.lease import Lease
from shared.steps.copy import GONE_FOR
from shared.steps.dispatch import failed, give_up_waiting
from shared.steps.input_images import at_wireflow, content_of, keep
from shared.wireflow import errors
from shared.workflows import FieldRefused, Mode, NodeInput, call_body

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 600.0  # seconds between two tries

HINT = "Nothing was paid for. Change the request and send it again with a new Idempotency-Key."

T = TypeVar("T")


class _Unfit(Exception):
    """The request cannot be carried out; only its caller can mend it."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class _Later(Exception):
    """Something does not answer; trying again may help."""

    def __init__(self, code: ErrorCode, at: datetime | None = None) -> None:
        super().__init__(code)
        self.code, self.at = code, at


def prepared(job: Job, deps: Deps) -> Job:
    """The new job, ready for its paid call if nobody has to be asked; else it is due at once, and not in line yet."""
    if job.image1 and at_wireflow(job.image1, deps.config):
        job = job.evolve(hosted_url=job.image1)
    workflow = deps.config.workflow(job.workflow)
    inputs = deps.descriptions.known(workflow) if workflow else None
    if workflow and (job.hosted_url or not job.image1) and (inputs is not None or workflow.mode is not Mode.RUN):
        with suppress(_Unfit):  # then the poller says so
            return job.evolve(input=_input(job, deps, inputs))
    return job.evolve(prepared=False, queue_at=None, due_at=job.queue_at, wait_reason=None)


async def prepare(lease: Lease, deps: Deps) -> datetime | None:
    """One try; returns when to try again, or None when the job is in line or has failed."""
    job, now = lease.job, deps.clock.now()
    if now >= job.give_up_at:
        await give_up_waiting(lease, deps)
        return None
    try:
        await _host(lease, deps)
        inputs = await _inputs(lease.job, deps)
        changes = {
            "input": _input(lease.job, deps, inputs),
            "prepared": True,
            "wait_reason": ErrorCode.RATE_LIMITED,
        }
        await lease.save(**changes, queue_at=deps.clock.now(), due_at=job.give_up_at)
    except _Unfit as error:
        await _fail(lease, error, deps)
    except _Later as later:
        return await _wait(lease, later, deps)
    return None


# --- the image -----------------------------------------------------------------------------------------------------


async def _host(lease: Lease, deps: Deps) -> None:
    """Upload the input image, once: its address at Wireflow is saved before anything is paid."""
    if lease.job.image1 is None or lease.job.hosted_url:
        return
    async with deps.uploads:
        content, kind = await _content(lease, deps)
        async with deps.requests.turn(lease.job.give_up_at):
            url = await _asked(deps.wireflow.host(content, kind))
    await lease.save(hosted_url=url)


async def _content(lease: Lease, deps: Deps) -> tuple[bytes, str]:
    """The image's bytes and type; kept from here on, in case that the upload has to be tried again."""
    try:
        content = await content_of(lease.job, deps)
        kind = deps.image_from_bytes(content).content_type
        if "://" in (lease.job.image1 or "") and lease.job.image1_kept is None:
            await lease.save(image1_kept=await keep(lease.job.id, content, deps))
        return content, kind
    except UrlNotAllowed as error:
        words = "image1 is at a place that is not asked: only public https addresses are, on port 443."
        raise _Unfit(ErrorCode.INVALID_REQUEST, words) from error
    except ImageRefused as error:
        words = f"image1: {error}. It must be a PNG, JPEG, WebP, GIF or AVIF image of at most 25 MiB."
        raise _Unfit(error.code, words) from error
    except ImageGone as error:
        await _note_gone(lease, error, deps)
        raise _Later(ErrorCode.INPUT_IMAGE_UNAVAILABLE) from error
    except CopyError as error:
        raise _Later(ErrorCode.INPUT_IMAGE_UNAVAILABLE) from error


async def _note_gone(lease: Lease, error: ImageGone, deps: Deps) -> None:
    """_Unfit when the image has been gone for a while: nobody will bring it back."""
    now = deps.clock.now()
    if now - (lease.job.image1_gone_since or now) >= GONE_FOR:
        code = ErrorCode.INPUT_IMAGE_UNAVAILABLE
        raise _Unfit(code, EXPLANATIONS[code].message) from error
    if lease.job.image1_gone_since is None:
        await lease.save(image1_gone_since=now)


# --- the inputs ----------------------------------------------------------------------------------------------------


async def _inputs(job: Job, deps: Deps) -> tuple[NodeInput, ...] | None:
    workflow = deps.config.workflow(job.workflow)
    if workflow is None:
        raise _Later(ErrorCode.CONFIGURATION)
    if workflow.mode is not Mode.RUN:
        return None
    if (known := deps.descriptions.known(workflow)) is not None:
        return known
    async with deps.requests.turn(job.give_up_at):
        return await _asked(deps.descriptions.ask(workflow))


def _input(job: Job, deps: Deps, inputs: tuple[NodeInput, ...] | None) -> str:
    """What goes to Wireflow; for a saved workflow by node. _Unfit if a field does not fit it."""
    workflow = deps.config.workflow(job.workflow)
    if workflow is None or workflow.mode is not Mode.RUN:
        return job.input
    try:
        body = call_body(workflow, job.prompt, json.loads(job.input), job.hosted_url, inputs)
    except FieldRefused as error:
        raise _Unfit(ErrorCode.INVALID_REQUEST, f"{error.field}: {error}") from error
    return json.dumps(body["inputs"], ensure_ascii=False, separators=(",", ":"))


async def _asked(call: Awaitable[T]) -> T:
    try:
        return await call
    except errors.RequestRefused as error:
        raise _Unfit(ErrorCode.INVALID_REQUEST, str(error)) from error
    except errors.WireflowError as error:
        raise _Later(error.code, error.retry_at) from error


# --- what did not work ---------------------------------------------------------------------------------------------


async def _wait(lease: Lease, later: _Later, deps: Deps) -> datetime:
    tries, now = lease.job.preparing_tries, deps.clock.now()
    await lease.save(wait_reason=later.code, preparing_tries=tries + 1)
    deps.log.warning(
        Event.UPSTREAM_REFUSED,
        f"The job is not ready for its paid call. {EXPLANATIONS[later.code].message}",
        **{**lease.job.log_fields(), "errorCode": later.code},
    )
    pause = now + timedelta(seconds=min(FIRST_PAUSE * 2.0 ** min(tries, 10), LONGEST_PAUSE))
    return min(max(later.at or pause, now), lease.job.give_up_at)


async def _fail(lease: Lease, error: _Unfit, deps: Deps) -> None:
    known = JobError.of(error.code, charged=Charged.NO, message=str(error), hint=HINT)
    job = await lease.save(**failed(known, deps.clock.now()))
    deps.log.warning(Event.JOB_FAILED, EXPLANATIONS[error.code].message, **job.log_fields())

"""What a job needs before its paid call: the input image hosted at Wireflow, the inputs of a saved workflow known.

None of it costs money. What only the caller can mend fails the job; everything else is tried again while it waits.
"""

import json
from collections.abc import Awaitable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TypeVar

from shared.errorcodes import EXPLANATIONS, Charged, ErrorCode
from shared.job import Job, JobError
from shared.log import Event
from shared.ports import CopyError, ImageGone, ImageRefused, PlaceRefused
from shared.steps.copy import GONE_FOR
from shared.steps.dispatch import failed, give_up_waiting
from shared.steps.input_images import at_wireflow, content_of, keep
from shared.steps.lease import Lease
from shared.steps.services import Services
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


def prepared(job: Job, services: Services) -> Job:
    """The new job, ready for its paid call if nobody has to be asked; else it is due at once, and not in line yet."""
    if job.image1 and at_wireflow(job.image1, services.config):
        job = job.evolve(hosted_url=job.image1)
    workflow = services.config.workflow(job.workflow)
    inputs = services.descriptions.known(workflow) if workflow else None
    if workflow and (job.hosted_url or not job.image1) and (inputs is not None or workflow.mode is not Mode.RUN):
        with suppress(_Unfit):  # then the poller says so
            return job.evolve(input=_input(job, services, inputs))
    return job.evolve(prepared=False, queue_at=None, due_at=job.queue_at, wait_reason=None)


async def prepare(lease: Lease, services: Services) -> datetime | None:
    """One try; returns when to try again, or None when the job is in line or has failed."""
    job, now = lease.job, services.clock.now()
    if now >= job.give_up_at:
        await give_up_waiting(lease, services)
        return None
    try:
        await _host(lease, services)
        inputs = await _inputs(lease.job, services)
        changes = {
            "input": _input(lease.job, services, inputs),
            "prepared": True,
            "wait_reason": ErrorCode.RATE_LIMITED,
        }
        await lease.save(**changes, queue_at=services.clock.now(), due_at=job.give_up_at)
    except _Unfit as error:
        await _fail(lease, error, services)
    except _Later as later:
        return await _wait(lease, later, services)
    return None


# --- the image -----------------------------------------------------------------------------------------------------


async def _host(lease: Lease, services: Services) -> None:
    """Upload the input image, once: its address at Wireflow is saved before anything is paid."""
    if lease.job.image1 is None or lease.job.hosted_url:
        return
    async with services.uploads:
        content, kind = await _content(lease, services)
        async with services.requests.turn(lease.job.give_up_at):
            url = await _asked(services.wireflow.host(content, kind))
    await lease.save(hosted_url=url)


async def _content(lease: Lease, services: Services) -> tuple[bytes, str]:
    """The image's bytes and type; kept from here on, in case that the upload has to be tried again."""
    try:
        content = await content_of(lease.job, services)
        kind = services.picture_of(content).content_type
        if "://" in (lease.job.image1 or "") and lease.job.image1_kept is None:
            await lease.save(image1_kept=await keep(lease.job.id, content, services))
        return content, kind
    except PlaceRefused as error:
        words = "image1 is at a place that is not asked: only public https addresses are, on port 443."
        raise _Unfit(ErrorCode.INVALID_REQUEST, words) from error
    except ImageRefused as error:
        words = f"image1: {error}. It must be a PNG, JPEG, WebP, GIF or AVIF image of at most 25 MiB."
        raise _Unfit(error.code, words) from error
    except ImageGone as error:
        await _note_gone(lease, error, services)
        raise _Later(ErrorCode.INPUT_IMAGE_UNAVAILABLE) from error
    except CopyError as error:
        raise _Later(ErrorCode.INPUT_IMAGE_UNAVAILABLE) from error


async def _note_gone(lease: Lease, error: ImageGone, services: Services) -> None:
    """_Unfit when the image has been gone for a while: nobody will bring it back."""
    now = services.clock.now()
    if now - (lease.job.image1_gone_since or now) >= GONE_FOR:
        code = ErrorCode.INPUT_IMAGE_UNAVAILABLE
        raise _Unfit(code, EXPLANATIONS[code].message) from error
    if lease.job.image1_gone_since is None:
        await lease.save(image1_gone_since=now)


# --- the inputs ----------------------------------------------------------------------------------------------------


async def _inputs(job: Job, services: Services) -> tuple[NodeInput, ...] | None:
    workflow = services.config.workflow(job.workflow)
    if workflow is None:
        raise _Later(ErrorCode.CONFIGURATION)
    if workflow.mode is not Mode.RUN:
        return None
    if (known := services.descriptions.known(workflow)) is not None:
        return known
    async with services.requests.turn(job.give_up_at):
        return await _asked(services.descriptions.ask(workflow))


def _input(job: Job, services: Services, inputs: tuple[NodeInput, ...] | None) -> str:
    """What goes to Wireflow; for a saved workflow by node. _Unfit if a field does not fit it."""
    workflow = services.config.workflow(job.workflow)
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


async def _wait(lease: Lease, later: _Later, services: Services) -> datetime:
    tries, now = lease.job.preparing_tries, services.clock.now()
    await lease.save(wait_reason=later.code, preparing_tries=tries + 1)
    services.log.warning(
        Event.UPSTREAM_REFUSED,
        f"The job is not ready for its paid call. {EXPLANATIONS[later.code].message}",
        **{**lease.job.log_fields(), "errorCode": later.code},
    )
    pause = now + timedelta(seconds=min(FIRST_PAUSE * 2.0 ** min(tries, 10), LONGEST_PAUSE))
    return min(max(later.at or pause, now), lease.job.give_up_at)


async def _fail(lease: Lease, error: _Unfit, services: Services) -> None:
    known = JobError.of(error.code, charged=Charged.NO, message=str(error), hint=HINT)
    job = await lease.save(**failed(known, services.clock.now()))
    services.log.warning(Event.JOB_FAILED, EXPLANATIONS[error.code].message, **job.log_fields())

"""Prepare a job for its paid call: its input image hosted at Wireflow, the inputs of its saved workflow known.

None of this costs money. A problem that only the caller can fix fails the job; anything else is retried.
"""

import json
from collections.abc import Awaitable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TypeVar

from shared.callers import share_of
from shared.copy_errors import CopyError, ImageGone, ImageRefused, UrlNotAllowed
from shared.error_codes import EXPLANATIONS, Charged, ErrorCode
from shared.job import Job
from shared.job_parts import InputImage, JobError
from shared.log import Event
from shared.runtime.dependencies import Deps
from shared.runtime.lease import Lease
from shared.steps.copy import GONE_FOR
from shared.steps.finish import finish
from shared.steps.input_images import fetch_input, is_hosted_by_wireflow, read_input
from shared.steps.paid_call import UNKNOWN_WORKFLOW_HINT, unknown_workflow
from shared.steps.placing import place_of_prepared
from shared.steps.waiting import give_up_waiting
from shared.wireflow import errors
from shared.workflows import IMAGES, FieldRefused, Mode, NodeInput, call_body

FIRST_PAUSE, MAX_PAUSE = 5.0, 600.0  # seconds between two tries

NO_LONGER_STORED = "The input image is no longer stored. The job that produced it may have been erased."
HINT = "Nothing was charged. Change the request and send it with a new Idempotency-Key."

T = TypeVar("T")


class _Rejected(Exception):
    """The request cannot be carried out; only its caller can fix it."""

    def __init__(self, code: ErrorCode, message: str, hint: str = HINT) -> None:
        super().__init__(message)
        self.code, self.hint = code, hint


class _Unavailable(Exception):
    """A service does not respond; a later try may succeed. `at`: when that service asked to be tried again."""

    def __init__(self, code: ErrorCode, at: datetime | None = None) -> None:
        super().__init__(code)
        self.code, self.at = code, at


def prepare_at_once(job: Job, deps: Deps) -> Job:
    """Return the new job, ready for its paid call if that takes no network request, otherwise due for `prepare`."""
    for index, image in enumerate(job.input_images):
        if is_hosted_by_wireflow(image.source, deps.config):
            job = job.input_hosted(index, image.source)
    workflow = deps.config.workflow(job.workflow)
    inputs = deps.workflow_inputs.cached(workflow) if workflow else None
    hosted = len(job.hosted_urls) == len(job.input_images)
    if workflow and hosted and (inputs is not None or workflow.mode is not Mode.RUN):
        with suppress(_Rejected):  # `prepare` reports it
            text = _input_for_wireflow(job, deps, inputs)
            return job if text == job.input else job.with_input(text)
    return job.unprepared()


async def prepare(lease: Lease, deps: Deps) -> datetime | None:
    """Try once. Return when to try again, or None when the job is in the queue or has failed."""
    if deps.clock.now() >= lease.job.give_up_at:
        await give_up_waiting(lease, deps)
        return None
    try:
        for index in range(len(lease.job.input_images)):
            await _host_input(index, lease, deps)
        text = _input_for_wireflow(lease.job, deps, await _workflow_inputs(lease.job, deps))
        await lease.release(lease.job.queued(text, await place_of_prepared(lease.job, deps)))
    except _Rejected as rejected:
        await _fail(lease, rejected, deps)
    except _Unavailable as unavailable:
        return await _retry_at(lease, unavailable, deps)
    return None


# --- the input images ----------------------------------------------------------------------------------------------


async def _host_input(index: int, lease: Lease, deps: Deps) -> None:
    """Upload an input image once: its URL at Wireflow is saved before anything is paid.

    It is stored first: it passes through, however many are fetched at a time, and an upload may have to be repeated. A
    server that sends a byte a second occupies a slot for 20 s, so that one caller never gets all of them.
    """
    image = lease.job.input_images[index]
    if image.hosted_url:
        return
    if "://" in image.source and image.stored is None:
        async with deps.fetches.acquire_for(share_of(lease.job.caller)):
            name = await _input_errors_translated(fetch_input(lease.job, index, deps), index, lease, deps)
        image = (await lease.save(lease.job.input_stored(index, name))).input_images[index]
    async with deps.uploads.acquire_for(share_of(lease.job.caller)):
        content, content_type = await _input_errors_translated(_content(image, deps), index, lease, deps)
        async with deps.requests.acquire_behind_polls(lease.job.give_up_at):
            url = await _translated(deps.window.bound(deps.wireflow.upload_image(content, content_type)))
    await lease.save(lease.job.input_hosted(index, url))


async def _content(image: InputImage, deps: Deps) -> tuple[bytes, str]:
    """Return an input image and its content type."""
    content = await read_input(image, deps)
    return content, deps.image_from_bytes(content).content_type


async def _input_errors_translated(work: Awaitable[T], index: int, lease: Lease, deps: Deps) -> T:
    """Await work on an input image and raise its errors as ours."""
    name = IMAGES[index]
    try:
        return await work
    except UrlNotAllowed as error:
        message = f"The {name} URL is not allowed: only public https URLs on port 443 are."
        raise _Rejected(ErrorCode.INVALID_REQUEST, message) from error
    except ImageRefused as error:
        message = f"{name}: {error}. Send a PNG, JPEG, WebP, GIF or AVIF image of at most 25 MiB."
        raise _Rejected(error.code, message) from error
    except ImageGone as error:
        await _record_gone(lease, index, error, deps)
        raise _Unavailable(ErrorCode.INPUT_IMAGE_UNAVAILABLE) from error
    except CopyError as error:
        raise _Unavailable(ErrorCode.INPUT_IMAGE_UNAVAILABLE) from error


async def _record_gone(lease: Lease, index: int, error: ImageGone, deps: Deps) -> None:
    """Record since when the image is gone. Raise _Rejected after ten minutes."""
    now, code = deps.clock.now(), ErrorCode.INPUT_IMAGE_UNAVAILABLE
    if now - (lease.job.input_gone_since or now) >= GONE_FOR:
        is_url = "://" in lease.job.input_images[index].source
        known = EXPLANATIONS[code]
        message, hint = (known.message, known.failed_hint) if is_url else (NO_LONGER_STORED, HINT)
        raise _Rejected(code, message, hint) from error
    if lease.job.input_gone_since is None:
        await lease.save(lease.job.input_gone(now))


# --- the inputs of a saved workflow --------------------------------------------------------------------------------


async def _workflow_inputs(job: Job, deps: Deps) -> tuple[NodeInput, ...] | None:
    workflow = deps.config.workflow(job.workflow)
    if workflow is None:
        raise _Rejected(ErrorCode.CONFIGURATION, unknown_workflow(job), UNKNOWN_WORKFLOW_HINT)
    if workflow.mode is not Mode.RUN:
        return None
    if (cached := deps.workflow_inputs.cached(workflow)) is not None:
        return cached
    async with deps.requests.acquire_behind_polls(job.give_up_at):
        return await _translated(deps.window.bound(deps.workflow_inputs.get(workflow)))


def _input_for_wireflow(job: Job, deps: Deps, inputs: tuple[NodeInput, ...] | None) -> str:
    """Return the JSON text for Wireflow; for a saved workflow by node. Raise _Rejected if a field does not fit it."""
    workflow = deps.config.workflow(job.workflow)
    if workflow is None or workflow.mode is not Mode.RUN:
        return job.input
    try:
        body = call_body(workflow, job.prompt, json.loads(job.input), job.hosted_urls, inputs)
    except FieldRefused as error:
        raise _Rejected(ErrorCode.INVALID_REQUEST, f"{error.field}: {error}") from error
    return json.dumps(body["inputs"], ensure_ascii=False, separators=(",", ":"))


async def _translated(call: Awaitable[T]) -> T:
    """Await a free call to Wireflow and raise its errors as ours."""
    try:
        return await call
    except errors.RequestRefused as error:
        raise _Rejected(ErrorCode.INVALID_REQUEST, str(error)) from error
    except errors.WireflowError as error:
        raise _Unavailable(error.code, error.retry_at) from error


# --- failures ------------------------------------------------------------------------------------------------------


async def _retry_at(lease: Lease, unavailable: _Unavailable, deps: Deps) -> datetime:
    now, tries = deps.clock.now(), lease.job.preparing_tries
    job = await lease.save(lease.job.prepare_failed(unavailable.code))
    message = f"The job could not be prepared. {EXPLANATIONS[unavailable.code].message}"
    deps.log.warning(Event.UPSTREAM_REFUSED, message, **{**job.log_fields(), "errorCode": unavailable.code})
    pause = now + timedelta(seconds=min(FIRST_PAUSE * 2.0 ** min(tries, 10), MAX_PAUSE))
    return min(max(unavailable.at or pause, now), job.give_up_at)


async def _fail(lease: Lease, rejected: _Rejected, deps: Deps) -> None:
    error = JobError.of(rejected.code, charged=Charged.NO, message=str(rejected), hint=rejected.hint)
    job = await finish(lease, lease.job.failed(error, deps.clock.now()), deps)
    deps.log.warning(Event.JOB_FAILED, EXPLANATIONS[error.code].message, **job.log_fields())

"""Copy the images of a run that has ended: streamed to the image store, verified, and only then reported.

The images are paid for, so a failed copy is retried with growing pauses for a day. The URLs may expire sooner.
"""

import asyncio
import re
from datetime import datetime, timedelta
from functools import partial
from urllib.parse import urlsplit

from shared.callers import share_of
from shared.config import MAX_COPY_TIME
from shared.copy_errors import (
    CopyError,
    HostNotAllowed,
    ImageGone,
    ImageRefused,
    ImageStoreFailed,
    ProxyUnavailable,
    UrlNotAllowed,
    UrlRefused,
)
from shared.error_codes import EXPLANATIONS, Charged, ErrorCode
from shared.file_names import content_disposition
from shared.job import Job
from shared.job_parts import Image, JobError, copy_errors_of
from shared.log import Event
from shared.ports import FileDetails, ImageStore, ImageStream
from shared.runtime.dependencies import Deps
from shared.runtime.lease import Lease
from shared.runtime.slots import WindowOver
from shared.steps.finish import finish
from shared.steps.results import without_twins

MAX_COPY_TIME_PARTIAL = timedelta(minutes=10)  # with allowPartial, stored images do not wait longer for missing ones
GONE_FOR = timedelta(minutes=10)  # after which an image that is not served counts as expired
MAX_PAUSE = 600.0  # seconds between two tries
RECHECK_AFTER = timedelta(hours=1)  # a run that timed out is asked for a late result

# Why a copy failed, and who can do what about it. Part of the record: at most 400 characters.
URL_REFUSED = "The image URL is not allowed: it must be an https URL of a public host."
HOST_NOT_ALLOWED = "The image is on {host}, which is not in IMAGE_HOSTS. The operator must add it."
ADDRESS_NOT_ALLOWED = (
    "The image URL leads to an address that is not allowed. The operator can find the address in the log."
)
STORE_FAILED = (
    "The image store of this deployment failed: {reason}. The operator must check IMAGES_URL and the permissions of "
    "the image store."
)
REJECTED = "The image was rejected: {reason}."
GONE = "The image is not served: {reason}."
DOWNLOAD_FAILED = (
    "The download failed: {reason}. The fault is at the image host: if it persists, look for the image in the Wireflow "
    "dashboard."
)
REASON_LIMIT = 240  # characters
QUERY = re.compile(r"\?[^\s'\"]+")  # of a URL: it may hold a signature
URL_REFUSED_HINT = "Look for the image in the Wireflow dashboard."
CAUSE_KNOWN_HINT = "Fix the cause, then recopy the image. The Wireflow dashboard may still have it."


async def copy(lease: Lease, deps: Deps) -> datetime | None:
    """Try each missing image once. Return when to try again, or None when the job has ended.

    What is stored is recorded, whatever becomes of the other images. Raise WindowOver if the window ended before some
    copies could begin.
    """
    before = lease.job.images
    tried = await asyncio.gather(*(_try(image, lease.job, deps) for image in before), return_exceptions=True)
    images = tuple(old if isinstance(new, BaseException) else new for old, new in zip(before, tried, strict=True))
    if errors := [new for new in tried if isinstance(new, BaseException)]:
        if images != before:
            await lease.save(lease.job.copied(images))
        raise next((error for error in errors if not isinstance(error, WindowOver)), errors[0])
    images = without_twins(images)
    if any(image.pending for image in images):
        job = await lease.save(lease.job.copy_tried(images))
        return deps.clock.now() + timedelta(seconds=min(2.0**job.copy_tries, MAX_PAUSE))
    await _finish(lease, images, deps)
    return None


async def _try(image: Image, job: Job, deps: Deps) -> Image:
    """Try a pending image once. Return it as stored, given up, or still pending."""
    if not image.pending:
        return image
    image = image.evolve(copy_error=None)  # of the last try
    base = f"jobs/{job.id}/{job.attempt}/{image.index}"
    loop = asyncio.get_running_loop()
    try:
        async with deps.copies.acquire_for(share_of(job.caller)):
            # A try whose result was lost may have stored it. Since then the CDN may have deleted it, or encode it anew.
            name = next((name for name in await deps.images.names(job.id) if name.startswith(f"{base}.")), None)
            measure = name and partial(measure_stored, image, name, deps.images)
            work = measure or partial(copy_one, image, base, job, deps)
            image = await loop.run_in_executor(deps.copy_threads, work)
            return image.evolve(stored_at=deps.clock.now())
    except CopyError as error:
        _log_failure(error, job, deps)
        image = image.evolve(copy_error=_explanation(error))
        return _after_failure(image, error, job, deps.clock.now())


def copy_one(image: Image, base: str, job: Job, deps: Deps) -> Image:
    """Stream one image into the store and return it with its measurements. Blocks: call it in a worker thread.

    `base`: the name in the store without its extension. Raise CopyError.
    """
    with deps.source.open(image.source_url) as stream:
        name = f"{base}.{stream.extension}"
        deps.images.write(name, stream, _details(job, image, name))
        return _stored(image, name, stream)


def _details(job: Job, image: Image, name: str) -> FileDetails:
    """What the store keeps beside an image, so that a consumer of its notification needs no look-up."""
    metadata = {
        "jobId": job.id,
        "executionId": job.execution_id or "",
        "workflow": job.workflow,
        "sourceHost": urlsplit(image.source_url).hostname or "",
        "aiGenerated": "true",
    }
    return FileDetails(content_disposition(job.id, job, name), metadata)


def measure_stored(image: Image, name: str, store: ImageStore) -> Image:
    """Return the image with the measurements of the stored file `name`. Blocks: call it in a worker thread."""
    with store.open(name) as stream:
        for _ in stream.chunks():
            pass
        return _stored(image, name, stream)


def _stored(image: Image, name: str, stream: ImageStream) -> Image:
    measured = stream.measured()
    return image.evolve(
        name=name,
        content_type=stream.content_type,
        width=measured.width,
        height=measured.height,
        bytes=measured.size,
        sha256=measured.sha256,
        crc32c=measured.crc32c,
        gone_since=None,
    )


def _log_failure(error: CopyError, job: Job, deps: Deps) -> None:
    fields, cause = job.log_fields(), f"{type(error).__name__}: {_reason(error)}"
    if isinstance(error, HostNotAllowed):  # terraform/modules/images/monitoring.tf alerts on these fields
        fields |= {"host": error.host, "setting": "IMAGE_HOSTS"}
        cause = f"{error.host} is not in IMAGE_HOSTS"
    deps.log.warning(Event.UPSTREAM_REFUSED, f"A copy failed: {cause}.", **fields)


def _reason(error: CopyError) -> str:
    """Return the text of an error on one line, without the queries of URLs."""
    line = " ".join(QUERY.sub("?[REDACTED]", str(error)).split())
    return "".join(char if char.isascii() and char.isprintable() else "?" for char in line)[:REASON_LIMIT]


def _after_failure(image: Image, error: CopyError, job: Job, now: datetime) -> Image:
    """Return the image as pending, or as given up: after its time, or at once if a retry does not help."""
    if isinstance(error, ImageRefused):
        return image.evolve(error=error.code)
    gone = isinstance(error, ImageGone | ProxyUnavailable)
    image = image.evolve(gone_since=(image.gone_since or now) if gone else None)
    if isinstance(error, ImageGone) and image.gone_since and now - image.gone_since >= GONE_FOR:
        return image.evolve(error=ErrorCode.IMAGE_EXPIRED)
    partial = job.allow_partial and any(image.name for image in job.images)
    limit = MAX_COPY_TIME_PARTIAL if partial else MAX_COPY_TIME
    expired = now - (job.copy_began_at or now) >= limit or isinstance(error, UrlRefused)
    return image.evolve(error=ErrorCode.COPY_FAILED if expired else None)


def _explanation(error: CopyError) -> str:
    """Return why a copy failed, for callers."""
    match error:
        case UrlRefused():
            return URL_REFUSED
        case HostNotAllowed(host=host):
            return HOST_NOT_ALLOWED.format(host=host)
        case UrlNotAllowed():
            return ADDRESS_NOT_ALLOWED
        case ImageStoreFailed():
            words = STORE_FAILED
        case ImageRefused():
            words = REJECTED
        case ImageGone() | ProxyUnavailable():
            words = GONE
        case _:
            words = DOWNLOAD_FAILED
    return words.format(reason=_reason(error))


async def give_up_copying(lease: Lease, deps: Deps) -> None:
    """End the job: its missing images cannot be copied."""
    images = tuple(image.evolve(error=ErrorCode.COPY_FAILED) if image.pending else image for image in lease.job.images)
    await _finish(lease, images, deps)


async def _finish(lease: Lease, images: tuple[Image, ...], deps: Deps) -> None:
    """End the job with the error of its run, with that of its copies, or as succeeded."""
    job, now = lease.job, deps.clock.now()
    missing = [image for image in images if image.name is None]
    error = job.error or _copy_error(job, images, missing)
    if error is None:
        job = await finish(lease, job.succeeded(images, now), deps)
        stored = len(images) - len(missing)
        deps.log.info(Event.JOB_STORED, f"Stored {stored} of {len(images)} images.", **job.log_fields())
        return
    recheck_at = now + RECHECK_AFTER if job.needs_recheck else None
    job = await finish(lease, job.failed(error, now, images=images, recheck_at=recheck_at), deps)
    deps.log.warning(Event.JOB_FAILED, EXPLANATIONS[error.code].message, **job.log_fields())


def _copy_error(job: Job, images: tuple[Image, ...], missing: list[Image]) -> JobError | None:
    if not missing or (job.allow_partial and len(missing) < len(images)):
        return None
    code, causes = missing[0].error or ErrorCode.COPY_FAILED, copy_errors_of(missing)
    message = f"{EXPLANATIONS[code].message} {causes}" if causes else None
    hint = CAUSE_KNOWN_HINT if causes and code is ErrorCode.COPY_FAILED else None
    hint = URL_REFUSED_HINT if causes == URL_REFUSED else hint
    return JobError.of(code, charged=Charged.YES, message=message, hint=hint, request_id=job.request_id)

"""Copy the images of a run that has ended: streamed to the image store, verified, and only then reported.

The images are paid for, so a failed copy is retried with growing pauses for a day. The URLs may expire sooner.
"""

import asyncio
from datetime import datetime, timedelta

from shared.error_codes import EXPLANATIONS, Charged, ErrorCode
from shared.job import Job
from shared.job_parts import Image, JobError
from shared.log import Event
from shared.ports import CopyError, ImageGone, ImageRefused, ImageSource, ImageStore
from shared.runtime.dependencies import Deps
from shared.runtime.lease import Lease
from shared.steps.results import without_twins

MAX_COPY_TIME = timedelta(hours=24)
MAX_COPY_TIME_PARTIAL = timedelta(minutes=10)  # with allowPartial, stored images do not wait longer for missing ones
GONE_FOR = timedelta(minutes=10)  # after which an image that is not served counts as expired
MAX_PAUSE = 600.0  # seconds between two tries
RECHECK_AFTER = timedelta(hours=1)  # a run that timed out is asked for a late result


async def copy(lease: Lease, deps: Deps) -> datetime | None:
    """Try each missing image once. Return when to try again, or None when the job has ended."""
    tried = await asyncio.gather(*(_try(image, lease.job, deps) for image in lease.job.images))
    images = without_twins(tuple(tried))
    if any(image.pending for image in images):
        job = await lease.save(lease.job.copy_tried(images))
        return deps.clock.now() + timedelta(seconds=min(2.0**job.copy_tries, MAX_PAUSE))
    await _finish(lease, images, deps)
    return None


async def _try(image: Image, job: Job, deps: Deps) -> Image:
    """Try a pending image once. Return it as stored, given up, or still pending."""
    if not image.pending:
        return image
    base = f"jobs/{job.id}/{job.attempt}/{image.index}"
    loop = asyncio.get_running_loop()
    try:
        return await loop.run_in_executor(deps.copy_threads, copy_one, image, base, deps.source, deps.images)
    except ImageRefused as error:
        return image.evolve(error=error.code)
    except ImageGone:
        now = deps.clock.now()
        since = image.gone_since or now
        return image.evolve(gone_since=since, error=ErrorCode.IMAGE_EXPIRED if now - since >= GONE_FOR else None)
    except CopyError as error:
        deps.log.warning(Event.UPSTREAM_REFUSED, f"A copy failed: {type(error).__name__}", **job.log_fields())
        return _after_failure(image, job, deps.clock.now())


def copy_one(image: Image, base: str, source: ImageSource, store: ImageStore) -> Image:
    """Stream one image into the store and return it with its measurements. Blocks: call it in a worker thread.

    `base`: the name in the store without its extension. Raise CopyError.
    """
    with source.open(image.source_url) as stream:
        name = f"{base}.{stream.extension}"
        store.write(name, stream)
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


def _after_failure(image: Image, job: Job, now: datetime) -> Image:
    partial = job.allow_partial and any(image.name for image in job.images)
    limit = MAX_COPY_TIME_PARTIAL if partial else MAX_COPY_TIME
    expired = now - (job.copying_since or now) >= limit
    return image.evolve(gone_since=None, error=ErrorCode.COPY_FAILED if expired else None)


async def _finish(lease: Lease, images: tuple[Image, ...], deps: Deps) -> None:
    """End the job with the error of its run, with that of its copies, or as succeeded."""
    job, now = lease.job, deps.clock.now()
    missing = [image for image in images if image.name is None]
    error = job.error or _copy_error(job, images, missing)
    if error is None:
        job = await lease.release(job.succeeded(images, now))
        stored = len(images) - len(missing)
        deps.log.info(Event.JOB_STORED, f"Stored {stored} of {len(images)} images.", **job.log_fields())
        return
    recheck_at = now + RECHECK_AFTER if job.needs_recheck else None
    job = await lease.release(job.failed(error, now, images=images, recheck_at=recheck_at))
    deps.log.warning(Event.JOB_FAILED, EXPLANATIONS[error.code].message, **job.log_fields())


def _copy_error(job: Job, images: tuple[Image, ...], missing: list[Image]) -> JobError | None:
    if not missing or (job.allow_partial and len(missing) < len(images)):
        return None
    code = missing[0].error or ErrorCode.COPY_FAILED
    return JobError.of(code, charged=Charged.YES, request_id=job.request_id)

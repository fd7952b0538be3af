"""Copying the images of a run that has ended: streamed to the image store, checked, and only then reported.

An image was paid for: copies are tried again with growing pauses for a day. The URLs may die sooner.
"""

import asyncio
from datetime import datetime, timedelta

from shared.error_codes import EXPLANATIONS, Charged, ErrorCode
from shared.job import Image, Job, JobError, Status
from shared.log import Event
from shared.ports import CopyError, ImageGone, ImageRefused, ImageSource, ImageStore
from shared.runtime.dependencies import Deps
from shared.runtime.lease import Lease

PATIENCE = timedelta(hours=24)
PATIENCE_WHEN_PARTIAL = timedelta(minutes=10)  # with allowPartial the images that are there do not wait for the others
GONE_FOR = timedelta(minutes=10)
LONGEST_PAUSE = 600.0  # seconds between two tries
LATE_LOOK_AFTER = timedelta(hours=1)  # at a run that was given up on


async def copy(lease: Lease, deps: Deps) -> datetime | None:
    """Try each image that is missing once; returns when to try again, or None when the job has ended."""
    images = await asyncio.gather(*(_try(image, lease.job, deps) for image in lease.job.images))
    if any(_open(image) for image in images):
        tries = lease.job.copy_tries + 1
        await lease.save(images=tuple(images), copy_tries=tries)
        return deps.clock.now() + timedelta(seconds=min(2.0**tries, LONGEST_PAUSE))
    await _finish(lease, tuple(images), deps)
    return None


async def _try(image: Image, job: Job, deps: Deps) -> Image:
    """The image as it is after one more try: stored, refused, given up on, or still open."""
    if not _open(image):
        return image
    base = f"jobs/{job.id}/{job.attempt}/{image.index}"
    loop = asyncio.get_running_loop()
    try:
        return await loop.run_in_executor(deps.copy_threads, copy_one, image, base, deps.source, deps.images)
    except ImageRefused as error:
        return image.evolve(error=error.code)
    except ImageGone:
        return _gone(image, deps.clock.now())
    except CopyError as error:
        deps.log.warning(Event.UPSTREAM_REFUSED, f"A copy failed: {type(error).__name__}", **job.log_fields())
        return _after_failure(image, job, deps.clock.now())


def copy_one(image: Image, base: str, source: ImageSource, store: ImageStore) -> Image:
    """Stream one image into the store, in a worker thread; what was measured on the way goes into the record."""
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


def _open(image: Image) -> bool:
    return image.name is None and image.error is None


def _gone(image: Image, now: datetime) -> Image:
    since = image.gone_since or now
    return image.evolve(gone_since=since, error=ErrorCode.IMAGE_EXPIRED if now - since >= GONE_FOR else None)


def _after_failure(image: Image, job: Job, now: datetime) -> Image:
    partial = job.allow_partial and any(image.name for image in job.images)
    patience = PATIENCE_WHEN_PARTIAL if partial else PATIENCE
    over = now - (job.copying_since or now) >= patience
    return image.evolve(gone_since=None, error=ErrorCode.COPY_FAILED if over else None)


async def _finish(lease: Lease, images: tuple[Image, ...], deps: Deps) -> None:
    """All images have been decided on: the job ends with what the run said, or with what could not be copied."""
    job, now = lease.job, deps.clock.now()
    lost = [image for image in images if image.name is None]
    error = job.error or _copy_error(job, images, lost)
    status = Status.FAILED if error else Status.SUCCEEDED
    look_again = error and error.code is ErrorCode.TIMED_OUT and not job.late_look_done
    due_at = now + LATE_LOOK_AFTER if look_again else None
    job = await lease.save(status=status, images=images, error=error, completed_at=now, due_at=due_at)
    if error:
        deps.log.warning(Event.JOB_FAILED, EXPLANATIONS[error.code].message, **job.log_fields())
    else:
        stored = len(images) - len(lost)
        deps.log.info(Event.JOB_STORED, f"Stored {stored} of {len(images)} images.", **job.log_fields())


def _copy_error(job: Job, images: tuple[Image, ...], lost: list[Image]) -> JobError | None:
    if not lost or (job.allow_partial and len(lost) < len(images)):
        return None
    code = lost[0].error or ErrorCode.COPY_FAILED
    return JobError.of(code, charged=Charged.YES, request_id=job.request_id)

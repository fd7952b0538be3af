"""The input image of a job: where it comes from, and `inputs/{jobId}`, where it is kept until the job has ended."""

import asyncio
import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar
from urllib.parse import urlsplit

from shared.config import Config
from shared.job import Job, Status
from shared.ports import CopyError, ImageGone, ImageSource, NameTaken
from shared.runtime.dependencies import Deps
from shared.runtime.lease import Lease
from shared.submission import Submission

TRY_AGAIN = timedelta(minutes=5)

T = TypeVar("T")


class InputRefused(Exception):
    """The image of an earlier job that a request names cannot be its input; `field` names the mistake.

    InputRefused
    ├── SourceNotFound     there is no such job of this caller
    ├── SourceUnfinished   the job has no images yet, or will have none
    └── NoSuchImage      it has no image with this number
    """

    field = "fromJob"


class SourceNotFound(InputRefused):
    """There is no such job of this caller."""


class SourceUnfinished(InputRefused):
    """The job has not succeeded."""


class NoSuchImage(InputRefused):
    """The job has no image with this number."""

    field = "fromImage"


async def source_of(submission: Submission, deps: Deps) -> str | None:
    """Where the submission's image is: an address, or a name in the image store; None without one, or for a file."""
    if submission.from_job is None:
        return submission.image_url
    job = await deps.store.get(submission.from_job)
    if job is None or not (submission.admin or job.caller == submission.caller):
        raise SourceNotFound("There is no such job of yours; fromJob is the id of one of your own jobs.")
    if job.status is not Status.SUCCEEDED:
        raise SourceUnfinished(f"The job of fromJob is {job.status}: it must have succeeded.")
    found = next((image.name for image in job.images if image.index == submission.from_image and image.name), None)
    if found is None:
        raise NoSuchImage(f"The job of fromJob has no image {submission.from_image}; they count from 0.")
    return found


def at_wireflow(url: str, config: Config) -> bool:
    """Whether the image is on Wireflow's own hosts: where the executor finds it as it is."""
    home = urlsplit(config.wireflow_base_url).netloc.lower().removeprefix("www.")
    place = urlsplit(url).netloc.lower()
    return place == home or place.endswith(f".{home}")


async def keep(job_id: str, content: bytes, deps: Deps) -> str:
    """Store an input image until its job has ended; its name. ImageRefused if it is none.

    A crash between a file and its job leaves a file without a job: the next one under the same key takes another name.
    """
    image, name = deps.image_from_bytes(content), f"inputs/{job_id}"
    try:
        await _in_thread(deps, lambda: deps.images.write(name, image))
    except NameTaken:
        other = f"{name}.{hashlib.sha256(content).hexdigest()[:16]}"
        await _in_thread(deps, lambda: deps.images.write(other, deps.image_from_bytes(content)))
        return other
    return name


async def content_of(job: Job, deps: Deps) -> bytes:
    """The image's bytes, from the image store or from its address. CopyError, as with copies, if they cannot be had."""
    address = job.image1 or ""
    if job.image1_kept is None and "://" in address:
        return await _in_thread(deps, lambda: _fetch(address, deps.inputs))
    content = await deps.images.content(job.image1_kept or address)
    if content is None:
        raise ImageGone("the image store has it no more")
    return content


async def forget(lease: Lease, deps: Deps) -> datetime | None:
    """Remove the image of a job that has ended; returns when to try again if the image store does not answer."""
    if lease.job.image1_kept:
        try:
            await deps.images.delete(lease.job.image1_kept)
        except CopyError:
            return deps.clock.now() + TRY_AGAIN
    await lease.save(image1_kept=None, due_at=None)
    return None


def _fetch(url: str, source: ImageSource) -> bytes:
    with source.open(url) as image:
        return b"".join(image.chunks())


async def _in_thread(deps: Deps, work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(deps.copy_threads, work)

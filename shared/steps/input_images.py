"""The input image of a job: its source, and `inputs/{jobId}`, where it is stored until it is not needed."""

import asyncio
import hashlib
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

from shared.config import Config
from shared.copy_errors import CopyError, ImageGone, NameTaken
from shared.job import Job
from shared.job_states import Status
from shared.ports import INPUT_SECONDS
from shared.runtime.dependencies import Deps
from shared.steps.action_refused import InputGone
from shared.submission import Submission, SubmissionRefused

T = TypeVar("T")


class InputRefused(SubmissionRefused):
    """The image of an earlier job that a request names cannot be its input; `field` names the field to change.

    InputRefused
    ├── SourceNotFound     the caller has no such job
    ├── SourceUnfinished   the job has no images yet, or will have none
    └── NoSuchImage        the job has no image with this index
    """

    field = "fromJob"


class SourceNotFound(InputRefused):
    """The caller has no such job."""


class SourceUnfinished(InputRefused):
    """The job has not succeeded."""


class NoSuchImage(InputRefused):
    """The job has no image with this index."""

    field = "fromImage"


async def find_input_image(submission: Submission, deps: Deps) -> str | None:
    """Return the URL of the input image or its name in the image store; None if there is none, or for an uploaded file.

    Raise InputRefused if `fromJob` does not lead to an image.
    """
    if submission.from_job is None:
        return submission.image_url
    job = await deps.store.get(submission.from_job)
    return source_image(job, submission.from_image, submission.caller, admin=submission.admin)


def source_image(job: Job | None, index: int, caller: str | None, *, admin: bool) -> str:
    """Return the name of an image of the job in the image store. Raise InputRefused if the caller cannot use it."""
    if job is None or job.erased_at or not (admin or job.caller == caller):
        raise SourceNotFound("You have no job with this id. The source of an image must be one of your own jobs.")
    if job.status is not Status.SUCCEEDED:
        raise SourceUnfinished(f"The source job is {job.status}. It must have succeeded.")
    name = next((image.name for image in job.images if image.index == index and image.name), None)
    if name is None:
        raise NoSuchImage(f"The source job has no image {index}. The first image is 0.")
    return name


def is_hosted_by_wireflow(url: str, config: Config) -> bool:
    """Whether the image is on one of Wireflow's own hosts, where the executor can fetch it directly."""
    domain = urlsplit(config.wireflow_base_url).netloc.lower().removeprefix("www.")
    host = urlsplit(url).netloc.lower()
    return host == domain or host.endswith(f".{domain}")


async def store_input(job_id: str, content: bytes, deps: Deps) -> str:
    """Store an input image and return its name. Raise ImageRefused if it is not an image, CopyError if that fails.

    A crash between storing a file and creating its job leaves a file without a job: the next file under the same
    idempotency key gets another name.
    """
    stream, name = deps.image_from_bytes(content), f"inputs/{job_id}"
    try:
        await _in_thread(deps, lambda: deps.images.write(name, stream))
    except NameTaken:
        other = f"{name}.{hashlib.sha256(content).hexdigest()[:16]}"
        await _in_thread(deps, lambda: deps.images.write(other, deps.image_from_bytes(content)))
        return other
    return name


async def fetch_input(job: Job, deps: Deps) -> str:
    """Stream the input image from its URL into the image store, and return its name there.

    Raise CopyError, also after 20 s. Raise WindowOver at the end of the window; what has begun ends later, unseen.
    """
    source, name = job.image1 or "", f"inputs/{job.id}"
    try:
        return await deps.window.bound(_in_thread(deps, lambda: _fetch(source, name, deps)), INPUT_SECONDS)
    except TimeoutError as error:
        raise CopyError(f"the input image took longer than {INPUT_SECONDS:.0f} s") from error


async def read_input(job: Job, deps: Deps) -> bytes:
    """Return the bytes of the input image from the image store. Raise CopyError."""
    content = await deps.images.content(job.stored_input or job.image1 or "")
    if content is None:
        raise ImageGone("it is no longer in the image store")
    return content


async def check_input(job: Job, deps: Deps) -> None:
    """Raise InputGone if the input image of a final job cannot be used again. Raise CopyError if the store fails.

    An image at Wireflow or of an earlier job is used where it is. One that was stored is deleted a while after the end
    of its job; one that never was is fetched again.
    """
    if job.image1 is None or is_hosted_by_wireflow(job.image1, deps.config):
        return
    if job.stored_input:
        over = job.input_due_at is not None and job.input_due_at <= deps.clock.now()
        gone = over or await deps.images.read(job.stored_input) is None
    elif "://" in job.image1:
        gone = job.hosted_url is not None  # it was stored then
    else:
        gone = await deps.images.read(job.image1) is None
    if gone:
        raise InputGone(
            "The input image is no longer stored. Send a new request with the image and a new Idempotency-Key."
        )


def _fetch(url: str, name: str, deps: Deps) -> str:
    with deps.inputs.open(url) as stream:
        try:
            deps.images.write(name, stream)
            return name
        except NameTaken:  # an earlier try stored it, and the image at the URL has changed since
            name = f"{name}.{stream.measured().sha256[:16]}"
    with deps.inputs.open(url) as stream:
        deps.images.write(name, stream)
    return name


async def _in_thread(deps: Deps, work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(deps.input_threads, work)

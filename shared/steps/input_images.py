"""The input images of a job: their sources, and `inputs/{jobId}`, where they are stored until they are not needed."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import urlsplit

from shared.config import Config
from shared.copy_errors import CopyError, ImageGone, NameTaken
from shared.job import Job
from shared.job_parts import InputImage
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
    ├── NoSuchImage        the job has no image with this index
    └── RowLeftOut         (`store_batch`) the row was refused when its upload was stored
    """

    field = "fromJob"


class SourceNotFound(InputRefused):
    """The caller has no such job."""


class SourceUnfinished(InputRefused):
    """The job has not succeeded."""


class NoSuchImage(InputRefused):
    """The job has no image with this index."""

    field = "fromImage"


async def find_inputs(submission: Submission, deps: Deps) -> list[str | bytes]:
    """Return the input images: each as its URL, its name in the image store, or an uploaded file.

    Raise InputRefused if `fromJob` does not lead to an image.
    """
    if submission.from_job is None:
        return submission.further_images
    job = await deps.store.get(submission.from_job)
    name = source_image(job, submission.from_image, submission.caller, admin=submission.admin)
    return [name, *submission.further_images]


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


async def store_inputs(job_id: str, found: Sequence[str | bytes], deps: Deps) -> list[InputImage]:
    """Return the input images of a job after storing the uploaded files. Raise ImageRefused, CopyError."""
    images = []
    for index, image in enumerate(found):
        stored = None if isinstance(image, str) else await _store(input_name(job_id, index), image, deps)
        images.append(InputImage(source=image if isinstance(image, str) else stored or "", stored=stored))
    return images


def input_name(job_id: str, index: int) -> str:
    """Return the name of an input image in the image store: `inputs/ID`, `inputs/ID-2`, `inputs/ID-3`."""
    return f"inputs/{job_id}-{index + 1}" if index else f"inputs/{job_id}"


async def _store(name: str, content: bytes, deps: Deps) -> str:
    """Store an input image and return its name. Raise ImageRefused if it is not an image, CopyError if that fails.

    A crash between storing a file and creating its job leaves a file without a job: the next file under the same
    idempotency key gets another name.
    """
    stream = deps.image_from_bytes(content)
    try:
        await _in_thread(deps, lambda: deps.images.write(name, stream))
    except NameTaken:
        other = f"{name}.{hashlib.sha256(content).hexdigest()[:16]}"
        await _in_thread(deps, lambda: deps.images.write(other, deps.image_from_bytes(content)))
        return other
    return name


async def fetch_input(job: Job, index: int, deps: Deps) -> str:
    """Stream an input image from its URL into the image store, and return its name there.

    Raise CopyError, also after 20 s. Raise WindowOver at the end of the window; what has begun ends later, unseen.
    """
    source, name = job.input_images[index].source, input_name(job.id, index)
    try:
        return await deps.window.bound(_in_thread(deps, lambda: _fetch(source, name, deps)), INPUT_SECONDS)
    except TimeoutError as error:
        raise CopyError(f"the input image took longer than {INPUT_SECONDS:.0f} s") from error


async def read_input(image: InputImage, deps: Deps) -> bytes:
    """Return the bytes of an input image from the image store. Raise CopyError."""
    content = await deps.images.content(image.stored or image.source)
    if content is None:
        raise ImageGone("it is no longer in the image store")
    return content


async def check_input(job: Job, deps: Deps) -> None:
    """Raise InputGone if an input image of a final job cannot be used again. Raise CopyError if the store fails."""
    over = job.input_due_at is not None and job.input_due_at <= deps.clock.now()
    for image in job.input_images:
        if await _is_gone(image, deps) or (over and image.stored):
            raise InputGone(
                "The input image is no longer stored. Send a new request with the image and a new Idempotency-Key."
            )


async def _is_gone(image: InputImage, deps: Deps) -> bool:
    """Whether an input image cannot be used again.

    An image at Wireflow or of an earlier job is used where it is. One that was stored is deleted a while after the end
    of its job; one that never was is fetched again.
    """
    if is_hosted_by_wireflow(image.source, deps.config):
        return False
    if "://" in image.source and not image.stored:
        return image.hosted_url is not None  # it was stored then
    return await deps.images.read(image.stored or image.source) is None


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

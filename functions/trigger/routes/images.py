"""The image routes: the stored image, or word that it is not there yet; never a placeholder stored as a product."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from shared.job import Job, Status
from shared.job_parts import Image
from shared.ports import StoredImage
from shared.problems import Problem
from shared.public_job import sentence
from shared.runtime.dependencies import Deps

from ..context import Context
from ..responses import placeholders
from ..responses.negotiation import matches, wants_image
from ..responses.prefer import preference_applied, preferred_wait, wait_until

FOR_EVER = "private, max-age=31536000, immutable"
RETRY_SECONDS = 5


async def image(request: Request, context: Context, job_id: str, index: str | None = None) -> Response:
    """`GET /jobs/{id}/image` (the first) and `/image/{n}`."""
    number, deps = None if index is None else int(index), context.deps
    job, seconds = await deps.store.get(job_id), preferred_wait(request)
    if job:
        job = await wait_until(job, seconds, deps, lambda job: job.finished or _name_in(job, number) is not None)
    name = _name_in(job, number) if job else await _name_without_document(job_id, number, deps)
    if name is None and job:
        response = _nothing_yet(request, job, number)
    else:
        response = await _stored(request, name or "", deps)
    response.headers.update(preference_applied(seconds))
    return response


async def _stored(request: Request, name: str, deps: Deps) -> Response:
    stored = await deps.images.read(name)
    if stored is None:
        raise Problem("not_found", "The image has been deleted from the image store.")
    return _serve(request, stored)


def _name_in(job: Job, number: int | None) -> str | None:
    """Without a number the first; which one that is, is certain only when the first is stored or the job has ended."""
    stored = [image for image in job.images if image.name]
    if number is None and not job.finished:
        number = 0
    wanted = stored if number is None else [image for image in stored if image.index == number]
    return wanted[0].name if wanted else None


async def _name_without_document(job_id: str, number: int | None, deps: Deps) -> str:
    """The image outlives its document: `jobs/{jobId}/{attempt}/{n}.{ext}`, the newest attempt first."""
    found = []
    for name in await deps.images.names(job_id):
        attempt, file = name.split("/")[-2:]
        position = file.split(".")[0]
        if attempt.isdigit() and position.isdigit() and number in (None, int(position)):
            found.append((-int(attempt), int(position), name))
    if not found:
        raise Problem("not_found", "There is no such job and no such image.")
    return min(found)[2]


def _serve(request: Request, stored: StoredImage) -> Response:
    if stored.url:
        return RedirectResponse(stored.url, 302, {"Cache-Control": f"private, max-age={stored.seconds}"})
    etag = f'"{stored.crc32c}"'
    headers = {"ETag": etag, "Cache-Control": FOR_EVER, "X-Content-Type-Options": "nosniff"}
    if matches(request, etag):
        return Response(status_code=304, headers=headers)
    headers |= {"Content-Length": str(stored.size), "Content-Type": stored.content_type}
    if request.method == "HEAD" or stored.chunks is None:
        return Response(headers=headers)
    return StreamingResponse(stored.chunks, headers=headers)


def _nothing_yet(request: Request, job: Job, number: int | None) -> Response:
    """What there is to say about an image that is not stored."""
    if job.status is Status.SUCCEEDED and not _lost(job, number):
        raise Problem("not_found", "The job has no image with this number.")
    if job.finished:
        return _failed(request, job)
    if wants_image(request):
        return _placeholder(placeholders.waiting(), {"Retry-After": str(RETRY_SECONDS)})
    detail = "The image is not there yet: ask again after Retry-After seconds, or follow the job's status."
    raise Problem("image_not_ready", detail, headers={"Retry-After": str(RETRY_SECONDS)})


def _lost(job: Job, number: int | None) -> Image | None:
    return next((image for image in job.images if image.index == number and image.error), None)


def _failed(request: Request, job: Job) -> Response:
    if wants_image(request):
        return _placeholder(placeholders.failed(), {})
    if job.error:
        raise Problem("image_failed", f"{sentence(job.error.message)} {job.error.hint}")
    canceled = job.status is Status.CANCELED
    raise Problem("image_failed", "The job was cancelled." if canceled else "This image could not be copied.")


def _placeholder(content: bytes, headers: dict[str, str]) -> Response:
    return Response(content, media_type="image/png", headers={"Cache-Control": "no-store", "Vary": "Accept", **headers})

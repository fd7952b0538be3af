"""`GET /jobs/{id}/image` and `/image/{n}`: the bytes of a stored image, or why there are none.

A placeholder is sent only for an `<img>` and is never cached, so that no caller stores it as the image.
"""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from shared.callers import is_visitor
from shared.file_names import content_disposition
from shared.job import Job
from shared.job_parts import copy_errors_of
from shared.job_states import Status
from shared.ports import StoredImage
from shared.problems import Problem
from shared.public_job import advice, sentence

from ..auth.authorize import erased
from ..context import Context
from ..responses import placeholders
from ..responses.negotiation import matches, wants_image
from ..responses.prefer import preference_applied
from ..responses.ranges import first_bytes, requested_range

IMMUTABLE = "private, max-age=31536000, immutable"
CHECKED = "private, no-cache"  # by the ETag
RETRY_SECONDS = 5
UNKNOWN_IMAGE = "There is no job with this id, or it has no image with this index."


async def image_file(request: Request, _context: Context, job_id: str, index: str | None = None) -> Response:
    """Handle `GET /jobs/{id}/image.png` and the like, for tools that require a file extension: the same image."""
    path = f"/jobs/{job_id}/image" if index is None else f"/jobs/{job_id}/image/{index}"
    return RedirectResponse(f"{path}?{request.url.query}" if request.url.query else path, 302)


async def image(request: Request, context: Context, job_id: str, index: str | None = None) -> Response:
    """Handle `GET /jobs/{id}/image` (the first image) and `/image/{n}`."""
    number, deps, seconds = None if index is None else int(index), context.deps, None
    if job_id in context.missing:
        raise Problem("not_found", UNKNOWN_IMAGE)
    if job := await deps.store.get(job_id):
        if job.erased_at:
            raise erased()
        job, seconds = await context.waits.wait(
            request, job, lambda job: job.finished or _name_in(job, number) is not None
        )
    name = _name_in(job, number) if job else await _name_without_document(job_id, number, context)
    if name is None and job:
        response = _missing(request, job, number)
    else:
        download = request.query_params.get("download") in ("1", "true")
        disposition = content_disposition(job_id, job, name or "", download=download)
        stored = await deps.images.read(name or "", disposition if download else None)
        if stored is None:
            raise Problem("not_found", "The image was deleted from the image store.")
        response = _serve(request, stored, disposition)
        if job and number is None and job.images[0].name is None:  # it is copied again, and then this is its URL
            response.headers["Cache-Control"] = CHECKED
    response.headers.update(preference_applied(seconds))
    return response


def _name_in(job: Job, number: int | None) -> str | None:
    """Return the name of a stored image, or None.

    Without a number it is the first one. Until the job is final for the first time, only image 0 is certain to be it.
    """
    stored = [image for image in job.images if image.name]
    if number is None and not job.finished and job.recopied_at is None:
        number = 0
    matching = stored if number is None else [image for image in stored if image.index == number]
    return matching[0].name if matching else None


async def _name_without_document(job_id: str, number: int | None, context: Context) -> str:
    """Find `jobs/{jobId}/{attempt}/{n}.{ext}`, newest attempt first: images outlive the document of their job."""
    names, found = await context.deps.images.names(job_id), []
    if not names:
        context.missing.add(job_id)
    for name in names:
        attempt, file = name.split("/")[-2:]
        position = file.split(".")[0]
        if attempt.isdigit() and position.isdigit() and number in (None, int(position)):
            found.append((-int(attempt), int(position), name))
    if not found:
        raise Problem("not_found", UNKNOWN_IMAGE)
    return min(found)[2]


def _serve(request: Request, stored: StoredImage, disposition: str) -> Response:
    if stored.url:
        return RedirectResponse(stored.url, 302, {"Cache-Control": f"private, max-age={stored.seconds}"})
    etag = f'"{stored.crc32c}"'
    headers = {"ETag": etag, "Cache-Control": IMMUTABLE, "X-Content-Type-Options": "nosniff"}
    if matches(request, etag):
        return Response(status_code=304, headers=headers)
    headers |= {"Accept-Ranges": "bytes", "Content-Disposition": disposition, "Content-Type": stored.content_type}
    span, status = range(stored.size), 200
    if (requested := requested_range(request, etag, stored.size)) is not None:
        span, status = requested, 206
        headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{stored.size}"
    headers["Content-Length"] = str(len(span))
    if request.method == "HEAD" or stored.chunks is None:
        return Response(headers=headers)
    return StreamingResponse(first_bytes(stored.chunks(span.start), len(span)), status, headers)


def _missing(request: Request, job: Job, number: int | None) -> Response:
    """Return a placeholder for an `<img>`, or raise the Problem that says why the image is not stored."""
    failed = any(image.index == number and image.error for image in job.images)
    if job.status is Status.SUCCEEDED and not failed:
        raise Problem("not_found", "The job has no image with this index. Indexes start at 0.")
    if job.finished:
        if wants_image(request):
            return _placeholder(placeholders.FAILED, {})
        raise Problem("image_failed", _failure(job, number))
    headers = {"Retry-After": str(RETRY_SECONDS)}
    if wants_image(request):
        return _placeholder(placeholders.WAITING, headers)
    detail = f"The image is not stored yet. Retry in {RETRY_SECONDS} seconds, or follow the status of the job."
    raise Problem("image_not_ready", detail, headers=headers)


def _failure(job: Job, number: int | None) -> str:
    if job.error:
        return f"{sentence(job.error.message)} {advice(job, job.error)}"
    if job.status is Status.CANCELED:
        return "The job was canceled."
    cause = "" if is_visitor(job.caller) else copy_errors_of(image for image in job.images if image.index == number)
    return f"This image could not be copied. {cause}".strip()


def _placeholder(content: bytes, headers: dict[str, str]) -> Response:
    return Response(content, media_type="image/png", headers={"Cache-Control": "no-store", "Vary": "Accept", **headers})

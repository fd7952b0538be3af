"""The public job: the JSON that callers see. Flat scalars and `images`, so that Zapier can map it without code.

The names are a contract (shared/README.md, "The job"); all of them are always present, null if there is no value.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from shared.callbacks import Callback
from shared.callers import is_visitor
from shared.error_codes import EXPLANATIONS, ErrorCode
from shared.job import Job
from shared.job_parts import Attempt, Image, JobError, Step, VendorResponse, copy_errors_of
from shared.job_states import Status
from shared.listed_job import ListedJob
from shared.spending.money import public_cost

SENTENCES: Mapping[Status, str] = {
    Status.QUEUED: "The job is queued.",
    Status.TRIGGERING: "The job is being sent to Wireflow.",
    Status.RUNNING: "The image is being generated.",
    Status.COPYING: "The image is ready and is being copied.",
    Status.SUCCEEDED: "Your image is ready.",
    Status.FAILED: "The job failed.",
    Status.CANCELED: "The job was canceled before it started.",
}
VISITOR_SENTENCES: Mapping[Status, str] = {
    **SENTENCES,
    Status.QUEUED: "Your image is queued.",
    Status.TRIGGERING: "Your image is about to be generated.",
    Status.COPYING: "Your image is almost ready.",
    Status.FAILED: "The image could not be generated. Please try again later.",
    Status.CANCELED: "The image was canceled.",
}
UNCLEAR = "Wireflow did not confirm whether the run was started."
TOO_LATE = "Unless something changes, it cannot start before its deadline, {}, and will then fail."
ABOVE_LIMIT = "Its price is above a spend limit."
SLOW = "It takes longer than expected."
TOO_LATE_FOR_VISITORS = "Unless something changes, it cannot be generated in time."
EXPIRED = "Its URL may have expired: look for the image in the Wireflow dashboard."
CHECK_COPIES = "Check IMAGE_HOSTS and the permissions of the image store."
WOULD_FAIL_AGAIN = "The same request would probably fail again."
ALT_TEXT_LIMIT = 500  # characters


def public_job(
    job: ListedJob,
    base_url: str,
    *,
    owner: bool,
    admin: bool = False,
    wait_reason: ErrorCode | None = None,
    estimated_start: datetime | None = None,
    position: int | None = None,
) -> dict[str, Any]:
    """Return the job as JSON values: an `owner` sees what only its caller and an `admin` know.

    The last three: of a queued job.
    """
    url = f"{base_url}/jobs/{job.id}"
    from_form = is_visitor(job.caller)
    message = (visitor_message if from_form else _message)(job, wait_reason, estimated_start)
    return {
        "id": job.id,
        "status": str(job.status),
        "message": message,
        "prompt": job.prompt,
        "altText": job.alt_text or _shorten(job.prompt),
        "metadata": dict(job.metadata) if owner else None,
        "workflow": job.workflow,
        "batchId": job.batch_id,
        "attempt": job.attempt,
        "executionId": job.execution_id,
        **_images(job, url),
        "possibleDuplicate": job.possible_duplicate or bool(job.earlier_duplicate),
        **_error(job, url),
        "requestId": job.request_id,
        **_costs(job),
        "caller": job.caller,
        "steps": [_step(step) for step in job.steps] or None,
        **_owner_fields(job, owner=owner, admin=admin),
        **_times(job),
        "waitReason": wait_reason and str(wait_reason),
        "estimatedStartAt": timestamp(estimated_start),
        "queuePosition": position,
        "statusUrl": url,
    }


def history(job: Job) -> dict[str, Any]:
    """Return as JSON values what the history of a job needs besides the public job.

    That is Wireflow's responses, when each image was stored, and when copying was last started again by request.
    """
    return {
        "responses": [_response(response) for response in job.responses],
        "images": [{"index": one.index, "storedAt": timestamp(one.stored_at)} for one in job.images if one.stored_at],
        "recopiedAt": timestamp(job.recopied_at),
    }


def visitor_message(job: ListedJob, wait_reason: str | None, estimated_start: datetime | None) -> str:
    """Return a message without a word about credits, settings, and Wireflow, which are not the visitor's concern."""
    words = VISITOR_SENTENCES[job.status]
    if job.status is Status.FAILED and job.error:
        return EXPLANATIONS[job.error.code].visitor
    if _is_too_late(job, wait_reason, estimated_start):
        return f"{words} {TOO_LATE_FOR_VISITORS}"
    is_slow = job.outcome_unknown or job.copy_tries or wait_reason not in (None, ErrorCode.RATE_LIMITED)
    if is_slow and not job.finished:
        return f"{words} {SLOW}"
    if job.status is Status.SUCCEEDED and (lost := sum(bool(image.error) for image in job.images)):
        return f"{len(job.images) - lost} of {len(job.images)} images are ready."
    return words


def copy_problem(job: ListedJob) -> tuple[str, str, str]:
    """Return what is wrong with a job whose copies failed, that they are retried (for up to a day), and the advice.

    The advice says what made the last try fail, unless a version before this one made it.
    """
    pending = [image for image in job.images if image.pending]
    causes, gone = copy_errors_of(pending), any(image.gone_since for image in pending)
    advice = " ".join(filter(None, (causes, EXPIRED if gone else None))) or CHECK_COPIES
    tries = "1 try" if job.copy_tries == 1 else f"{job.copy_tries} tries"
    what = f"The image is ready but could not be copied in {tries}."
    return what, "Copying is retried automatically.", advice


def sentence(text: str) -> str:
    """Return a text of Wireflow as a sentence, so that another sentence can follow."""
    return text if text.endswith((".", "!", "?")) else f"{text}."


def timestamp(moment: datetime | None) -> str | None:
    """Return the time as RFC 3339 in UTC with milliseconds: `2026-03-01T12:00:00.000Z`."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _message(job: ListedJob, wait_reason: ErrorCode | None, estimated_start: datetime | None) -> str:
    if job.status is Status.FAILED and job.error:
        return f"{sentence(job.error.message)} {advice(job, job.error)}"
    unclear = job.status is Status.TRIGGERING and job.outcome_unknown
    if (job.status is Status.QUEUED or unclear) and wait_reason:
        known = EXPLANATIONS[wait_reason]
        words = [UNCLEAR if unclear else SENTENCES[job.status], known.message, known.wait_hint]
        if _is_too_late(job, wait_reason, estimated_start):
            words += [] if estimated_start else [ABOVE_LIMIT]
            words.append(TOO_LATE.format(timestamp(job.give_up_at)))
        return " ".join(words)
    if unclear:
        return f"{UNCLEAR} The job resumes automatically when Wireflow responds again."
    if job.status is Status.COPYING and job.copy_tries:
        return " ".join(copy_problem(job))
    lost = [image for image in job.images if image.error]
    if job.status is Status.SUCCEEDED and lost:
        missing = ", ".join(f"image {image.index} ({image.error})" for image in lost)
        ready = f"{len(job.images) - len(lost)} of {len(job.images)} images are ready. Missing: {missing}."
        return " ".join(filter(None, (ready, copy_errors_of(lost))))
    return SENTENCES[job.status]


def _is_too_late(job: ListedJob, wait_reason: str | None, estimated_start: datetime | None) -> bool:
    """Whether a waiting job cannot start before its deadline; without a start its price is above a spend limit."""
    if job.status not in (Status.QUEUED, Status.TRIGGERING):
        return False
    if estimated_start is None:
        return wait_reason == ErrorCode.SPEND_LIMIT
    return estimated_start >= job.give_up_at


def _shorten(prompt: str) -> str:
    """Return the prompt as an alternative text: on one line, cut between words where it has spaces."""
    line = " ".join(prompt.split())
    if len(line) <= ALT_TEXT_LIMIT:
        return line
    words, _, _ = line[:ALT_TEXT_LIMIT].rpartition(" ")
    return (words if len(words) > ALT_TEXT_LIMIT // 2 else line[: ALT_TEXT_LIMIT - 1]) + "…"


def _images(job: ListedJob, url: str) -> dict[str, Any]:
    stored = [image for image in job.images if image.name]
    return {
        "imageUrl": f"{url}/image",
        "imageUrls": [f"{url}/image/{image.index}" for image in stored],
        "imageCount": len(stored),
        "images": [_image(image, url) for image in (stored if job.finished else job.images)],
    }


def _error(job: ListedJob, url: str) -> dict[str, Any]:
    error = job.error if job.finished else None
    return {
        "errorCode": error and str(error.code),
        "errorMessage": error and error.message,
        "errorCharged": error and str(error.charged),
        "errorRetryable": error and job.error_retryable,
        "errorHint": hint(job, error, url) if error else None,
    }


def advice(job: ListedJob, error: JobError) -> str:
    """Return the hint of an error, which suggests another request in place of a retry that is not possible."""
    if job.retryable:
        return error.hint
    return error.hint.replace("Retry this job", "Send a new request").replace("retry this job", "send a new request")


def hint(job: ListedJob, error: JobError, url: str) -> str:
    """Return what to do about a failed job, with the requests that do it. `url`: of the job."""
    parts = [advice(job, error)]
    if job.recopyable:
        parts.append(f"To copy the missing images again, for free: POST {url}/recopy.")
    if job.retryable:
        pay = "Or, to pay for another run" if job.recopyable else "To pay for another run"
        pay = pay if error.retryable else f"{WOULD_FAIL_AGAIN} To pay for another run anyway"
        parts.append(f'{pay}: POST {url}/retry with {{"confirm": true, "attempt": {job.attempt}}}.')
    else:
        parts.append("The job cannot be retried: send a new request with a new Idempotency-Key for another run.")
    return " ".join(parts)


def _costs(job: ListedJob) -> dict[str, Any]:
    return {
        "creditsUsed": job.credits_used,
        "estimatedCost": public_cost(job.estimated_cost),
        "cost": public_cost(job.total_cost),
    }


def _owner_fields(job: ListedJob, *, owner: bool, admin: bool) -> dict[str, Any]:
    """Return what only the caller of the job knows of its past; null for other readers."""
    fields = {
        "callbacks": [_callback(callback, admin=admin) for callback in job.callbacks],
        "attempts": [_attempt(run) for run in job.runs],
        "previousJob": job.previous_job,
        "nextJobs": [*job.next_jobs],
    }
    return fields if owner else dict.fromkeys(fields)


def _times(job: ListedJob) -> dict[str, Any]:
    return {
        "createdAt": timestamp(job.created_at),
        "startedAt": timestamp(job.started_at),
        "completedAt": timestamp(job.completed_at),
        "runSeconds": _run_seconds(job),
    }


def _image(image: Image, url: str) -> dict[str, Any]:
    return {
        "index": image.index,
        "url": f"{url}/image/{image.index}" if image.name else None,
        "sourceUrl": image.source_url,
        "contentType": image.content_type,
        "width": image.width,
        "height": image.height,
        "bytes": image.bytes,
        "sha256": image.sha256,
        "crc32c": image.crc32c,
    }


def _step(step: Step) -> dict[str, Any]:
    return {"label": step.label, "status": step.status, "progress": step.progress}


def _callback(callback: Callback, *, admin: bool) -> dict[str, Any]:
    return {
        "url": _receiver(callback, admin=admin),
        "hookId": callback.hook_id,
        "event": callback.event,
        "status": str(callback.status),
        "attempts": callback.attempts,
        "lastStatus": callback.last_status,
        "lastAttemptAt": timestamp(callback.last_attempt_at),
        "nextAttemptAt": timestamp(callback.next_attempt_at),
    }


def _receiver(callback: Callback, *, admin: bool) -> str:
    """The URL without what may hold a secret: its query, and from other callers the path of an admin's hook."""
    if admin or not callback.of_other_caller:
        return callback.url.partition("?")[0]
    url = urlsplit(callback.url)
    return f"{url.scheme}://{url.netloc.rpartition('@')[2]}"


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "attempt": attempt.attempt,
        "status": str(attempt.status),
        "executionId": attempt.execution_id,
        "requestId": attempt.request_id,
        "startedAt": timestamp(attempt.started_at),
        "completedAt": timestamp(attempt.completed_at),
        "errorCode": attempt.error_code and str(attempt.error_code),
        "errorMessage": attempt.error_message,
        "errorCharged": attempt.error_charged and str(attempt.error_charged),
        "creditsUsed": attempt.credits_used,
        "cost": public_cost(attempt.cost),
    }


def _response(response: VendorResponse) -> dict[str, Any]:
    return {
        "attempt": response.attempt,
        "call": str(response.call),
        "at": timestamp(response.at),
        "httpStatus": response.http_status,
        "requestId": response.request_id,
        "errorCode": response.error_code and str(response.error_code),
        "executionId": response.execution_id,
    }


def _run_seconds(job: ListedJob) -> float | None:
    """Return the seconds from the start of the run to its observed end."""
    ended = job.copying_since or job.completed_at
    if job.started_at is None or ended is None:
        return None
    return round(max((ended - job.started_at).total_seconds(), 0), 3)

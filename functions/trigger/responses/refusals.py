"""The problems of valid requests that cannot become a job: a key that was reused, an input image that is not there."""

from shared.callbacks import MAX_CALLBACKS
from shared.problems import Problem
from shared.steps.accept import JobErased
from shared.steps.input_images import InputRefused, NoSuchImage, SourceNotFound
from shared.steps.placing import QueueFull
from shared.steps.receivers import TooManyReceivers
from shared.submission import Submission, SubmissionRefused

from ..auth.authorize import erased

KEYS = {
    "key": "Idempotency-Key",
    "webhook-id": "webhook-id",
    "message": "Pub/Sub message ID",
    "event": "CloudEvent source and ID",
    "formToken": "formToken",
    "task": "Cloud Tasks task",
    "field": "value of the field named by dedupeField",
}


def input_problem(refusal: InputRefused) -> str:
    """Return the code of the problem of an image that cannot be the input of a job."""
    match refusal:
        case SourceNotFound():
            return "not_found"
        case NoSuchImage():
            return "invalid_field"
    return "source_not_ready"


def refusal_problem(refusal: SubmissionRefused, submission: Submission | Problem, path: str = "") -> Problem:
    """The problem of a request that cannot become a job. `path`: where it is in a batch, such as `[3]`."""
    if isinstance(refusal, InputRefused):
        name = f"{path}.{refusal.field}" if path else refusal.field
        return Problem(input_problem(refusal), str(refusal), field=name)
    if isinstance(refusal, TooManyReceivers):
        detail = f"The job would have more than {MAX_CALLBACKS} receivers. Send fewer, or remove callbackUrl."
        return Problem("invalid_field", detail, field=f"{path}.callbackUrl" if path else "callbackUrl")
    if isinstance(refusal, JobErased):
        return erased()
    key = submission.key if isinstance(submission, Submission) else None
    return reused_key(key.kind if key else "key", path)


def reused_key(kind: str, path: str = "") -> Problem:
    """Return the problem of an idempotency key that was used with another request. `path`: as `refusal_problem`."""
    what = KEYS.get(kind, KEYS["key"])
    detail = f"This {what} was already used for a different request. Use a new one for each new request."
    field = {"formToken": "formToken", "field": "dedupeField"}.get(kind)
    return Problem("idempotency_key_reused", detail, field=".".join(filter(None, [path, field])) or None)


def queue_full(full: QueueFull) -> Problem:
    """The problem of a request whose job may not wait in the queue."""
    detail = f"Too many jobs are waiting. Send the request again in {full.retry_seconds} seconds."
    return Problem("rate_limited", detail, headers={"Retry-After": str(full.retry_seconds)})

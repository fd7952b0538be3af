"""The problems of valid requests that cannot become a job: a key that was reused, an input image that is not there."""

from shared.problems import Problem
from shared.steps.accept import KeyReused
from shared.steps.input_images import InputRefused, NoSuchImage, SourceNotFound
from shared.steps.placing import QueueFull
from shared.submission import Submission

KEYS = {
    "key": "Idempotency-Key",
    "webhook-id": "webhook-id",
    "message": "Pub/Sub message ID",
    "event": "CloudEvent source and ID",
    "formToken": "formToken",
    "field": "value of the field named by dedupeField",
}


def refusal_problem(refusal: KeyReused | InputRefused, submission: Submission | Problem, path: str = "") -> Problem:
    """The problem of a request that cannot become a job. `path`: where it is in a batch, such as `[3]`."""
    if isinstance(refusal, InputRefused):
        code = "not_found" if isinstance(refusal, SourceNotFound) else "source_not_ready"
        code = "invalid_field" if isinstance(refusal, NoSuchImage) else code
        return Problem(code, str(refusal), field=f"{path}.{refusal.field}" if path else refusal.field)
    return reused_key_problem(
        submission.key.kind if isinstance(submission, Submission) and submission.key else "key", path
    )


def reused_key_problem(kind: str, path: str = "") -> Problem:
    """Return the problem of an idempotency key that was used with another request. `path`: as `refusal_problem`."""
    what = KEYS.get(kind, KEYS["key"])
    detail = f"The same {what} was sent with another request before. Send a new one with a new request."
    field = {"formToken": "formToken", "field": "dedupeField"}.get(kind)
    return Problem("idempotency_key_reused", detail, field=".".join(filter(None, [path, field])) or None)


def queue_full_problem(full: QueueFull) -> Problem:
    """Return the problem of jobs for which the queue has no room."""
    detail = "Too many jobs wait. Send the request again after the seconds in Retry-After."
    return Problem("rate_limited", detail, headers={"Retry-After": str(full.retry_seconds)})

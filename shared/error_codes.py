"""The error codes of jobs, each with a message, a hint, and whether a retry can succeed.

The codes are part of the public job (`errorCode`, `waitReason`), which contains no others.
"""

from dataclasses import dataclass
from enum import StrEnum


class Charged(StrEnum):
    """Whether a failed job cost money, as far as we know."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class ErrorCode(StrEnum):
    """Why a job failed, or why it is waiting."""

    MODERATION = "moderation"
    COMPLETED_WITHOUT_IMAGE = "completed_without_image"
    INSUFFICIENT_CREDITS = "insufficient_credits"
    RATE_LIMITED = "rate_limited"
    SPEND_LIMIT = "spend_limit"
    PAUSED = "paused"
    KEY_REFUSED = "key_refused"
    WORKFLOW_INACTIVE = "workflow_inactive"
    WORKFLOW_NOT_FOUND = "workflow_not_found"
    INVALID_REQUEST = "invalid_request"
    UPSTREAM_ERROR = "upstream_error"
    UPSTREAM_UNREACHABLE = "upstream_unreachable"
    OUTCOME_UNKNOWN = "outcome_unknown"
    TIMED_OUT = "timed_out"
    CANCELED = "canceled"
    IMAGE_TOO_LARGE = "image_too_large"
    NOT_AN_IMAGE = "not_an_image"
    IMAGE_EXPIRED = "image_expired"
    COPY_FAILED = "copy_failed"
    INPUT_IMAGE_UNAVAILABLE = "input_image_unavailable"
    CONFIGURATION = "configuration"
    WORKER_LOST = "worker_lost"
    RECORD_TOO_LARGE = "record_too_large"


@dataclass(frozen=True, slots=True)
class Explanation:
    """`message`: what happened. `hint`: what to do. `retryable`: whether the same request can succeed later.

    `waitable`: whether jobs also wait for this reason, until what the hint says is done.
    `visitor`: what a visitor of a form is told, who can change the request but not the deployment.

    A request with the same Idempotency-Key returns the failed job, so hints ask for a new key where another request is
    meant.
    """

    message: str
    hint: str
    retryable: bool
    visitor: str = "The image could not be generated. Please try again later."
    waitable: bool = False

    @property
    def wait_hint(self) -> str:
        """The hint of a waiting job, which needs no retry."""
        return f"{self.hint} {RESUMES}" if self.waitable else RESUMES

    @property
    def failed_hint(self) -> str:
        """The hint of a failed job, which does not resume."""
        return f"{self.hint} {RETRY}" if self.waitable else self.hint


RESUMES, RETRY = "The job resumes automatically.", "Then retry this job."
CHANGED = "send a new request with a new Idempotency-Key."

EXPLANATIONS: dict[ErrorCode, Explanation] = {
    ErrorCode.MODERATION: Explanation(
        "The provider of the model rejected the prompt or the input image.",
        "Change the prompt or the image, and " + CHANGED,
        False,
        "The prompt or the input image was rejected. Change the prompt or the image, and send the form again.",
    ),
    ErrorCode.COMPLETED_WITHOUT_IMAGE: Explanation(
        "The run completed without an image.",
        "Check in Wireflow that the workflow ends in an image node, then retry this job.",
        True,
    ),
    ErrorCode.INSUFFICIENT_CREDITS: Explanation(
        "The Wireflow account has too few credits.",
        "Add credits in Wireflow.",
        True,
        waitable=True,
    ),
    ErrorCode.RATE_LIMITED: Explanation(
        "Waiting for other jobs or for the plan's execution limit.",
        "The operator can choose a larger Wireflow plan, which raises the limits.",
        True,
        waitable=True,
    ),
    ErrorCode.SPEND_LIMIT: Explanation(
        "A spend limit of this deployment or of the caller is reached.",
        "The operator can raise the limit: DAILY_SPEND_USD, MONTHLY_SPEND_USD, SPEND_PER_10_MINUTES_USD, or "
        "CALLER_LIMITS.",
        True,
        waitable=True,
    ),
    ErrorCode.PAUSED: Explanation(
        "The operator has paused new runs.",
        "The operator must resume them.",
        True,
        waitable=True,
    ),
    ErrorCode.KEY_REFUSED: Explanation(
        "Wireflow rejected the API key or the webhook.",
        "The operator must set a valid WIREFLOW_API_KEY and WIREFLOW_WEBHOOK_ID.",
        True,
        waitable=True,
    ),
    ErrorCode.WORKFLOW_INACTIVE: Explanation(
        "The Wireflow workflow is not active.",
        "The operator must activate the workflow in Wireflow.",
        True,
        waitable=True,
    ),
    ErrorCode.WORKFLOW_NOT_FOUND: Explanation(
        "The Wireflow workflow does not exist.",
        "The operator must set WIREFLOW_WEBHOOK_ID, or the id in WIREFLOW_WORKFLOWS, to an existing workflow.",
        True,
        waitable=True,
    ),
    ErrorCode.INVALID_REQUEST: Explanation(
        "Wireflow rejected the request.",
        "Compare the fields with the inputs of the workflow, and " + CHANGED,
        False,
    ),
    ErrorCode.UPSTREAM_ERROR: Explanation(
        "Wireflow or the model reported an error.",
        "Retry this job. If it fails again, give the requestId to Wireflow support.",
        True,
    ),
    ErrorCode.UPSTREAM_UNREACHABLE: Explanation(
        "Wireflow cannot be reached.",
        "Check whether Wireflow is available.",
        True,
        waitable=True,
    ),
    ErrorCode.OUTCOME_UNKNOWN: Explanation(
        "Wireflow did not confirm whether the run was started.",
        "The run may have been charged. Check the executions in Wireflow before you retry this job.",
        True,
    ),
    ErrorCode.TIMED_OUT: Explanation(
        "The run did not complete in time.",
        "The run may have been charged. Check the execution in Wireflow before you retry this job.",
        True,
    ),
    ErrorCode.CANCELED: Explanation(
        "The run was canceled in Wireflow.",
        "Retry this job if you still need the image.",
        True,
        "The image was canceled. Please send the form again if you still need it.",
    ),
    ErrorCode.IMAGE_TOO_LARGE: Explanation(
        "The image is larger than MAX_IMAGE_BYTES.",
        "The operator can raise MAX_IMAGE_BYTES; then recopy the image. Or choose a lower resolution, and " + CHANGED,
        False,
    ),
    ErrorCode.NOT_AN_IMAGE: Explanation(
        "The result of the run, or the input image, is not a PNG, JPEG, WebP, GIF, or AVIF image.",
        "Check in Wireflow that the last node of the workflow produces an image, then retry this job. Or choose "
        "another input image, and " + CHANGED,
        False,
        "The image could not be generated. If you sent an input image, please send another one.",
    ),
    ErrorCode.IMAGE_EXPIRED: Explanation(
        "The image URL expired before the image was copied.",
        "Look for the image in the Wireflow dashboard. If it is gone, retry this job.",
        True,
    ),
    ErrorCode.COPY_FAILED: Explanation(
        "The image could not be copied to the image store.",
        "Check IMAGE_HOSTS and the permissions of the image store, then recopy the image. The Wireflow dashboard may "
        "still have it.",
        True,
    ),
    ErrorCode.INPUT_IMAGE_UNAVAILABLE: Explanation(
        "The input image could not be fetched.",
        "Make the URL of the input image publicly reachable.",
        True,
        "The input image could not be read. Please send another one.",
        waitable=True,
    ),
    ErrorCode.CONFIGURATION: Explanation(
        "The Wireflow base URL or the workflow configuration is invalid.",
        "The operator must check WIREFLOW_BASE_URL and WIREFLOW_WORKFLOWS.",
        True,
        waitable=True,
    ),
    ErrorCode.WORKER_LOST: Explanation(
        "Every worker that claimed the job stopped before it made any progress.",
        "The operator must check the log and the memory limit of the poller. "
        "Check the executions in Wireflow before you retry this job.",
        False,
    ),
    ErrorCode.RECORD_TOO_LARGE: Explanation(
        "The record of the job is larger than the job store allows (1 MiB).",
        "Check the executions in Wireflow before you send a new request with a new Idempotency-Key. "
        "Send large inputs as URLs, or request fewer images.",
        False,
    ),
}

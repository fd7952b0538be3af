"""The closed list of what can go wrong with a job: each code with its sentence and what to do about it.

The codes are part of the public job (`errorCode`, `waitReason`); nothing else may appear there.
"""

from dataclasses import dataclass
from enum import StrEnum


class Charged(StrEnum):
    """Whether the failed job cost money, as far as anybody can tell."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class ErrorCode(StrEnum):
    """Why a job failed, or what keeps it in line."""

    MODERATION = "moderation"
    COMPLETED_WITHOUT_IMAGE = "completed_without_image"
    INSUFFICIENT_CREDITS = "insufficient_credits"
    RATE_LIMITED = "rate_limited"
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
    """`message`: what happened. `hint`: what to do. `retryable`: whether the same request may succeed later."""

    message: str
    hint: str
    retryable: bool


EXPLANATIONS: dict[ErrorCode, Explanation] = {
    ErrorCode.MODERATION: Explanation(
        "The model's provider refused the prompt or the image.",
        "Change the prompt: the same words will be refused again.",
        False,
    ),
    ErrorCode.COMPLETED_WITHOUT_IMAGE: Explanation(
        "The run ended without an image.",
        "Check in Wireflow that the workflow ends in an image node; then send the request again.",
        True,
    ),
    ErrorCode.INSUFFICIENT_CREDITS: Explanation(
        "The Wireflow account is out of credits.",
        "Buy credits at Wireflow. Waiting jobs go on by themselves.",
        True,
    ),
    ErrorCode.RATE_LIMITED: Explanation(
        "Others are before it, or as many executions as the plan allows have been started.",
        "Nothing to do: the job goes when its turn comes. A larger plan raises the daily limit.",
        True,
    ),
    ErrorCode.KEY_REFUSED: Explanation(
        "Wireflow refused the key or the webhook.",
        "The operator must set a valid WIREFLOW_API_KEY and WIREFLOW_WEBHOOK_ID. Waiting jobs go on by themselves.",
        True,
    ),
    ErrorCode.WORKFLOW_INACTIVE: Explanation(
        "The Wireflow workflow is not active.",
        "The operator must activate the workflow in Wireflow. Waiting jobs go on by themselves.",
        True,
    ),
    ErrorCode.WORKFLOW_NOT_FOUND: Explanation(
        "Wireflow does not know the workflow.",
        "The operator must set WIREFLOW_WEBHOOK_ID to the webhook of an existing workflow.",
        True,
    ),
    ErrorCode.INVALID_REQUEST: Explanation(
        "Wireflow refused the request as it was sent.",
        "Compare the fields of the request with the workflow's inputs and send it again.",
        False,
    ),
    ErrorCode.UPSTREAM_ERROR: Explanation(
        "Wireflow or the model reported an error.",
        "Send the request again; if it fails again, give Wireflow's support the requestId.",
        True,
    ),
    ErrorCode.UPSTREAM_UNREACHABLE: Explanation(
        "Wireflow could not be reached.",
        "Nothing to do: waiting jobs go on by themselves when Wireflow answers again.",
        True,
    ),
    ErrorCode.OUTCOME_UNKNOWN: Explanation(
        "Wireflow never said whether the run was started.",
        "Look in Wireflow's list of executions before you send the request again: it may have been paid for.",
        True,
    ),
    ErrorCode.TIMED_OUT: Explanation(
        "The run did not end in time.",
        "Look at the execution in Wireflow before you send the request again: it may have been paid for.",
        True,
    ),
    ErrorCode.CANCELED: Explanation(
        "The run was cancelled at Wireflow.",
        "Send the request again if the image is still wanted.",
        True,
    ),
    ErrorCode.IMAGE_TOO_LARGE: Explanation(
        "The image is larger than MAX_IMAGE_BYTES.",
        "Ask for a smaller resolution, or let the operator raise MAX_IMAGE_BYTES.",
        False,
    ),
    ErrorCode.NOT_AN_IMAGE: Explanation(
        "What the run produced, or the input image, is not a PNG, JPEG, WebP, GIF or AVIF image.",
        "Check in Wireflow that the workflow's last node makes an image; or send another input image.",
        False,
    ),
    ErrorCode.IMAGE_EXPIRED: Explanation(
        "Wireflow no longer served the image when it was to be copied.",
        "Look for the image in Wireflow's dashboard; send the request again if it is gone.",
        True,
    ),
    ErrorCode.COPY_FAILED: Explanation(
        "The image could not be copied within a day.",
        "Check IMAGE_HOSTS and the image store's permissions; look for the image in Wireflow's dashboard.",
        True,
    ),
    ErrorCode.INPUT_IMAGE_UNAVAILABLE: Explanation(
        "The input image could not be fetched.",
        "Let the address of image1 answer to everybody. A waiting job goes on by itself when it does.",
        True,
    ),
    ErrorCode.CONFIGURATION: Explanation(
        "Wireflow's address or an answer to it shows a wrong configuration.",
        "The operator must check WIREFLOW_BASE_URL. Waiting jobs go on by themselves.",
        True,
    ),
    ErrorCode.WORKER_LOST: Explanation(
        "Every worker that took this job stopped before it made any progress.",
        "Look at the execution in Wireflow, if there is one: it may have been paid for. "
        "The operator should check the poller's memory and its log before the request is sent again.",
        False,
    ),
    ErrorCode.RECORD_TOO_LARGE: Explanation(
        "The job's record became larger than the job store allows (1 MiB).",
        "Look at the execution in Wireflow, if there is one: it may have been paid for. "
        "Send large inputs as URLs, or ask for fewer images.",
        False,
    ),
}

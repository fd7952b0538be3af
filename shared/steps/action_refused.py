"""Why an action cannot be applied to a job."""

from typing import ClassVar


class ActionRefused(Exception):
    """The action does not apply to the job as it is; the message says why and what to do instead.

    ActionRefused
    ├── NotRetryable     not failed or canceled, a stored image, or retried since its attempt was seen
    ├── InputGone        the input image is no longer stored
    ├── NotRecopyable    no image of the job is missing, or none has a source URL
    ├── NotCancelable    the job is not queued
    └── NotErasable      the job is not final
    """

    code: ClassVar[str]  # of the problem


class NotRetryable(ActionRefused):
    """The job is not failed or canceled, has a stored image, or was retried since its attempt was seen."""

    code = "not_retryable"


class InputGone(ActionRefused):
    """The input image is no longer stored."""

    code = "input_gone"


class NotRecopyable(ActionRefused):
    """No image of the job is missing, or none has a source URL."""

    code = "not_recopyable"


class NotCancelable(ActionRefused):
    """The job is not queued."""

    code = "not_cancelable"


class NotErasable(ActionRefused):
    """The job is not final."""

    code = "not_erasable"

"""A submission: a validated request for one job."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.idempotency import IdempotencyKey


class SubmissionRefused(Exception):
    """A valid request that cannot become a job, because of what is stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A validated request. `input`: JSON text of the fields that go to Wireflow beside the prompt and the image.

    At most one of `image_url`, `file` and `from_job` names the input image.
    """

    prompt: str
    input: str
    fingerprint: str  # equal for equal requests
    base_url: str | None = None  # of our own routes, as its sender reached them
    key: IdempotencyKey | None = None
    workflow: str = "default"
    caller: str | None = None
    private: bool = False  # only its caller may read the job
    admin: bool = False  # `from_job` may name a job of any caller
    image_url: str | None = None
    file: bytes | None = None
    from_job: str | None = None
    from_image: int = 0
    then: str | None = None  # the workflow of the job that follows
    callback_urls: tuple[str, ...] = ()  # that are told when the job is final
    callback_format: str = "standard"
    deadline_seconds: float | None = None
    allow_partial: bool = False
    alt_text: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)  # of the caller, never sent to Wireflow

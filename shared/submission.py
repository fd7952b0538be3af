"""A submission: a validated request for one job. A batch has one for each row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

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
    callback_urls: Sequence[str] = ()  # that are told when the job is final
    callback_format: str = "standard"
    deadline_seconds: float | None = None
    allow_partial: bool = False
    alt_text: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)  # of the caller, never sent to Wireflow

    def reached_at(self, base_url: str) -> "Submission":
        """Return the submission with the URL at which its sender has reached us."""
        return replace(self, base_url=base_url)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSubmission:
    """A validated batch of rows. The index of a row's key is its number."""

    key: IdempotencyKey
    fingerprint: str  # equal for equal rows
    rows: tuple[Submission, ...]
    caller: str | None = None
    private: bool = False

    def reached_at(self, base_url: str) -> "BatchSubmission":
        """Return the batch with the URL at which its sender has reached us."""
        return replace(self, rows=tuple(row.reached_at(base_url) for row in self.rows))

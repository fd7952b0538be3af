"""A submission: a validated request for one job. A batch has one for each row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shared.idempotency import IdempotencyKey


class SubmissionRefused(Exception):
    """A valid request that cannot become a job, because of what is stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A validated request. `input`: JSON text of the fields that go to Wireflow in addition to prompt and image.

    The first input image is that of `from_job`, or `image1` as a URL or a file.
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
    image2_url: str | None = None
    image3_url: str | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)  # by field: image1 to image3
    from_job: str | None = None
    from_image: int = 0
    then: str | None = None  # the workflow of the job that follows
    callback_urls: Sequence[str] = ()  # that are told when the job is final
    callback_format: str = "standard"
    deadline_seconds: float | None = None
    allow_partial: bool = False
    alt_text: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)  # of the caller, never sent to Wireflow

    @property
    def further_images(self) -> list[str | bytes]:
        """The URLs and files of the input images but for that of `from_job`, in order."""
        urls = {"image1": self.image_url, "image2": self.image2_url, "image3": self.image3_url}
        return [image for name, url in urls.items() if (image := self.files.get(name, url)) is not None]

    @property
    def image_count(self) -> int:
        """How many input images there are."""
        return len(self.further_images) + (self.from_job is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSubmission:
    """A validated batch of rows. The index of a row's key is its number."""

    key: IdempotencyKey
    fingerprint: str  # equal for equal rows
    rows: tuple[Submission, ...]
    caller: str | None = None
    private: bool = False

"""A job as a list shows it: without what is only sent to Wireflow, which may be half a megabyte."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from shared.error_codes import ErrorCode
from shared.job_parts import Image, JobError, Step
from shared.job_states import FINAL, Status
from shared.spending.money import Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedJob:
    """The fields of a `Job` that callers see, and those that explain them. It cannot be saved."""

    id: str
    status: Status
    prompt: str
    created_at: datetime
    give_up_at: datetime
    workflow: str = "default"
    caller: str | None = None
    execution_id: str | None = None
    request_id: str | None = None
    possible_duplicate: bool = False
    outcome_unknown: bool = False
    credits_used: float | None = None
    estimated_cost: Cost | None = None
    cost: Cost | None = None
    alt_text: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    images: tuple[Image, ...] = ()
    error: JobError | None = None
    wait_reason: ErrorCode | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    copying_since: datetime | None = None
    copy_tries: int = 0
    due_at: datetime | None = None
    queue_at: datetime | None = None
    place: datetime | None = None

    @property
    def finished(self) -> bool:
        """Whether the job is in a final state."""
        return self.status in FINAL

    @property
    def held(self) -> bool:
        """Whether the job is out of the queue until `due_at`."""
        return self.status is Status.QUEUED and self.queue_at == self.give_up_at

    @property
    def size(self) -> int:
        """About how many bytes the job takes, in memory and in a response."""
        texts = [self.prompt, self.alt_text or "", *self.metadata, *self.metadata.values()]
        texts += [image.source_url for image in self.images] + [step.label or "" for step in self.steps]
        return 2_048 + 512 * len(self.images) + sum(len(text.encode()) for text in texts)

"""A batch: the record of an upload whose rows have become jobs, and how a store keeps it."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from shared.job_states import FINAL, Status
from shared.spending.money import Cost

MAX_ROWS = 1_000


class BatchStatus(StrEnum):
    """The state of a batch."""

    STORING = "storing"  # some rows are not jobs yet: sending the upload again continues it
    OPEN = "open"  # some jobs are not final
    DONE = "done"
    CANCELED = "canceled"  # the queued jobs were canceled; started ones continue


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRow:
    """What a batch reads of its jobs. `row`: the number in the upload, where row 1 is the header."""

    id: str
    status: Status
    give_up_at: datetime
    workflow: str = "default"
    cost: Cost | None = None
    queue_at: datetime | None = None
    batch_row: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """An upload of rows. Times are aware UTC datetimes.

    `total`: the rows that become jobs; `estimated_cost`: of all of them, with one image each.
    """

    id: str
    fingerprint: str  # of the rows, to detect an idempotency key reused with other rows
    total: int
    created_at: datetime
    expire_at: datetime
    caller: str | None = None
    private: bool = False  # readable by its caller only
    estimated_cost: Cost | None = None
    stored: bool = False  # every row is a job
    canceled_at: datetime | None = None
    revision: Any = field(default=None, compare=False, repr=False)

    @property
    def storing(self) -> bool:
        """Whether rows are still to be stored."""
        return not self.stored and self.canceled_at is None

    def completed(self, expire_at: datetime) -> "Batch":
        """Every row is a job; the last of them expires at `expire_at`."""
        return dataclasses.replace(self, stored=True, expire_at=max(expire_at, self.expire_at))

    def canceled(self, now: datetime) -> "Batch":
        """The caller has canceled the jobs that have not started."""
        return dataclasses.replace(self, canceled_at=now)

    def status(self, rows: Sequence[BatchRow]) -> BatchStatus:
        """Return the state of the batch. `rows`: all that are stored."""
        if self.canceled_at:
            return BatchStatus.CANCELED
        if not self.stored and len(rows) < self.total:  # `stored` is lost if a server dies after the last commit
            return BatchStatus.STORING
        return BatchStatus.DONE if all(row.status in FINAL for row in rows) else BatchStatus.OPEN


class BatchStore(Protocol):
    """The part of a job store that keeps batches. The time limits and revisions of `JobStore` apply."""

    async def create_batch(self, batch: Batch) -> Batch:
        """Store a new batch and return it with its revision, or return the one that has this id."""

    async def get_batch(self, batch_id: str) -> Batch | None:
        """Return the batch, or None."""

    async def save_batch(self, batch: Batch) -> Batch:
        """Replace a batch and return it with its new revision; raise Conflict if it was changed since."""

    async def batch_rows(self, batch_id: str) -> list[BatchRow]:
        """Return the jobs of a batch, at most MAX_ROWS, in any order."""

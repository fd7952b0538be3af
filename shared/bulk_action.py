"""What a paid bulk action does, under its idempotency key."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkAction:
    """The jobs of a bulk action, stored before the first of them is changed, so that a repeat does the same or less.

    `plan`: the attempt of each job that was seen, by job id. `next_until`: the `until` of a request that selects the
    jobs beyond the plan; None if there are none. `response`: JSON values, once every job was tried.
    """

    id: str
    fingerprint: str  # of the request, to detect a key reused with another request
    plan: Mapping[str, int]
    matched: int
    skipped: int
    next_until: datetime | None = None
    response: Mapping[str, Any] | None = None
    revision: Any = field(default=None, compare=False, repr=False)

"""The usage of a range of days, and the closing of days that are over."""

import math
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from shared.config import MAX_COPY_TIME, Config
from shared.job import Job
from shared.log import Event
from shared.runtime.dependencies import Deps
from shared.spending.money import public_cost
from shared.spending.usage import GroupBy, grouped
from shared.steps.recheck import GIVE_UP_AFTER
from shared.store_errors import StoreError

MAX_DAYS = 366  # of one request


@dataclass(frozen=True, slots=True)
class Period:
    """A range of (UTC) days, both included."""

    first: date
    last: date

    @property
    def days(self) -> list[date]:
        """Each day."""
        return [self.first + timedelta(days=number) for number in range((self.last - self.first).days + 1)]


async def read_usage(period: Period, group_by: GroupBy, caller: str | None, deps: Deps) -> dict[str, Any]:
    """Return the usage as JSON values. `caller`: only of its jobs; None: of all. Raise StoreUnavailable.

    A job belongs to the day on which it was created.
    """
    today = deps.clock.now().date()
    days = await deps.usage_days.read([day for day in period.days if day <= today])
    rows = [
        {
            "key": key,
            "jobs": tally.jobs,
            "images": tally.images,
            "cost": public_cost(tally.cost),
            "failedCharged": tally.failed_charged,
            "failedUncharged": tally.failed_uncharged,
            "failedUnknown": tally.failed_unknown,
        }
        for key, tally in grouped(days, group_by, caller).items()
    ]
    first, last = period.first.isoformat(), period.last.isoformat()
    return {"from": first, "to": last, "groupBy": str(group_by), "rows": rows}


async def close_days(deps: Deps) -> None:
    """Store the usage of days that are over; a failure is retried in an hour."""
    try:
        await deps.usage_days.close(_days_until_settled(deps.config))
    except StoreError as error:
        deps.log.warning(Event.WINDOW, f"The usage of a day could not be stored: {type(error).__name__}")


async def invalidate_usage(job: Job, deps: Deps) -> None:
    """Have the usage of a job's day computed again, because the job is about to change. Raise StoreError.

    A day of which jobs have expired stays as it is: they can no longer be counted.
    """
    if job.created_at + timedelta(days=deps.config.retention_days) > deps.clock.now():
        await deps.usage_days.invalidate(job.created_at.date())


def _days_until_settled(config: Config) -> int:
    """Return the days after which every job is final: it may wait, run, be copied, and be rechecked."""
    longest = timedelta(hours=config.max_queue_hours, seconds=config.run_deadline) + MAX_COPY_TIME + GIVE_UP_AFTER
    return math.ceil(longest / timedelta(days=1)) + 1

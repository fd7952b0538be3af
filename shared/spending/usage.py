"""Usage: how many jobs and images there were, and what they cost, by day, caller, and workflow. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.error_codes import Charged
from shared.spending.money import Cost, total_cost


class GroupBy(StrEnum):
    """What a row of the usage is about."""

    CALLER = "caller"
    WORKFLOW = "workflow"
    DAY = "day"


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow:
    """What the usage needs of a job. `charged`: of a failed job. `settled`: nothing of it can change anymore."""

    id: str
    created_at: datetime
    caller: str | None
    workflow: str
    images: int
    cost: Cost | None
    charged: Charged | None
    settled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The sum of some jobs. `cost`: of those whose cost is known, None if it is known of none."""

    jobs: int = 0
    images: int = 0
    cost: Cost | None = None
    failed_charged: int = 0
    failed_uncharged: int = 0
    failed_unknown: int = 0

    def plus(self, other: "Tally") -> "Tally":
        """Return the sum of both."""
        known = [cost for cost in (self.cost, other.cost) if cost]
        return Tally(
            jobs=self.jobs + other.jobs,
            images=self.images + other.images,
            cost=total_cost(known) if known else None,
            failed_charged=self.failed_charged + other.failed_charged,
            failed_uncharged=self.failed_uncharged + other.failed_uncharged,
            failed_unknown=self.failed_unknown + other.failed_unknown,
        )


Key = tuple[str | None, str]  # caller, workflow


@dataclass(frozen=True, slots=True)
class UsageDay:
    """The usage of the jobs that were created on a (UTC) day, such as `2026-03-01`, or a later version of it."""

    day: str
    tallies: Mapping[Key, Tally] = field(default_factory=dict)
    settled: bool = True

    def plus(self, rows: Iterable[UsageRow]) -> "UsageDay":
        """Return it with more jobs; it is settled if each of its jobs is."""
        tallies, settled = dict(self.tallies), self.settled
        for row in rows:
            key = (row.caller, row.workflow)
            tallies[key] = tallies.get(key, Tally()).plus(_tally(row))
            settled = settled and row.settled
        return UsageDay(self.day, {key: tallies[key] for key in sorted(tallies, key=str)}, settled)


@dataclass(frozen=True, slots=True)
class UsageVersions:
    """How often the stored usage of a day went out of date: one of its jobs was retried, or its images copied again."""

    days: Mapping[str, int] = field(default_factory=dict)
    revision: Any = field(default=None, compare=False, repr=False)

    def plus(self, day: str) -> "UsageVersions":
        """Return it with a day whose stored usage is out of date."""
        return UsageVersions({**self.days, day: self.days.get(day, 0) + 1}, self.revision)

    def version(self, day: str) -> str:
        """Return the name under which the usage of a day is stored now: `2026-03-01`, then `2026-03-01.1`."""
        return f"{day}.{self.days[day]}" if day in self.days else day


def grouped(days: Iterable[UsageDay], group_by: GroupBy, caller: str | None = None) -> dict[str | None, Tally]:
    """Return the sums by caller, workflow, or day, in order. `caller`: only its jobs; None: all."""
    groups: dict[str | None, Tally] = {}
    for day in days:
        for (owner, workflow), tally in day.tallies.items():
            if caller is not None and owner != caller:
                continue
            key = {GroupBy.CALLER: owner, GroupBy.WORKFLOW: workflow, GroupBy.DAY: day.day}[group_by]
            groups[key] = groups.get(key, Tally()).plus(tally)
    return {key: groups[key] for key in sorted(groups, key=lambda key: key or "")}


def _tally(row: UsageRow) -> Tally:
    tally = Tally(jobs=1, images=row.images, cost=row.cost)
    match row.charged:
        case Charged.YES:
            return replace(tally, failed_charged=1)
        case Charged.NO:
            return replace(tally, failed_uncharged=1)
        case Charged.UNKNOWN:
            return replace(tally, failed_unknown=1)
    return tally

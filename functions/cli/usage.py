"""`usage`: jobs, images, and costs of a job store, as a table or as CSV."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from functions.cli.errors import SetupError
from functions.cli.output import print_csv, print_usage
from functions.cli.stores import open_store
from shared.spending.usage import GroupBy
from shared.steps.usage import MAX_DAYS, Period, read_usage

COLUMNS = ("key", "jobs", "images", "cost", "currency", "failedCharged", "failedUncharged", "failedUnknown")
HEADINGS = {
    "failedCharged": "failed, charged",
    "failedUncharged": "failed, not charged",
    "failedUnknown": "failed, charge unknown",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageOptions:
    """The options of the command. `first` and `last`: by default this month."""

    group_by: str
    first: date | None
    last: date | None
    as_csv: bool
    live: bool


async def usage(options: UsageOptions, environ: Mapping[str, str]) -> None:
    """Print the usage of all callers. Raises SetupError."""
    async with open_store(environ, live=options.live) as deps:
        last = options.last or deps.clock.now().date()
        period = Period(options.first or last.replace(day=1), last)
        if not 0 <= (period.last - period.first).days < MAX_DAYS:
            raise SetupError(f"--from must not be after --to, and at most {MAX_DAYS - 1} days before it.")
        found = await read_usage(period, GroupBy(options.group_by), None, deps)
    rows = [_cells(row) for row in found["rows"]]
    if options.as_csv:
        print_csv(COLUMNS, rows)
    else:
        print_usage([options.group_by, *(HEADINGS.get(name, name) for name in COLUMNS[1:])], rows)


def _cells(row: Mapping[str, Any]) -> list[str]:
    cost = row["cost"] or {"amount": "", "currency": ""}
    values = {**row, "cost": cost["amount"], "currency": cost["currency"]}
    return ["" if values[name] is None else str(values[name]) for name in COLUMNS]

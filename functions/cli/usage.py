"""`usage`: jobs, images, and costs of a deployment or of a job store, as a table, as CSV, or as JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import click

from functions.cli.api import open_api
from functions.cli.errors import SetupError
from functions.cli.output import print_csv, print_usage
from functions.cli.place import Place
from shared.steps.usage import MAX_DAYS

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
    as_json: bool


async def usage(options: UsageOptions, place: Place, environ: Mapping[str, str]) -> None:
    """Print the usage of a caller, or of all for an admin and on a job store. Raises SetupError, and those of `Api`."""
    last = options.last or datetime.now(UTC).date()
    first = options.first or last.replace(day=1)
    if not 0 <= (last - first).days < MAX_DAYS:
        raise SetupError(f"--from must not be after --to, and at most {MAX_DAYS - 1} days before it.")
    async with open_api(place, environ) as api:
        found = await api.get("/usage", groupBy=options.group_by, **{"from": first.isoformat(), "to": last.isoformat()})
    if options.as_json:
        click.echo(json.dumps(found))
        return
    rows = [_cells(row) for row in found["rows"]]
    if options.as_csv:
        print_csv(COLUMNS, rows)
    else:
        print_usage([options.group_by, *(HEADINGS.get(name, name) for name in COLUMNS[1:])], rows)


def _cells(row: Mapping[str, Any]) -> list[str]:
    cost = row["cost"] or {"amount": "", "currency": ""}
    values = {**row, "cost": cost["amount"], "currency": cost["currency"]}
    return ["" if values[name] is None else str(values[name]) for name in COLUMNS]

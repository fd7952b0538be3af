"""What `batch` prints: price and time, one bar for all rows, a line for each failure, and a table at the end."""

import csv
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any, Self

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.text import Text

from functions.cli.errors import SaveFailed
from functions.cli.text import dollars_text, printable
from shared.job_states import Status

RESULTS = "results.csv"
TABLE_ROWS = 20  # of a longer batch only those that did not succeed are shown
PROMPT_WIDTH = 36  # characters
COLORS: Mapping[str, str] = {Status.SUCCEEDED: "green", Status.FAILED: "red", Status.CANCELED: "yellow"}

Row = Mapping[str, str]  # of results.csv, and the path of the first file as `file`


class BatchOutput:
    """The output of `batch`. Use it as a context manager: it ends the progress bar."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False, markup=False)
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}", markup=False))
        quiet = not self._console.is_terminal
        self._bar = Progress(*columns, TimeElapsedColumn(), console=self._console, disable=quiet)
        self._task = self._bar.add_task("", total=None, visible=not quiet)
        self._done = 0

    def __enter__(self) -> Self:
        """Return the output."""
        return self

    def __exit__(self, *_error: object) -> None:
        """End the progress bar."""
        self._bar.stop()

    def say(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, soft_wrap=True)

    def progress(self, batch: Mapping[str, Any]) -> None:
        """Show how far the batch is; without a terminal, a line for each tenth of it."""
        counts = batch["counts"]
        done, total = sum(counts[status] for status in COLORS), counts["total"]
        parts = [f"{counts[name]} {name}" for name in ("running", "failed", "canceled") if counts[name]]
        words = ", ".join(filter(None, [*parts, _end_of(batch)]))
        self._bar.start()
        self._bar.update(self._task, total=total, completed=done, description=words)
        if self._bar.disable and done * 10 // total > self._done * 10 // total:
            self.say(f"{done} of {total} rows are done")
        self._done = done

    def failure(self, row: Row) -> None:
        """Print why a row has no image. What to do is in results.csv."""
        why = printable(row["errorMessage"]) or "It was canceled."
        text = Text.assemble(f"row {row['row']}  ", (row["errorCode"] or row["status"], "red"), f"  {why}")
        self._console.print(text, soft_wrap=not self._console.is_terminal)

    def table(self, rows: Sequence[Row]) -> None:
        """Print the rows, or of many those without an image."""
        self._bar.stop()
        shown = rows if len(rows) <= TABLE_ROWS else [row for row in rows if row["status"] != Status.SUCCEEDED]
        prompt, image_column = Column("prompt", max_width=PROMPT_WIDTH), Column("image", no_wrap=True)
        table = Table("row", prompt, "status", image_column, box=None, header_style="bold", pad_edge=False)
        for row in shown[:TABLE_ROWS]:
            status = Text(row["status"], COLORS.get(row["status"], ""))
            image = row["file"] or row["errorCode"]
            table.add_row(
                row["row"], Text(printable(row["prompt"]), overflow="ellipsis", no_wrap=True), status, Text(image)
            )
        if shown:
            self._console.print("", table, "", sep="\n")
        if len(shown) > TABLE_ROWS:
            self.say(f"… and {len(shown) - TABLE_ROWS} more, see {RESULTS}")

    def summary(self, batch: Mapping[str, Any], folder: Path, *, simulated: bool) -> None:
        """Print the figures, and where the files are. The path of results.csv goes to standard output."""
        counts, cost = batch["counts"], batch["cost"]
        rows = f"{counts['total']:,} {'row' if counts['total'] == 1 else 'rows'}"
        parts = [f"{counts['succeeded']:,} of {rows} succeeded"]
        parts += [f"{counts[name]:,} {name}" for name in ("failed", "canceled") if counts[name]]
        note = " (simulated)" if simulated else ""
        spent = f" Cost: {dollars_text(cost['amount'])}{note}." if cost else ""
        self.say(f"{', '.join(parts)}.{spent}")
        if counts["succeeded"]:
            self.say(f"The images are in the folder {folder if folder.name else folder.resolve()}.")
        click.echo(folder / RESULTS)


def quote_text(quote: Mapping[str, Any]) -> str:
    """Return how many images an upload makes, what they cost, and until when."""
    count, cost = quote["count"], quote["estimatedCost"]
    price = f"about {dollars_text(cost['amount'])}" if cost else "at a price that is not known"
    images = "1 image" if count == 1 else f"{count:,} images"
    return ", ".join(filter(None, [f"{images} for {price}" if cost else f"{images} {price}", _end_of(quote)]))


def write_results(rows: Sequence[Row], folder: Path) -> None:
    """Write results.csv: what the trigger says of each row, and the file of its image. No reader sees half of it.

    A file with this name that is not of these rows is kept as `results-1.csv`. Raises SaveFailed.
    """
    path, part = folder / RESULTS, folder / f".{RESULTS}.part"
    try:
        _keep_other(path, rows)
        with part.open("w", encoding="utf-8-sig", newline="") as file:  # Excel needs the byte order mark
            writer = csv.DictWriter(file, list(rows[0]) if rows else ["row"])
            writer.writeheader()
            writer.writerows(rows)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise SaveFailed(f"Cannot write {path}: {error.strerror}. Close it if another program has it open.") from error


def _keep_other(path: Path, rows: Sequence[Row]) -> None:
    """Rename results.csv if it names no job of the rows."""
    if not path.is_file():
        return
    content = path.read_bytes()
    if not any(row["jobId"].encode() in content for row in rows):
        names = (path.with_stem(f"{path.stem}-{number}") for number in count(1))
        path.rename(next(name for name in names if not name.exists()))


def _end_of(document: Mapping[str, Any]) -> str:
    """The estimated end, in the time of this machine."""
    if not document.get("estimatedEndAt"):
        return ""
    end = datetime.fromisoformat(document["estimatedEndAt"]).astimezone()
    is_today = end.date() == datetime.now().astimezone().date()
    return f"done about {end:%H:%M}" if is_today else f"done about {end:%a %d %b %H:%M}"

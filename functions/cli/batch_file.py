"""The file of `batch`: CSV is sent as it is, and a workbook as CSV."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

from functions.cli.errors import SetupError

LIMIT = 4 * 1024 * 1024  # bytes of an upload
CSV_TYPE = "text/csv"
LINES = 100_000  # of a sheet that are looked at: formatting makes one seem longer than it is


@dataclass(frozen=True, slots=True)
class BatchFile:
    """What is uploaded."""

    path: Path
    content: bytes = field(repr=False)


def read_file(path: Path) -> BatchFile:
    """Return the rows of a CSV file or of the first sheet of a workbook. Raises SetupError."""
    try:
        content = _workbook(path) if path.suffix.lower() == ".xlsx" else path.read_bytes()
    except OSError as error:
        raise SetupError(f"Cannot read {path}: {error.strerror}.") from error
    if len(content) > LIMIT:
        raise SetupError(f"{path} has more than {LIMIT // 1024**2} MiB. Split it.")
    return BatchFile(path, content)


def _workbook(path: Path) -> bytes:
    if find_spec("openpyxl") is None:
        raise SetupError(f"{path}: workbooks need the package openpyxl. Install it, or save the file as CSV.")
    from zipfile import BadZipFile

    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = load_workbook(path, read_only=True, data_only=True)  # the values of formulas, not the formulas
    except (BadZipFile, InvalidFileException, KeyError, ValueError) as error:
        raise SetupError(f"{path} is not a workbook that can be read ({error}). Save it as CSV.") from error
    try:
        return _csv(book.worksheets[0].iter_rows(values_only=True))
    finally:
        book.close()


def _csv(rows: Iterator[tuple[Any, ...]]) -> bytes:
    """The rows as CSV; blank rows stay, so that each row keeps its number."""
    text = io.StringIO()
    csv.writer(text).writerows([_text(value) for value in row] for row in islice(rows, LINES))
    return text.getvalue().encode()


def _text(value: Any) -> str:
    """The text that a cell shows, about: a date as ISO 8601, a whole number without its point."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == value.time().min else value.isoformat()
    return str(value)

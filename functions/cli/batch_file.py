"""The file of `batch`: CSV is sent as it is, and a workbook as CSV."""

import csv
import io
import warnings
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from functions.cli.errors import SetupError

LIMIT = 4 * 1024 * 1024  # bytes of an upload
UNPACKED_LIMIT = 256 * 1024 * 1024  # bytes by which a workbook may grow when it is unpacked
CSV_TYPE = "text/csv"
LINES = 100_000  # of a sheet that are looked at: formatting makes one seem longer than it is

ZIP = b"PK\x03\x04"  # .xlsx, .xlsm, and what is none: .numbers, .ods
OLE = b"\xd0\xcf\x11\xe0"  # .xls, and .xlsx with a password


@dataclass(frozen=True, slots=True)
class BatchFile:
    """What is uploaded. `name`: of the file, and of the sheet in a workbook."""

    name: str
    content: bytes = field(repr=False)


def read_file(path: Path) -> BatchFile:
    """Return the rows of a CSV file or of the first visible sheet of a workbook. Raises SetupError."""
    try:
        with path.open("rb") as file:
            content = file.read(LIMIT + 1)
    except OSError as error:
        raise SetupError(f"Cannot read {path}: {error.strerror}.") from error
    if content.startswith(OLE):
        detail = "has a password, or the format of Excel 97 (.xls)"
        raise SetupError(f"{path} {detail}. Save it as .xlsx without a password, or as CSV.")
    if content.startswith(ZIP) or path.suffix.lower() == ".xlsx":
        return _read_workbook(path)
    _check_size(path, len(content))
    return BatchFile(str(path), content)


def _read_workbook(path: Path) -> BatchFile:
    if find_spec("openpyxl") is None:
        raise SetupError(f"{path}: workbooks need the package openpyxl. Install it, or save the file as CSV.")
    from openpyxl import load_workbook

    try:
        _check_unpacked(path)
        with (
            warnings.catch_warnings(action="ignore"),  # of features that have no values
            closing(load_workbook(path, read_only=True, data_only=True)) as values,
            closing(load_workbook(path, read_only=True)) as formulas,
        ):
            sheet, content = _first_sheet(path, values, formulas)
    except SetupError:
        raise
    except Exception as error:  # of any type: openpyxl raises what its parsers do
        raise SetupError(f"{path} is not a workbook that can be read ({error}). Save it as .xlsx or CSV.") from error
    _check_size(path, len(content))
    return BatchFile(f"{path}, sheet {sheet}", content)


def _check_unpacked(path: Path) -> None:
    """Refuse a zip bomb. Each part counts, because XML may have any name; images are about as large as in the file."""
    with ZipFile(path) as archive:
        size = sum(part.file_size for part in archive.infolist())
    if size > UNPACKED_LIMIT + path.stat().st_size:
        raise SetupError(f"{path} is too large when it is unpacked. Save the sheet with the prompts as CSV.")


def _check_size(path: Path, size: int) -> None:
    if size > LIMIT:
        raise SetupError(f"{path} has more than {LIMIT // 1024**2} MiB. Split it.")


def _first_sheet(path: Path, values: Any, formulas: Any) -> tuple[str, bytes]:
    """The title of the first visible sheet with cells, and its rows as CSV. A chart may have a sheet of its own."""
    sheet = next((one for one in values.worksheets if one.sheet_state == "visible"), None)
    if sheet is None:
        raise SetupError(f"{path} has no visible sheet with cells. Unhide it, or save it as CSV.")
    both = (sheet, formulas[sheet.title])
    for one in both:
        one.reset_dimensions()  # other programs state wrong ones, and one cell far away makes every row long
    text = io.StringIO()
    writer = csv.writer(text)
    for row in islice(_rows(path, *(one.iter_rows() for one in both)), LINES):
        writer.writerow(row)
        _check_size(path, text.tell())
    return sheet.title, text.getvalue().rstrip("\r\n").encode()


def _rows(path: Path, values: Iterable[Any], formulas: Iterable[Any]) -> Iterator[list[str]]:
    """The cells of each row, without blank ones at its end; blank rows stay, so that each row keeps its number."""
    for cells, originals in zip(values, formulas, strict=True):
        for cell, original in zip(cells, originals, strict=True):
            # An empty text as the result of a formula has the type of a text.
            if original.data_type == "f" and cell.value is None and cell.data_type == "n":
                where = f"{original.coordinate} has a formula without a result"
                raise SetupError(f"{path}: {where}. Open the file in Excel or LibreOffice, and save it.")
        row = [_text(cell.value) for cell in cells]
        while row and not row[-1]:
            row.pop()
        yield row


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

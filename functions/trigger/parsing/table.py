"""Tables as spreadsheets export them: CSV in the encodings and dialects of Excel, Numbers, and Google Sheets.

RFC 4180 is the common part. Excel also writes Windows-1252, semicolons where the comma is the decimal point, a first
line `sep=;`, and "Unicode text", which is UTF-16 with tabs.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shared.batches import MAX_ROWS
from shared.problems import Problem

from ..result_table import normalized

COLUMNS_LIMIT = 100
DELIMITERS = ",;\t"
HEADER_BYTES = 1_024  # that tell the encoding
# Of a table with one column: a control character that is in no text, so that a comma needs no quotes.
NO_DELIMITER = "\x1f"

_BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_SEP_LINE = re.compile(r'"?sep=([,;\t|])"?(\r\n|\r|\n)', re.IGNORECASE)
_NO_CODECS = {"replacement", "x-user-defined"}  # which browsers know, and Python does not
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # .xlsx and .numbers are ZIP files, .xls is an OLE file


@dataclass(frozen=True, slots=True)
class Table:
    """The header, and the rows that are not blank, each with its number, in which blank ones before it count."""

    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]


class BadTable(Exception):
    """The file is not a table. `row`: where that shows."""

    def __init__(self, detail: str, row: int = 1) -> None:
        super().__init__(detail)
        self.row = row


def read_table(raw: bytes, content_type: str) -> Table:
    """Parse a file. Raise BadTable, or Problem 415 for a workbook. CPU-bound: run it in a thread if large."""
    if raw.startswith(_WORKBOOKS):
        detail = "The file is a workbook, not CSV. Save it as CSV, or send it with `python -m functions batch`."
        raise Problem("unsupported_media_type", detail)
    text = _decode(raw, content_type).rstrip("\r\n\x1a")  # Ctrl-Z, with which MS-DOS ended a file
    if "\x00" in text:
        raise BadTable("The file contains NUL characters, so it is not a text file. Save it as CSV in UTF-8.")
    records = _numbered(*_dialect(text))
    _, header = next(records, (1, ()))
    if len(header) > COLUMNS_LIMIT:
        raise BadTable(f"The header has {len(header):,} columns; the limit is {COLUMNS_LIMIT}.")
    rows = list[tuple[int, tuple[str, ...]]]()
    for number, cells in records:
        if len(rows) == MAX_ROWS:
            raise BadTable(f"The file has more than {MAX_ROWS:,} rows. Split it.", number)
        rows.append((number, cells))
    return Table(header, tuple(rows))


def _numbered(text: str, delimiter: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The records with something in them, without the blank cells at their ends, numbered as a spreadsheet does."""
    number = 0
    # A space before a quotation mark is none of RFC 4180, but people type it.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True)
    try:
        for record in reader:
            cells = _trimmed(record)
            number += 1
            if cells:
                yield number, cells
    except csv.Error as error:
        detail = f"The row is not valid CSV ({error}). Close every quotation mark, and double those within a cell."
        raise BadTable(detail, number + 1) from error


def _trimmed(record: Sequence[str]) -> tuple[str, ...]:
    end = len(record)
    while end and not record[end - 1].strip():
        end -= 1
    return tuple(record[:end])


# --- delimiters ----------------------------------------------------------------------------------------------------


def _dialect(text: str) -> tuple[str, str]:
    """The text without a line `sep=;`, and the delimiter: the one that finds `prompt` in the header."""
    if found := _SEP_LINE.match(text):
        return text[found.end() :], found[1]
    headers = {delimiter: _header(text, delimiter) for delimiter in DELIMITERS}
    best = max(DELIMITERS, key=lambda delimiter: _fit(headers[delimiter]))
    return text, best if len(headers[best]) > 1 else NO_DELIMITER


def _header(text: str, delimiter: str) -> tuple[str, ...]:
    try:
        return next(_numbered(text, delimiter), (1, ()))[1]
    except BadTable:
        return ()


def _fit(header: Sequence[str]) -> tuple[bool, int]:
    return "prompt" in map(normalized, header), len(header)


# --- character encodings -------------------------------------------------------------------------------------------


def _decode(raw: bytes, content_type: str) -> str:
    """The text, by its byte order mark, else as declared, else as UTF-8 or Windows-1252, whichever fits."""
    for mark, name in _BYTE_ORDER_MARKS.items():
        if raw.startswith(mark):
            return _decoded(raw[len(mark) :], [name])
    return _decoded(raw, [*_utf_16(raw[:HEADER_BYTES]), *_declared(content_type), "utf-8", "cp1252"])


def _utf_16(head: bytes) -> list[str]:
    """UTF-16 whose byte order mark is lost: each of the letters of `prompt` has a byte of zero, on the same side."""
    surplus = head[1::2].count(0) - head[::2].count(0)
    if abs(surplus) < len("prompt"):
        return []
    return ["utf-16-le" if surplus > 0 else "utf-16-be"]


def _decoded(raw: bytes, names: Sequence[str]) -> str:
    for name in names:
        try:
            return raw.decode(name)
        except UnicodeDecodeError:
            continue
    raise BadTable("The characters of the file cannot be read. Save it as CSV in UTF-8.")


def _declared(content_type: str) -> list[str]:
    """The charset of a Content-Type, as browsers understand its name; none if there is no such charset."""
    from webencodings import lookup

    found = re.search(r';\s*charset\s*=\s*"?([\w.:-]+)', content_type, re.IGNORECASE)
    encoding = lookup(found[1]) if found else None
    return [encoding.codec_info.name] if encoding and encoding.name not in _NO_CODECS else []

"""The table of results.csv, which can be sent as a batch again: its columns, and cells that are no formulas."""

import re
from collections.abc import Collection

COLUMNS = (
    "row",
    "status",
    "prompt",
    "imageUrl",
    "imageUrls",
    "errorCode",
    "errorMessage",
    "errorHint",
    "cost",
    "jobId",
)
FILE = "file"  # which the command `batch` adds
# What a row has received rather than sent.
RECEIVED = frozenset({*COLUMNS, FILE} - {"prompt"})
# A table with these columns and one of IMAGES holds results, also if some of the others were removed.
SIGNS = frozenset({"row", "status", "jobId"})
IMAGES = frozenset({"imageUrl", FILE})  # the command `batch` leaves URLs out if they do not outlive it

# Where a formula may begin: at the start of a cell, and after what a spreadsheet may take for the end of one. Where it
# splits at commas, the quotation marks of our cells count; at semicolons or tabs they do not. Some strip spaces.
# https://owasp.org/www-community/attacks/CSV_Injection
_CELL_START = r"(?<![^;\t\r\n])"
_FORMULA = r"""(?=(?:['"]|[^\S\t\r\n])*[=+\-@])"""
_UNESCAPED = re.compile(_CELL_START + _FORMULA)
_ESCAPED = re.compile(_CELL_START + "'" + _FORMULA)


def normalized(name: str) -> str:
    """Return the name of a column without case, spaces, and punctuation: `Aspect Ratio` is `aspect_ratio`."""
    return re.sub(r"[\W_]+", "", name).casefold()


def holds_results(header: Collection[str]) -> bool:
    """Return whether a table is a results.csv."""
    names = {normalized(name) for name in header}
    return {normalized(name) for name in SIGNS} <= names and not names.isdisjoint(map(normalized, IMAGES))


def escaped(cell: str) -> str:
    """Return the text so that no spreadsheet runs it, or a part of it, as a formula."""
    return _UNESCAPED.sub("'", cell)


def unescaped(cell: str) -> str:
    """Return the text that `escaped` was given."""
    return _ESCAPED.sub("", cell)

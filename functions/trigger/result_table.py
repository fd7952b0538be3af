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
# https://owasp.org/www-community/attacks/CSV_Injection
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

_ESCAPED = re.compile(r"'(?=[=+\-@\t\r])")


def normalized(name: str) -> str:
    """Return the name of a column without case, spaces, and punctuation: `Aspect Ratio` is `aspect_ratio`."""
    return re.sub(r"[\W_]+", "", name).casefold()


def holds_results(header: Collection[str]) -> bool:
    """Return whether a table is a results.csv."""
    names = {normalized(name) for name in header}
    return {normalized(name) for name in SIGNS} <= names and not names.isdisjoint(map(normalized, IMAGES))


def escaped(cell: str) -> str:
    """Return the text so that no spreadsheet runs it as a formula."""
    return f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell


def unescaped(cell: str) -> str:
    """Return the text that `escaped` was given."""
    return _ESCAPED.sub("", cell, count=1) if cell.startswith("'") else cell

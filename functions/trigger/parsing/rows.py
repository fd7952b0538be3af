"""The rows of an upload: what their columns mean, and which of them are invalid."""

import re
import unicodedata
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.batches import MAX_ROWS
from shared.problems import Problem
from shared.submission import Submission
from shared.workflows import DEFAULT, OVERRIDES

from ..result_table import RECEIVED, holds_results, normalized, unescaped
from .fields import FIELDS, METADATA_KEYS, batch_items, present, read_text_fields, with_defaults
from .pipeline import WorkflowFields
from .table import BadTable, Table
from .upload import DecodedUpload

# Of a whole batch, or of a browser: a row must not have them.
NOT_IN_ROWS = ("prompts", "token", "dryRun", "idempotencyKey", "dedupeField", "formToken")
FIRST_ROW = 2  # row 1 is the header

_METADATA = "metadata."
_OURS = {normalized(name): name for name, field in FIELDS.items() if not field.browser_only}
_OVERRIDES = {normalized(name): name for name in OVERRIDES}
IGNORED = " "  # no name of a field
_IGNORED = {normalized(name): IGNORED for name in RECEIVED}
# What Excel and Google Sheets show in place of a result, in English, German, and French among others.
_FORMULA_ERROR = re.compile(r"#(?:[A-ZÀ-Þ]+[!?]|DIV/0!|N/[AD]|NV)")


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a row is invalid. `field`: the one to change, None if it is the row as a whole."""

    row: int
    field: str | None
    detail: str

    def document(self) -> dict[str, Any]:
        """Return the error as JSON values."""
        return {"row": self.row, "field": self.field, "detail": self.detail}


@dataclass(frozen=True, slots=True)
class Rows:
    """The valid rows, each with its number, and the errors of the others."""

    valid: tuple[tuple[int, Submission], ...]
    errors: tuple[RowError, ...] = ()


def rows_problem(errors: Sequence[RowError], total: int) -> Problem:
    """Return the problem 422 of an upload with invalid rows."""
    first = errors[0]
    counted = "The file cannot be read" if not total else f"{len(errors):,} of {total:,} rows cannot be accepted"
    hint = "Correct them, or add ?partial=true to leave them out." if total else "Correct it, and send it again."
    named = f"{first.field}: " if first.field and first.field not in first.detail else ""
    detail = f"{counted}; nothing was stored. Row {first.row}: {named}{first.detail} {hint}"
    return Problem("invalid_field", detail, field=first.field, members={"errors": [one.document() for one in errors]})


async def read_rows(
    upload: DecodedUpload, fields: Mapping[str, Any], workflow_fields: WorkflowFields
) -> AsyncIterator[tuple[int, Mapping[str, Any] | Problem]]:
    """Yield the fields of each row, with their defaults, or the problem of the row. `fields`: those beside the rows.

    Raise BadTable, or Problem 422 for JSON, if no row can be read.
    """
    defaults = {name: value for name, value in fields.items() if name not in {"prompts", "idempotencyKey", "dryRun"}}
    if upload.table is not None:
        columns = _Columns(upload.table, workflow_fields)
        for row, cells in upload.table.rows:
            fields_of_row = _caught(_row_fields, columns, await columns.of(cells, defaults), cells)
            yield row, fields_of_row if isinstance(fields_of_row, Problem) else with_defaults(fields_of_row, defaults)
    else:
        prompts = upload.body if isinstance(upload.body, list) else fields.get("prompts")
        for row, element in enumerate(batch_items("prompts", prompts, MAX_ROWS), FIRST_ROW):
            yield row, _caught(_element_fields, element, defaults)


# --- JSON ----------------------------------------------------------------------------------------------------------


def _element_fields(element: Any, defaults: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(element, str):
        return {**defaults, "prompt": element}
    if not isinstance(element, dict):
        raise Problem.wrong("A row must be a string, or an object with a prompt.")
    return with_defaults(_checked(present(element)), defaults)


# --- tables --------------------------------------------------------------------------------------------------------


class _Columns:
    """What the columns of a table mean, which depends on the workflow of a row."""

    def __init__(self, table: Table, workflow_fields: WorkflowFields) -> None:
        self._header = [name.strip() for name in table.header]
        self._workflow_fields = workflow_fields
        self._fields = dict[str, list[str]]()  # by workflow
        self.has_results = holds_results(self._header)
        ours = self._meaning(_OURS)
        if "prompt" not in ours:
            shown = ", ".join(self._header)[:200] or "nothing"
            raise BadTable(f"The first row must name the columns, one of them prompt. It has: {shown}.")
        if not table.rows:
            raise BadTable("The file has a header and no rows.", FIRST_ROW)
        self._workflow = ours.index("workflow") if "workflow" in ours else len(ours)

    async def of(self, cells: Sequence[str], defaults: Mapping[str, Any]) -> list[str]:
        """Return the field that each column sets in a row. Raise BadTable if two columns set the same."""
        named = cells[self._workflow].strip() if self._workflow < len(cells) else ""
        workflow = named or str(defaults.get("workflow", DEFAULT))
        if workflow not in self._fields:
            inputs = {normalized(name): name for name in await self._workflow_fields(workflow) or ()}
            self._fields[workflow] = self._meaning({**_OVERRIDES, **inputs, **_OURS})
            self._check_image(self._fields[workflow])
        return self._fields[workflow]

    def _check_image(self, fields: Sequence[str]) -> None:
        """Reject a column `image` that would be metadata: the row would be paid for without its input image."""
        for name, field in zip(self._header, fields, strict=True):
            if normalized(name) == "image" and field.startswith(_METADATA):
                raise BadTable(f"There is no column {name}. Did you mean image1?")

    def _meaning(self, known: Mapping[str, str]) -> list[str]:
        """The field of each column: a known one, or the caller's own metadata. "" for a column without a name."""
        known = {**known, **_IGNORED} if self.has_results else known
        names = enumerate(self._header, 1)
        fields = [known.get(normalized(name)) or (name and _own_field(name, number)) for number, name in names]
        if twice := next((name for name in fields if name and name != IGNORED and fields.count(name) > 1), None):
            raise BadTable(f"Two columns mean {twice}. Remove or rename one of them.")
        return fields


def _own_field(name: str, number: int) -> str:
    """The field of a column that is the caller's own. The keys of metadata are ASCII."""
    name = name[len(_METADATA) :] if name.lower().startswith(_METADATA) else name
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss")).encode("ascii", "ignore").decode()
    key = re.sub(r"[^A-Za-z0-9_.-]+", "_", plain).strip("_")[:40]
    return f"{_METADATA}{key or f'column_{number}'}"


def _row_fields(columns: _Columns, fields: Sequence[str], cells: Sequence[str]) -> dict[str, Any]:
    """The fields of a row. `fields`: what its columns set."""
    pairs = []
    for number, cell in enumerate(cells):
        if not (text := cell.strip()):
            continue
        if number >= len(fields) or not fields[number]:
            detail = f"Column {number + 1} has no name in the first row. A comma within a cell needs quotation marks."
            raise Problem.wrong(detail)
        text = unescaped(text) if columns.has_results else text
        if fields[number] == "prompt" and _FORMULA_ERROR.fullmatch(text):
            raise Problem.wrong(f"The cell shows the error {text}. Correct its formula.", "prompt")
        if fields[number] != IGNORED:
            pairs.append((fields[number], text))
    if (own := sum(name.startswith(_METADATA) for name, _ in pairs)) > METADATA_KEYS:
        detail = (
            f"The row has {own} columns of your own; the limit is {METADATA_KEYS}. Remove some, or empty their cells."
        )
        raise Problem.wrong(detail, "metadata")
    return _checked(read_text_fields(pairs))


def _checked(fields: dict[str, Any]) -> dict[str, Any]:
    for name in NOT_IN_ROWS:
        if name in fields:
            raise Problem.wrong(f"{name} is not allowed in a row. Remove it.", name)
    return fields


def _caught(read: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any] | Problem:
    try:
        return read(*arguments)
    except Problem as problem:
        return problem

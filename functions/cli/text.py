"""Texts that several commands print. Widths are in columns: some characters take two."""

import shutil
from collections.abc import Mapping
from typing import Any

from rich.cells import cell_len, chop_cells, set_cell_size

MIN_COLUMNS = 40


def printable(text: str) -> str:
    """Return a text on one line, without control characters: others wrote it, and a terminal obeys them."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def dollars_text(amount: float) -> str:
    """Return an amount with at least two digits after the point, and at most six: `$0.20`, `$0.0395`."""
    whole, _, digits = f"{amount:.6f}".rstrip("0").partition(".")
    return f"${whole}.{digits:0<2}"


def cost_text(cost: Mapping[str, Any]) -> str:
    """Return a public cost with its source, which does not matter if nothing was paid: `$0.20 (price)`, `$0.00`."""
    amount = dollars_text(cost["amount"])
    return f"{amount} ({cost['source']})" if cost["amount"] else amount


def columns() -> int:
    """Return the width of the terminal, 80 if there is none."""
    return max(shutil.get_terminal_size((80, 24)).columns, MIN_COLUMNS)


def cut(text: str, width: int) -> str:
    """Return a text of at most `width` columns."""
    return text if cell_len(text) <= width else f"{set_cell_size(text, max(width - 1, 0)).rstrip()}…"


def wrapped(text: str, indent: int, start: str = "") -> str:
    """Return a text on lines that fit the terminal. The first begins with `start`, the others with `indent` spaces.

    It is wrapped between words, and within a word that is longer than a line, but never within a URL.
    """
    lines, gap, width = [start], "", columns()
    for word in printable(text).split():
        for piece in [word] if "://" in word else chop_cells(word, max(width - indent, 1)):
            if lines[-1].strip() and cell_len(f"{lines[-1]}{gap}{piece}") > width:
                lines.append(" " * indent)
                gap = ""
            lines[-1] += gap + piece
            gap = " "
    return "\n".join(line.rstrip() for line in lines)

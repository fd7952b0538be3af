"""Where in a JSON text a fault is that `json` rejects through its hooks, which know no position."""

import json
import re
from collections.abc import Callable, Iterator

# Everything before the fault is valid JSON, so that it consists of these.
_TOKEN = re.compile(
    r'(?P<name>"(?:[^"\\]|\\.)*")\s*:|"(?:[^"\\]|\\.)*"|(?P<open>[{\[])|(?P<close>[}\]])|(?P<literal>[^\s"{}\[\]:,]+)',
    re.DOTALL,
)

Find = Callable[[str], int]


def describe(text: str, offset: int) -> str:
    """Return a position as people count: `line 1, column 14`."""
    return f"line {text.count(chr(10), 0, offset) + 1}, column {offset - text.rfind(chr(10), 0, offset)}"


def literal(wanted: Callable[[str], bool]) -> Find:
    """Return a function that finds the first number or constant that is wanted."""

    def find(text: str) -> int:
        return next((found.start() for found in _tokens(text) if wanted(found["literal"] or "")), 0)

    return find


def depth(limit: int) -> Find:
    """Return a function that finds the first object or array that is nested more than `limit` levels deep."""

    def find(text: str) -> int:
        level = 0
        for found in _tokens(text):
            level += bool(found["open"]) - bool(found["close"])
            if level > limit:
                return found.start()
        return 0

    return find


def repeated(name: str) -> Find:
    """Return a function that finds this name where its object has it already."""

    def find(text: str) -> int:
        objects: list[bool] = []  # whether each of the nested ones has the name
        for found in _tokens(text):
            if found["open"]:
                objects.append(False)
            elif found["close"]:
                objects.pop()
            elif found["name"] and json.loads(found["name"]) == name:  # it may be escaped in several ways
                if objects[-1]:
                    return found.start()
                objects[-1] = True
        return 0

    return find


def _tokens(text: str) -> Iterator[re.Match[str]]:
    return _TOKEN.finditer(text)

"""Finding things in JSON of unknown shape; whatever the bytes are, nothing here raises."""

import json
import math
from collections.abc import Iterator, Set
from typing import Any

DEPTH_LIMIT = 24  # how deep an answer is searched
TEXT_LIMIT = 2_000  # characters of the vendor's words that are looked at
WRAPPERS = ("data", "execution", "run", "result")


def parse(body: bytes) -> Any:
    """The JSON value, or None if it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def walk(document: Any, closed: Set[str] = frozenset(), depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Every name and value of a document, outside in; what stands below a name of `closed` is left out."""
    if depth > DEPTH_LIMIT:
        return
    if isinstance(document, dict):
        yield from document.items()
        document = [value for name, value in document.items() if name not in closed]
    if isinstance(document, list):
        for item in document:
            yield from walk(item, closed, depth + 1)


def first(document: Any, names: Set[str]) -> Any:
    """The first value that stands under one of `names`, at any depth."""
    return next((value for name, value in walk(document) if name in names and value is not None), None)


def envelopes(document: Any) -> Iterator[dict[str, Any]]:
    """The answer and what it is wrapped in, one inside the other, the outermost first."""
    for _ in range(DEPTH_LIMIT):
        if not isinstance(document, dict):
            return
        yield document
        document = next((document[name] for name in WRAPPERS if isinstance(document.get(name), dict)), None)


def number(value: Any) -> float | None:
    """The number that a value is, or that its text spells."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def text(value: Any) -> str | None:
    """A text, or the one inside `{"message"}`, `{"detail"}` or `{"error"}`; bounded."""
    if isinstance(value, dict):
        value = value.get("message") or value.get("detail") or value.get("error")
    return storable(value.strip())[:TEXT_LIMIT] or None if isinstance(value, str) else None


def storable(value: str) -> str:
    """The text with "?" for half characters (lone surrogates), which JSON can spell and no store can keep."""
    return value.encode("utf-8", "replace").decode()


def words(document: Any) -> str | None:
    """The vendor's sentence: `{"error":"text"}` or `{"error":{"type","message","code"}}`."""
    if not isinstance(document, dict):
        return None
    return text(document.get("error")) or text(document.get("message")) or text(document.get("detail"))

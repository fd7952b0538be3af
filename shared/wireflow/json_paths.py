"""Lookups in JSON of unknown shape. Nothing here raises, whatever the input."""

import json
import math
from collections.abc import Iterator, Set
from typing import Any

DEPTH_LIMIT = 24  # levels that are searched
TEXT_LIMIT = 2_000  # characters of a text that are kept
WRAPPERS = ("data", "execution", "run", "result")


def parse(body: bytes) -> Any:
    """Return the JSON value, or None if the body is not valid JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def walk(document: Any, skip: Set[str] = frozenset(), depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield every name and value of a document, outermost first, without descending below names in `skip`."""
    if depth > DEPTH_LIMIT:
        return
    if isinstance(document, dict):
        yield from document.items()
        document = [value for name, value in document.items() if name not in skip]
    if isinstance(document, list):
        for item in document:
            yield from walk(item, skip, depth + 1)


def first(document: Any, names: Set[str]) -> Any:
    """Return the first value under any of `names`, at any depth, or None."""
    return next((value for name, value in walk(document) if name in names and value is not None), None)


def envelopes(document: Any) -> Iterator[dict[str, Any]]:
    """Yield the document and the objects nested in its wrappers (`data`, `execution`, …), outermost first."""
    for _ in range(DEPTH_LIMIT):
        if not isinstance(document, dict):
            return
        yield document
        document = next((document[name] for name in WRAPPERS if isinstance(document.get(name), dict)), None)


def number(value: Any) -> float | None:
    """Return a number, or a number written as text, as a finite float; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def text(value: Any) -> str | None:
    """Return a text, or the text inside `{"message"}`, `{"detail"}`, or `{"error"}`, at most TEXT_LIMIT characters."""
    if isinstance(value, dict):
        value = value.get("message") or value.get("detail") or value.get("error")
    return storable(value.strip())[:TEXT_LIMIT] or None if isinstance(value, str) else None


def storable(value: str) -> str:
    """Return the text with lone surrogates, which JSON allows but no store accepts, replaced by "?"."""
    return value.encode("utf-8", "replace").decode()


def error_message(document: Any) -> str | None:
    """Return the error message of `{"error":"text"}` or `{"error":{"type","message","code"}}`, or None."""
    if not isinstance(document, dict):
        return None
    return text(document.get("error")) or text(document.get("message")) or text(document.get("detail"))

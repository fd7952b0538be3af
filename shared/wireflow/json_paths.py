"""Lookups in JSON of unknown shape. Nothing here raises, whatever the input, and every document is bounded."""

import json
import math
from collections.abc import Iterator, Set
from itertools import islice
from typing import Any

# What is kept of a document: the time that a response takes must not depend on who wrote it.
DEPTH_LIMIT = 24  # levels
ITEMS_LIMIT = 1_000  # of one list or object
VALUES_LIMIT = 50_000  # of the whole document
TEXT_LIMIT = 2_000  # characters of a text that are kept
DIGITS_LIMIT = 256  # of an integer; a longer one is read as a float, and so as infinity
WRAPPERS = ("data", "execution", "run", "result")

# Names of an error's words, the most telling first (https://docs.fal.ai/model-apis/errors has `detail[].msg`).
MESSAGES = tuple(
    " message msg detail details error errors errorMessage error_message failureReason failure_reason description "
    "reason title".split(" ")
)
# Values below these names of an error repeat the request or describe the transport.
ECHOES = frozenset({"input", "inputs", "prompt", "ctx", "loc", "params", "request", "headers", "stack", "url"})


def parse(body: bytes) -> Any:
    """Return the JSON value, cut to the limits above, or None if the body is not JSON.

    One bad character in a text must not hide the execution id of a paid run: bytes that are not of the encoding are
    replaced by U+FFFD, control characters within texts are kept, and no number is too long.
    """
    try:
        return _bounded(_DECODER.decode(body.decode(json.detect_encoding(body), "replace")))
    except (ValueError, RecursionError):
        return None


def _integer(digits: str) -> int | float:
    """Python rejects the whole document if an integer has more than 4,300 digits."""
    return int(digits) if len(digits) <= DIGITS_LIMIT else float(digits)


_DECODER = json.JSONDecoder(parse_int=_integer, strict=False)


def _bounded(document: Any) -> Any:
    """Cut the document in place, level by level, so that a large value does not displace what is outside of it."""
    level, left = [document], VALUES_LIMIT
    for _ in range(DEPTH_LIMIT):
        inner: list[Any] = []
        for container in level:
            size = min(ITEMS_LIMIT, left)
            if isinstance(container, list):
                del container[size:]
                values = container
            elif isinstance(container, dict):
                for name in list(islice(container, size, None)):
                    del container[name]
                values = list(container.values())
            else:
                continue
            left -= len(values)
            inner += [value for value in values if isinstance(value, dict | list)]
        level = inner
    for container in level:
        container.clear()
    return document


def walk(document: Any, skip: Set[str] = frozenset()) -> Iterator[tuple[str, Any]]:
    """Yield every name and value of a document, outermost first, without descending below names in `skip`."""
    if isinstance(document, dict):
        yield from document.items()
        document = [value for name, value in document.items() if name not in skip]
    if isinstance(document, list):
        for item in document:
            yield from walk(item, skip)


def objects(document: Any, skip: Set[str] = frozenset()) -> Iterator[dict[str, Any]]:
    """Yield every object of a document, outermost first, without those below names in `skip`."""
    if isinstance(document, dict):
        yield document
        document = [value for name, value in document.items() if name not in skip]
    if isinstance(document, list):
        for item in document:
            yield from objects(item, skip)


def first(document: Any, names: Set[str]) -> Any:
    """Return the first value under any of `names`, at any depth, or None."""
    return next((value for name, value in walk(document) if name in names and value is not None), None)


def envelopes(document: Any) -> Iterator[dict[str, Any]]:
    """Yield the document and the objects nested in its wrappers (`data`, `execution`, …), outermost first."""
    while isinstance(document, dict):
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
    """Return a text that is not blank, at most TEXT_LIMIT characters, or None."""
    return storable(value.strip())[:TEXT_LIMIT] or None if isinstance(value, str) else None


def storable(value: str) -> str:
    """Return the text with lone surrogates, which JSON allows but no store accepts, replaced by "?"."""
    return value.encode("utf-8", "replace").decode()


# --- errors --------------------------------------------------------------------------------------------------------


def error_message(document: Any) -> str | None:
    """Return the error message of a response, such as `{"error":"text"}` or `{"error":{"message"}}`, or None."""
    error = document.get("error") if isinstance(document, dict) else None
    return next(messages(error), None) or next(messages(document), None) if isinstance(document, dict) else None


def messages(error: Any) -> Iterator[str]:
    """Yield the texts of an error: a text, an object or list of any depth that holds some, or JSON within a text.

    If nothing has the name of a message, every text of several words is one.
    """
    found = [(name, words) for name, value in leaves(error) if (words := text(value))]
    named = sorted((item for item in found if item[0] in MESSAGES), key=lambda item: MESSAGES.index(item[0]))
    return (words for _, words in named or [item for item in found if " " in item[1]])


def leaves(error: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield every plain value of an error with its nearest name ("" if none), except below the names in ECHOES."""
    if isinstance(error, str) and error.lstrip().startswith(("{", "[")):
        error = parse(error.encode("utf-8", "replace")) or error
    if depth > DEPTH_LIMIT:
        return
    if isinstance(error, dict):
        for inner_name, value in error.items():
            if inner_name not in ECHOES:
                yield from leaves(value, inner_name, depth + 1)
    elif isinstance(error, list):
        for value in error:
            yield from leaves(value, name, depth + 1)
    else:
        yield name, error

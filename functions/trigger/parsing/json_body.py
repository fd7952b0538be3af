"""JSON in: what every reader after us can read, too."""

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from shared.problems import Problem

NESTING_LIMIT = 100  # levels


class NotJson(Exception):
    """The text is not JSON, or holds numbers that nobody else could read; its text is the kind of fault."""


def parse(raw: bytes | str) -> Any:
    """The value of a JSON text in UTF-8; NotJson if there is none."""
    try:
        text = raw if isinstance(raw, str) else raw.decode("utf-8-sig")
        return json.loads(text, parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_once_each)
    except (ValueError, RecursionError) as error:
        raise NotJson(type(error).__name__) from error


def check_nesting(body: Any) -> None:
    """What is written and sent on later must fit onto the stack there, too. For a thread: it may take a while."""
    level: list[Any] = [body]
    for _ in range(NESTING_LIMIT):
        level = [child for value in level for child in _children(value)]
        if not level:
            return
    raise Problem.wrong(f"The body is nested more than {NESTING_LIMIT} levels deep.")


def check_unicode(fields: Mapping[str, Any]) -> None:
    """JSON can spell half a character, and no store can keep it."""
    if not _has_half_a_character(fields):
        return
    name = next(name for name, value in fields.items() if _has_half_a_character({name: value}))
    detail = "The field holds half a character (a lone surrogate); send valid Unicode."
    raise Problem.wrong(detail, name.encode(errors="replace").decode())


def _has_half_a_character(fields: Mapping[str, Any]) -> bool:
    try:
        json.dumps(fields, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two fields of one name readers take either (RFC 8259, 4): what one has checked another would not see."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise NotJson("a name stands twice in one object")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError("a number is too large")
    return number

"""The part of the Logging query language that our filters use: whether a log entry matches.

https://cloud.google.com/logging/docs/view/logging-query-language: comparisons, `field=(a OR b)`, AND, OR, NOT, ().
A field that is not there matches no comparison. Stricter than the real thing in one point: text is compared with its
case. Filters of Cloud Monitoring are written in the same part.
"""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

Entry = Mapping[str, Any]
Match = Callable[[Entry], bool]

TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[()]|[<>!]?=|[<>]|[\w.-]+)')
COMPARISONS = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


def matches(query: str, entry: Entry) -> bool:
    """Whether `entry` matches; ValueError for a query that is not of the part that we know."""
    parser = _Parser(query)
    match = parser.either()
    if parser.tokens:
        raise ValueError(f"cannot read {parser.tokens} in {query}")
    return match(entry)


class _Parser:
    def __init__(self, query: str) -> None:
        self.tokens = TOKEN.findall(query)
        if "".join(self.tokens) != re.sub(r'\s+(?=(?:[^"]*"[^"]*")*[^"]*$)', "", query):
            raise ValueError(f"cannot read {query}")

    def either(self) -> Match:
        choices = [self._both()]
        while self._next_is("OR"):
            choices.append(self._both())
        return lambda entry: any(choice(entry) for choice in choices)

    def _both(self) -> Match:
        parts = [self._one()]
        while self._next_is("AND"):
            parts.append(self._one())
        return lambda entry: all(part(entry) for part in parts)

    def _one(self) -> Match:
        if self._next_is("NOT"):
            denied = self._one()
            return lambda entry: not denied(entry)
        if self._next_is("("):
            inner = self.either()
            self._expect(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Match:
        path, compare, values = self._take(), COMPARISONS[self._take()], self._values()
        return lambda entry: any(_compare(_look_up(entry, path), compare, value) for value in values)

    def _values(self) -> list[str]:
        if not self._next_is("("):
            return [self._take()]
        values = [self._take()]
        while self._next_is("OR"):
            values.append(self._take())
        self._expect(")")
        return values

    def _take(self) -> str:
        if not self.tokens:
            raise ValueError("the query ends too early")
        return str(self.tokens.pop(0))

    def _next_is(self, word: str) -> bool:
        return self.tokens[:1] == [word] and bool(self.tokens.pop(0))

    def _expect(self, word: str) -> None:
        if not self._next_is(word):
            raise ValueError(f"{word} is missing before {self.tokens}")


def _look_up(entry: Entry, path: str) -> Any:
    found: Any = entry
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _compare(found: Any, compare: Callable[[Any, Any], Any], value: str) -> bool:
    if found is None:
        return False
    if value.startswith('"'):
        return bool(compare(str(found), value[1:-1]))
    return isinstance(found, int | float) and bool(compare(found, float(value)))

"""Arrays in: many requests in one body, each with the fields that stand beside them as its defaults."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shared.problems import Problem

ROWS_LIMIT = 100


@dataclass(frozen=True, slots=True)
class Row:
    """One request of an array. `own`: the names that stand in the element itself."""

    index: int
    name: str  # `[3]` or `prompts[3]`
    fields: dict[str, Any]
    own: frozenset[str]
    is_text: bool = False

    def locate(self, problem: Problem) -> Problem:
        """The same problem, with a field that says where in the body it stands."""
        field = problem.field
        if field is None or (field == "prompt" and self.is_text and self.name.startswith("prompts")):
            field = self.name
        elif field in self.own or field not in self.fields:
            field = f"{self.name}.{field}"
        return Problem(problem.code, problem.detail, field=field, headers=problem.headers)


def is_array(body: Any) -> bool:
    """Whether this is an array of requests, or an object that holds one."""
    return isinstance(body, list) or (isinstance(body, dict) and "prompts" in body)


def named(body: Any, index: int) -> str:
    """How an element is called: `[3]`, or `prompts[3]` where the array stands in an object."""
    return f"{'' if isinstance(body, list) else 'prompts'}[{index}]"


def rows(body: list[Any] | Mapping[str, Any], defaults: Mapping[str, Any]) -> Iterator[Row | Problem]:
    """The requests of an array, and in the place of each element that is none what is wrong with it.

    `defaults`: what stands beside `prompts`, or in the query. Problem if the array itself is wrong.
    """
    elements, where = (body, None) if isinstance(body, list) else (body["prompts"], "prompts")
    if not isinstance(elements, list) or not elements:
        raise Problem.wrong("Send an array of prompts: texts, or objects with a prompt.", where)
    if len(elements) > ROWS_LIMIT:
        detail = f"The array has {len(elements):,} elements; at most {ROWS_LIMIT} are allowed."
        raise Problem.wrong(detail, where)
    return (_row(element, index, named(body, index), defaults) for index, element in enumerate(elements))


def _row(element: Any, index: int, name: str, defaults: Mapping[str, Any]) -> Row | Problem:
    if isinstance(element, str):
        return Row(index, name, {**defaults, "prompt": element}, frozenset({"prompt"}), is_text=True)
    if not isinstance(element, dict):
        return Problem.wrong("An element must be a text, or an object with a prompt.", name)
    for ours in ("prompts", "token"):
        if ours in element:
            return Problem.wrong(f"{ours} cannot stand in an element of an array.", f"{name}.{ours}")
    return Row(index, name, {**defaults, **element}, frozenset(element))

"""The query string: our fields in it are defaults for those of the body."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request

from shared.problems import Problem

from .fields import FIELDS, flag, is_text_field, read_text_fields, with_defaults
from .near_misses import check_names


@dataclass(frozen=True, slots=True)
class Query:
    """`partial`: whether the valid requests of a batch are accepted although others are invalid."""

    defaults: Mapping[str, Any]
    partial: bool


def read_query(request: Request, *, signed: bool) -> Query:
    """Return our fields in the query string; names that are not ours are ignored.

    Problem 422 if one is invalid, for a name that is nearly one of ours, or for any query string of a signed request.
    The signature does not cover it: a captured request could be sent again with another one.
    """
    if signed and request.scope["query_string"]:
        raise Problem.wrong("A signed request must not have a query string. Move its fields to the body.")
    if not request.scope["query_string"]:
        return Query({}, partial=False)
    text = request.scope["query_string"].decode("utf-8", "surrogateescape")
    pairs = parse_qsl(text, keep_blank_values=True, errors="surrogateescape")
    check_names(name for name, _ in pairs)
    _check_flags(pairs)
    partial = [flag(name, value) for name, value in pairs if name == "partial"]
    defaults = read_text_fields((name, value) for name, value in pairs if is_text_field(name) and name != "token")
    return Query(defaults, any(partial))


def _check_flags(pairs: Iterable[tuple[str, str]]) -> None:
    """`?dryRun` without a value is meant as true, and would be paid for as false."""
    for name, value in pairs:
        if not value and (name == "partial" or (name in FIELDS and FIELDS[name].from_text is flag)):
            raise Problem.wrong(f"{name} has no value. Send {name}=true, or leave it out.", name)


def merge_defaults(body: dict[str, Any] | list[Any], query: Query) -> dict[str, Any]:
    """Return the request's fields with their defaults; of an array, the defaults of its elements."""
    return with_defaults(body, query.defaults) if isinstance(body, dict) else dict(query.defaults)

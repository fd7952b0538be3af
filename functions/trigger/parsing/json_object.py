"""A small JSON object with known fields, as the routes other than `POST /` accept it."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request

from shared.problems import Problem

from .json_body import NotJson, json_problem, parse
from .read import BODY_LIMIT, read_body


async def read_object(request: Request, known: Sequence[str]) -> Mapping[str, Any]:
    """Return the fields of the body. Problem 400, 413, or 422 for an unknown field."""
    raw = await read_body(request, BODY_LIMIT)
    try:
        body = parse(raw)
    except NotJson as error:
        raise json_problem(raw, error, f"JSON with the fields {', '.join(known)}") from error
    if not isinstance(body, dict):
        raise Problem.wrong(f"The request body must be a JSON object with the fields {', '.join(known)}.")
    check_known(body, known)
    return body


def check_known(fields: Mapping[str, Any], known: Sequence[str], path: str = "") -> None:
    """Raise Problem 422 for a field that is not known. `path`: of the object in the body."""
    if unknown := next((name for name in fields if name not in known), None):
        name = f"{path}.{unknown}" if path else unknown
        raise Problem.wrong(f"There is no such field. The fields are {', '.join(known)}.", name[:200])


def whole_number(value: Any) -> int | None:
    """Return an integer of JSON, which may be written as 1 or 1.0, or None for anything else."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None

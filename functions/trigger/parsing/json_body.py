"""JSON that every reader after us reads in the same way."""

import json
import math
import sys
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from shared.problems import Problem

from . import json_position

NESTING_LIMIT = 100  # levels


class NotJson(Exception):
    """The text is not JSON that all parsers read alike. Its message is the position and the reason."""


def json_problem(raw: bytes, error: NotJson, send: str) -> Problem:
    """Return the problem 400 of a body that is not JSON, or empty. `send`: what to send, such as `JSON such as …`."""
    fault = f"is not valid JSON ({error})" if raw.strip() else "is empty"
    return Problem("invalid_json", f"The request body {fault}. Send UTF-8 {send}.")


class _Rejected(Exception):
    """A hook of `json` rejects a value. `find`: finds it in the text."""

    def __init__(self, reason: str, find: json_position.Find) -> None:
        super().__init__(reason)
        self.find = find


def parse(raw: bytes | str) -> Any:
    """Return the value of a JSON text in UTF-8. NotJson if it has none."""
    text = raw if isinstance(raw, str) else _decode(raw)
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        reason = error.msg.removesuffix(" delimiter").removesuffix(" at").removesuffix(" starting").lower()
        reason = reason.replace("expecting value", "expected a value").replace("expecting", "expected")
        raise NotJson(f"line {error.lineno}, column {error.colno}: {reason}") from error
    except _Rejected as error:
        raise _located(text, str(error), error.find) from error
    except RecursionError as error:
        raise _located(text, "it is nested too deeply", json_position.depth(NESTING_LIMIT)) from error
    except ValueError as error:  # from int()
        longest = sys.get_int_max_str_digits()
        find = json_position.literal(lambda literal: literal.strip("-").isdigit() and len(literal) > longest)
        raise _located(text, "a number has too many digits", find) from error


def _decode(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode()
        raise NotJson(f"{json_position.describe(before, len(before))}: it is not UTF-8") from error


def _located(text: str, reason: str, find: json_position.Find) -> NotJson:
    return NotJson(f"{json_position.describe(text, find(text))}: {reason}")


def check_nesting(body: Any) -> None:
    """Check that the body can be serialized and stored later on. Problem 422 if it is nested too deeply."""
    level: list[Any] = [body]
    for _ in range(NESTING_LIMIT):
        level = [child for value in level for child in _children(value)]
        if not level:
            return
    raise Problem.wrong(f"The request body is nested more than {NESTING_LIMIT} levels deep. Send a flatter one.")


def check_unicode(fields: Mapping[str, Any]) -> None:
    """Check that the store can keep the fields. Problem 422 for a lone surrogate, which JSON can spell."""
    if _is_unicode(fields):
        return
    name = next(name for name, value in fields.items() if not _is_unicode({name: value}))
    detail = "The field contains a lone surrogate (half a character). Send valid Unicode."
    raise Problem.wrong(detail, name.encode(errors="replace").decode())


def _is_unicode(fields: Mapping[str, Any]) -> bool:
    try:
        _ENCODER.encode(fields).encode()
    except UnicodeEncodeError:
        return False
    return True


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _object_of_unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Parsers keep either of two fields with one name (RFC 8259, 4): the next one could see what was not checked."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            reason = f"the name {json.dumps(name[:80])} occurs twice in one object"
            raise _Rejected(reason, json_position.repeated(name))
        found[name] = value
    return found


def _reject_constant(name: str) -> NoReturn:
    raise _Rejected(f"{name} is not allowed", json_position.literal(lambda literal: literal == name))


def _finite_number(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise _Rejected("a number is too large", json_position.literal(lambda literal: literal == text))
    return number


# Made once: `json.loads` and `json.dumps` would make them for each request.
_DECODER = json.JSONDecoder(
    parse_constant=_reject_constant, parse_float=_finite_number, object_pairs_hook=_object_of_unique_names
)
_ENCODER = json.JSONEncoder(ensure_ascii=False)

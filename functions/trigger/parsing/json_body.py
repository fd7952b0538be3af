"""JSON that every reader after us reads in the same way."""

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from shared.problems import Problem

NESTING_LIMIT = 100  # levels


class NotJson(Exception):
    """The text is not JSON that all parsers read alike. Its message is the reason, with the position if known."""


def parse(raw: bytes | str) -> Any:
    """Return the value of a JSON text in UTF-8. NotJson if it has none."""
    try:
        text = raw if isinstance(raw, str) else raw.decode("utf-8-sig")
        return json.loads(
            text, parse_constant=_reject_constant, parse_float=_finite_number, object_pairs_hook=_object_of_unique_names
        )
    except json.JSONDecodeError as error:
        reason = error.msg.removesuffix(" delimiter").removesuffix(" at").removesuffix(" starting").lower()
        reason = reason.replace("expecting value", "expected a value").replace("expecting", "expected")
        raise NotJson(f"line {error.lineno}, column {error.colno}: {reason}") from error
    except UnicodeDecodeError as error:
        raise NotJson("it is not UTF-8") from error
    except RecursionError as error:
        raise NotJson("it is nested too deeply") from error
    except ValueError as error:  # int() of more than 4,300 digits
        raise NotJson("a number has too many digits") from error


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
        json.dumps(fields, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _object_of_unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Parsers keep either of two fields with one name (RFC 8259, 4): the next one could see what was not checked."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise NotJson("a name occurs twice in one object")
    return found


def _reject_constant(name: str) -> NoReturn:
    raise NotJson(f"{name} is not allowed")


def _finite_number(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise NotJson("a number is too large")
    return number

"""One dedupe for all ways in: which of the names that a request brings along makes it the same as another."""

import json
import re
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers

from shared.idempotency import IdempotencyKey
from shared.problems import Problem

SHORTEST_OF_A_BROWSER = 16  # characters: others can guess a shorter one, and would be shown its job
FORM_TOKEN_LIMIT = 2_048  # characters

_VISIBLE = re.compile(r"[\x21-\x7e]{1,255}")


def from_header(headers: Headers, name: str) -> str | None:
    """The key of a header, quoted (draft-ietf-httpapi-idempotency-key-header) or not: the same key."""
    values = headers.getlist(name)
    if not values:
        return None
    key = _unquoted(values[0].strip())
    if len(set(values)) > 1 or key is None:
        detail = f"Send one {name} of 1 to 255 visible ASCII characters, for example a UUID."
        raise Problem("invalid_idempotency_key", detail)
    return key


def from_field(fields: Mapping[str, Any], name: str = "idempotencyKey") -> str | None:
    """The key of a field, if it is there."""
    if name not in fields:
        return None
    value = fields[name]
    key = _unquoted(value) if isinstance(value, str) else None
    if key is None:
        raise Problem.wrong(f"{name} must be a text of 1 to 255 visible ASCII characters, for example a UUID.", name)
    return key


def of_request(headers: Headers, fields: Mapping[str, Any], *, browser: bool) -> IdempotencyKey | None:
    """The `Idempotency-Key`, which may stand in a header or in a field."""
    header, field = from_header(headers, "Idempotency-Key"), from_field(fields)
    if header and field and header != field:
        raise Problem.wrong("The header Idempotency-Key says something else; send one of them.", "idempotencyKey")
    if (value := header or field) is None:
        return None
    return long_enough(IdempotencyKey("key", value), value, browser=browser, field=None if header else "idempotencyKey")


def of_form_token(fields: Mapping[str, Any]) -> str | None:
    """The `formToken`, whoever made it."""
    if "formToken" not in fields:
        return None
    token = fields["formToken"]
    if not isinstance(token, str) or not 0 < len(token) <= FORM_TOKEN_LIMIT:
        raise Problem.wrong("formToken must be the text that GET /form-token answered with.", "formToken")
    return token


def of_field(fields: Mapping[str, Any], *, browser: bool) -> IdempotencyKey | None:
    """The value of the field that `dedupeField` names."""
    if "dedupeField" not in fields:
        return None
    name = fields["dedupeField"]
    if not isinstance(name, str) or not (text := _text(fields.get(name))):
        detail = "dedupeField must name a field of this request that holds a text, a number or true or false."
        raise Problem.wrong(detail, "dedupeField")
    return long_enough(IdempotencyKey("field", json.dumps([name, text])), text, browser=browser, field="dedupeField")


def long_enough(key: IdempotencyKey, value: str, *, browser: bool, field: str | None = None) -> IdempotencyKey:
    """The key, unless it comes from a browser and is short."""
    if browser and len(value) < SHORTEST_OF_A_BROWSER:
        detail = f"From browsers a key has at least {SHORTEST_OF_A_BROWSER} characters, such as a UUID's."
        raise Problem.wrong(detail, field)
    return key


def _unquoted(key: str) -> str | None:
    if len(key) > 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    return key if _VISIBLE.fullmatch(key) and '"' not in (key[0], key[-1]) else None


def _text(value: Any) -> str | None:
    """The same for 7, 7.0 and "7": ways in that know only text must meet those that know numbers."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(int(value)) if value == int(value) else repr(value)
    return value.strip() if isinstance(value, str) else None

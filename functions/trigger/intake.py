"""From a request's bytes to an order: bad input is refused here, before anything is stored or paid for."""

import json
import math
import re
from collections.abc import Iterable
from typing import Any, NoReturn

from starlette.requests import Request

from shared.problems import Problem
from shared.steps.accept import Order, fingerprint

BODY_LIMIT = 512 * 1024  # bytes
PROMPT_LIMIT = 4_000  # characters
NESTING_LIMIT = 100  # levels
STORED_LIMIT = 900 * 1024  # bytes: `1e15` is longer when it is written again, and a document may have 1 MiB

# Ours, and not built yet: refused by name, so that nothing is silently ignored or sent to Wireflow.
RESERVED = (
    "prompts",
    "fromJob",
    "fromImage",
    "callbackUrl",
    "redirectUrl",
    "idempotencyKey",
    "dedupeField",
    "token",
    "formToken",
    "cf-turnstile-response",
    "altText",
    "then",
    "metadata",
)
OURS = ("prompt", "workflow", "allowPartial", "deadlineSeconds")

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


async def read_order(request: Request) -> Order:
    """The order that a request holds; Problem if it holds none."""
    key = _idempotency_key(request)
    _check_media_type(request)
    text = _decoded(await _read(request))
    body = _parse(text)
    if not isinstance(body, dict):
        _wrong('The body must be a JSON object such as {"prompt": "a cat"}.')
    _check_nesting(body)
    for name in RESERVED:
        if name in body:
            _reserved(name)
    if body.get("workflow", "default") != "default":
        _wrong('The only workflow is "default".', "workflow")
    prompt = _prompt(body.get("prompt"))
    _check_unicode(body)
    return Order(
        prompt=prompt,
        input=_input({name: value for name, value in body.items() if name not in OURS}),
        fingerprint=fingerprint(text),
        idempotency_key=key,
        deadline_seconds=_deadline(body.get("deadlineSeconds")),
        allow_partial=_flag(body, "allowPartial"),
    )


def _idempotency_key(request: Request) -> str | None:
    """1 to 255 visible ASCII characters, quoted (draft-ietf-httpapi-idempotency-key-header) or not: the same key."""
    values = request.headers.getlist("idempotency-key")
    if not values:
        return None
    key = values[0].strip()
    if len(key) > 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if len(set(values)) > 1 or not _KEY.fullmatch(key) or key[0] == '"' or key[-1] == '"':
        detail = "Send one Idempotency-Key of 1 to 255 visible ASCII characters, for example a UUID."
        raise Problem("invalid_idempotency_key", detail)
    return key


def _check_media_type(request: Request) -> None:
    """A JSON type, or no Content-Type at all."""
    kind = request.headers.get("content-type", "application/json").split(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        detail = f"Send the body as JSON with the header Content-Type: application/json, not as {kind[:80]!r}."
        raise Problem("unsupported_media_type", detail)


async def _read(request: Request) -> bytes:
    """The body, never more than the limit in memory."""
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > BODY_LIMIT:
        _too_large()
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT:
            _too_large()
    return bytes(body)


def _input(fields: dict[str, Any]) -> str:
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    if len(text.encode()) > STORED_LIMIT:
        detail = f"Written out, the body has more than {STORED_LIMIT // 1024} KiB. Send large inputs as URLs."
        raise Problem("body_too_large", detail)
    return text


def _decoded(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _no_json(error) from error


def _parse(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise _no_json(error) from error


def _no_json(error: Exception) -> Problem:
    detail = f'The body is not JSON ({type(error).__name__}). Send UTF-8 such as {{"prompt": "a cat"}}.'
    return Problem("invalid_json", detail)


def _check_nesting(body: dict[str, Any]) -> None:
    """What is written and sent on later must fit onto the stack there, too."""
    level: list[Any] = [body]
    for _ in range(NESTING_LIMIT):
        level = [child for value in level for child in _children(value)]
        if not level:
            return
    _wrong(f"The body is nested more than {NESTING_LIMIT} levels deep.")


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _check_unicode(body: dict[str, Any]) -> None:
    """JSON can spell half a character, and no store can keep it."""
    for name, value in body.items():
        try:
            json.dumps({name: value}, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            field = name.encode(errors="replace").decode()
            _wrong("The field holds half a character (a lone surrogate); send valid Unicode.", field)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError("a number is too large")
    return number


def _prompt(value: Any) -> str:
    if not isinstance(value, str):
        _wrong("Send a prompt: a text that says what the image shows.", "prompt")
    if not value.strip():
        _wrong("The prompt is blank: say what the image shows.", "prompt")
    if len(value) > PROMPT_LIMIT:
        _wrong(f"The prompt has {len(value):,} characters; at most {PROMPT_LIMIT:,} are allowed.", "prompt")
    return value


def _deadline(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        _wrong("deadlineSeconds must be a number of seconds above 0 and below 1,000,000,000.", "deadlineSeconds")
    return float(value)


def _flag(body: dict[str, Any], name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        _wrong(f"{name} must be true or false.", name)
    return value


def _wrong(detail: str, field: str | None = None) -> NoReturn:
    raise Problem("invalid_field", detail, field=field)


def _reserved(name: str) -> NoReturn:
    raise Problem("field_not_supported", f"{name} is a reserved name that is not supported yet.", field=name)


def _too_large() -> NoReturn:
    detail = f"The body may have {BODY_LIMIT // 1024} KiB. Send large inputs as URLs."
    raise Problem("body_too_large", detail)

"""From a request's bytes to an order: bad input is refused here, before anything is stored or paid for."""

import json
import math
import re
from typing import Any, NoReturn

from starlette.requests import Request

from shared.problems import Problem
from shared.steps.accept import Order, fingerprint

BODY_LIMIT = 512 * 1024  # bytes
PROMPT_LIMIT = 4_000  # characters

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
    body = _parse(await _read(request))
    if not isinstance(body, dict):
        _wrong('The body must be a JSON object such as {"prompt": "a cat"}.')
    for name in RESERVED:
        if name in body:
            _reserved(name)
    if body.get("workflow", "default") != "default":
        _wrong('The only workflow is "default".', "workflow")
    return Order(
        prompt=_prompt(body.get("prompt")),
        fields={name: value for name, value in body.items() if name not in OURS},
        fingerprint=fingerprint(body),
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
    if len(set(values)) > 1 or not _KEY.fullmatch(key):
        detail = "Send one Idempotency-Key of 1 to 255 visible ASCII characters, for example a UUID."
        raise Problem("invalid_idempotency_key", detail)
    return key


def _check_media_type(request: Request) -> None:
    """JSON, or no word about it."""
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


def _parse(body: bytes) -> Any:
    try:
        value = json.loads(body.decode("utf-8-sig"), parse_constant=_no_constant, parse_float=_finite)
        json.dumps(value)  # what cannot be written again could not be sent on
    except (ValueError, RecursionError) as error:
        detail = f'The body is not JSON ({type(error).__name__}). Send UTF-8 such as {{"prompt": "a cat"}}.'
        raise Problem("invalid_json", detail) from error
    return value


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
    if any("\ud800" <= character <= "\udfff" for character in value):
        _wrong("The prompt holds half a character (a lone surrogate); send valid Unicode.", "prompt")
    return value


def _deadline(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        _wrong("deadlineSeconds must be a number of seconds greater than 0.", "deadlineSeconds")
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

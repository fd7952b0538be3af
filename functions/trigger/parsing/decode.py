"""From the bytes of a body, of any kind, to the fields of a request."""

from dataclasses import dataclass, field, replace
from typing import Any

from starlette.datastructures import Headers

from shared.idempotency import IdempotencyKey
from shared.problems import Problem

from . import events, forms
from .fields import read_field
from .json_body import NotJson, check_nesting, check_unicode, parse
from .media_type import BodyKind
from .read import BODY_LIMIT, too_large


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedBody:
    """A decoded request, or a list of them. Its token is no longer one of its fields."""

    body: dict[str, Any] | list[Any]
    token: str | None = field(default=None, repr=False)
    file: bytes | None = None  # image1 of a multipart form, an image of a known format
    event_key: IdempotencyKey | None = None  # names the event that the request came in
    form: bool = False


def decode(kind: BodyKind, headers: Headers, raw: bytes) -> DecodedBody:
    """Decode a complete body. Problem 400, 413, or 422 if it is invalid. CPU-bound: run it in a thread if large."""
    if kind is BodyKind.EVENT:
        decoded = _from_event(events.read(headers, raw))
    elif kind is BodyKind.JSON:
        decoded = _from_json(raw)
    else:
        read_form = forms.multipart if kind is BodyKind.MULTIPART else forms.urlencoded
        form = read_form(raw, headers.get("content-type", ""))
        decoded = DecodedBody(body=form.fields, file=form.file, form=True)
    check_nesting(decoded.body)
    return _without_token(decoded)


def _from_json(raw: bytes) -> DecodedBody:
    try:
        body = parse(raw)
    except NotJson as error:
        detail = f'The request body is not valid JSON ({error}). Send UTF-8 JSON such as {{"prompt": "a cat"}}.'
        raise Problem("invalid_json", detail) from error
    if event := events.from_push(body):
        return _from_event(event)
    if not isinstance(body, dict | list):
        detail = 'The request body must be a JSON object such as {"prompt": "a cat"}, or an array of them.'
        raise Problem.wrong(detail)
    _check_size(body, len(raw))
    return DecodedBody(body=body)


def _from_event(event: events.Event) -> DecodedBody:
    _check_size(event.body, event.size)
    return DecodedBody(body=event.body, event_key=event.key)


def _check_size(body: dict[str, Any] | list[Any], size: int) -> None:
    """Only a batch may be larger."""
    if size > BODY_LIMIT and isinstance(body, dict) and "prompts" not in body:
        raise too_large("request", BODY_LIMIT)


def _without_token(decoded: DecodedBody) -> DecodedBody:
    if isinstance(decoded.body, list) or "token" not in decoded.body:
        return decoded
    token = read_field("token", decoded.body)
    check_unicode({"token": token})
    rest = {name: value for name, value in decoded.body.items() if name != "token"}
    return replace(decoded, body=rest, token=token)

"""From the bytes of a body, of any kind, to the fields of a request."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from starlette.datastructures import Headers

from shared.idempotency import IdempotencyKey
from shared.problems import Problem

from . import events, forms, notifications
from .fields import present, read_field
from .json_body import NotJson, check_nesting, check_unicode, json_problem, parse
from .media_type import BodyKind, content_type
from .near_misses import EXAMPLE
from .read import BODY_LIMIT, too_large


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedBody:
    """A decoded request, or a list of them. Its token is no longer one of its fields."""

    body: dict[str, Any] | list[Any]
    token: str | None = field(default=None, repr=False)
    files: Mapping[str, bytes] = field(default_factory=dict)  # of a multipart form: input images by field
    event_key: IdempotencyKey | None = None  # names the event that the request came in
    form: bool = False


D = TypeVar("D", bound=DecodedBody)


def decode(kind: BodyKind, headers: Headers, raw: bytes, example: str = EXAMPLE) -> DecodedBody:
    """Decode a complete body. Problem 400, 413, or 422, with the `example`, if it is invalid.

    CPU-bound: run it in a thread if large.
    """
    if kind is BodyKind.EVENT:
        decoded = _from_event(events.read(headers, raw))
    elif (form := read_form(kind, headers, raw)) is None:
        decoded = _from_json(raw, example)
    else:
        decoded = DecodedBody(body=form.fields(), files=form.images(raw), form=True)
    check_nesting(decoded.body)
    notifications.check_body(decoded.body)
    return without_token(decoded)


def read_form(kind: BodyKind, headers: Headers, raw: bytes) -> forms.Form | None:
    """Return what a form holds, or None for another body. Problem 400 or 413 if it cannot be read."""
    if kind is BodyKind.MULTIPART:
        return forms.multipart(raw, content_type(headers))
    if kind is BodyKind.URLENCODED and not resembles_json(raw):
        return forms.urlencoded(raw, content_type(headers))
    return None


def resembles_json(raw: bytes) -> bool:
    """Return whether an urlencoded body is JSON: `curl -d` names this type if told none. Browsers escape brackets."""
    return raw.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")


def _from_json(raw: bytes, example: str) -> DecodedBody:
    try:
        body = parse(raw)
    except NotJson as error:
        raise json_problem(raw, error, f"JSON such as {example}") from error
    if event := events.from_push(body):
        return _from_event(event)
    if not isinstance(body, dict | list):
        raise Problem.wrong(f"The request body must be a JSON object such as {example}, or an array of them.")
    return DecodedBody(body=_checked(body, len(raw)))


def _from_event(event: events.Event) -> DecodedBody:
    return DecodedBody(body=_checked(event.body, event.size), event_key=event.key)


def _checked(body: dict[str, Any] | list[Any], size: int) -> dict[str, Any] | list[Any]:
    """The body without our empty fields, if it is not too large: only a batch may have more than 512 KiB."""
    if isinstance(body, list):
        return body
    fields = present(body)
    if size > BODY_LIMIT and "prompts" not in fields:
        raise too_large("request", BODY_LIMIT)
    return fields


def without_token(decoded: D) -> D:
    """Move the token of a body out of its fields. Problem 422 if it is none."""
    if isinstance(decoded.body, list) or "token" not in decoded.body:
        return decoded
    empty_input = decoded.form and decoded.body["token"] == ""  # it is rejected as any unknown token
    token = "" if empty_input else read_field("token", decoded.body)
    check_unicode({"token": token})
    rest = {name: value for name, value in decoded.body.items() if name != "token"}
    return replace(decoded, body=rest, token=token)

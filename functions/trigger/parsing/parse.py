"""From a request's bytes to submissions: bad input is refused here, before anything is stored or paid for."""

import asyncio
import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request

from shared.config import Config
from shared.idempotency import IdempotencyKey
from shared.problems import Problem
from shared.submission import Submission

from ..auth.authorize import check_may_send_batches
from ..auth.caller import Caller, CallerKind
from ..auth.form_admission import fills_honeypot
from . import events, forms
from . import idempotency_keys as keys
from .batch import Row, is_array, named, rows
from .fields import Check, Rules, submission_from
from .json_body import NotJson, check_nesting, check_unicode, parse
from .names import NOT_COMPARED, OURS
from .read import ARRAY_LIMIT, BODY_LIMIT, KIB, MIB, read, too_large
from .text_fields import flag, typed

TAKEN = (
    "JSON (application/json), a form (application/x-www-form-urlencoded or multipart/form-data), a CloudEvent "
    "(application/cloudevents+json, or ce- headers with JSON; no batch) or a Pub/Sub push"
)
LARGE = 64 * KIB  # to look through more would keep others waiting
BATCH_LIMIT = 8 * MIB  # of an array, written out: the defaults count for every element


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedBody:
    """What was decoded, whatever the way in. `body`: a request, or an array of them; without `token`.

    `keys`: those of the envelope, the first one first. `file`: `image1`, known to be a image.
    """

    raw: bytes
    body: dict[str, Any] | list[Any]
    token: str | None = None
    file: bytes | None = None
    keys: tuple[IdempotencyKey, ...] = ()
    form: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedRequest:
    """What is asked for. Of an array each row has its place, and its name in problems, such as `[3]`.

    `honeypot`: a browser filled in what people do not see. `turnstile_response`, `form_token`: for the auth.
    """

    submissions: tuple[Submission | Problem, ...]
    array: bool = False
    partial: bool = False
    row_names: tuple[str, ...] = ()
    form: bool = False
    redirect_url: str | None = None
    honeypot: bool = False
    turnstile_response: str | None = None
    form_token: str | None = None


# --- what was decoded -----------------------------------------------------------------------------------------------


async def decode_body(request: Request) -> DecodedBody:
    """What a request holds, by its headers and its body; Problem if that cannot be read."""
    kind, content_type = _media_type(request), request.headers.get("content-type", "")
    if events.is_event(request.headers, kind):
        return await _read_event(request, kind)
    if kind == forms.URLENCODED:
        raw = await read(request, BODY_LIMIT)
        return await _posted_form(request, raw, forms.urlencoded(raw, content_type))
    if kind == forms.MULTIPART:
        raw = await read(request, forms.MULTIPART_LIMIT)
        return await _posted_form(request, raw, await asyncio.to_thread(forms.multipart, raw, content_type))
    if kind == "application/json" or kind.endswith("+json"):
        return await _read_json(request)
    raise _not_taken(kind)


async def _read_json(request: Request) -> DecodedBody:
    raw = await _read(request)
    try:
        body = parse(raw)
    except NotJson as error:
        detail = f'The body is not JSON ({error}). Send UTF-8 such as {{"prompt": "a cat"}}.'
        raise Problem("invalid_json", detail) from error
    if event := events.from_push(body):
        return await _posted_event(request, raw, event)
    if not isinstance(body, dict | list):
        raise Problem.wrong('The body must be a JSON object such as {"prompt": "a cat"}, or an array of them.')
    _check_size(body, len(raw))
    return await _posted(request, raw, body)


async def _read(request: Request) -> bytes:
    """The body; a large one only from whom may send arrays: taking it apart keeps others waiting."""
    raw = await read(request, ARRAY_LIMIT)
    credential = not {"authorization", "webhook-signature"}.isdisjoint(request.headers) or b'"token"' in raw
    if len(raw) > BODY_LIMIT and not credential:
        raise too_large(BODY_LIMIT)
    return raw


async def _read_event(request: Request, kind: str) -> DecodedBody:
    if not events.takes(request.headers, kind):
        raise _not_taken(kind)
    raw = await _read(request)
    return await _posted_event(request, raw, events.read(request.headers, raw))


async def _posted_event(request: Request, raw: bytes, event: events.Event) -> DecodedBody:
    _check_size(event.body, event.size)
    return await _posted(request, raw, event.body, event.keys)


async def _posted_form(request: Request, raw: bytes, form: forms.Form) -> DecodedBody:
    return dataclasses.replace(await _posted(request, raw, form.fields), file=form.file, form=True)


async def _posted(
    request: Request, raw: bytes, body: dict[str, Any] | list[Any], found: tuple[IdempotencyKey, ...] = ()
) -> DecodedBody:
    if len(raw) <= LARGE:
        check_nesting(body)
    else:
        await asyncio.to_thread(check_nesting, body)
    webhook_id = keys.from_header(request.headers, "webhook-id")
    first = (IdempotencyKey("webhook-id", webhook_id),) if webhook_id else ()
    if isinstance(body, list) or "token" not in body:
        return DecodedBody(raw=raw, body=body, keys=first + found)
    token = body["token"]
    if not isinstance(token, str):
        raise Problem.wrong("token must be a text.", "token")
    check_unicode({"token": token})
    rest = {name: value for name, value in body.items() if name != "token"}
    return DecodedBody(raw=raw, body=rest, token=token, keys=first + found)


def _media_type(request: Request) -> str:
    """Without its parameters; no Content-Type at all means JSON."""
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.strip().lower() not in {"", "identity"}:
        raise Problem("unsupported_media_type", "Send the body as it is, without Content-Encoding.")
    kind = (request.headers.get("content-type") or "application/json").split(";")[0].strip().lower()
    if kind.startswith("application/cloudevents") and kind != events.STRUCTURED:
        raise _not_taken(kind)
    return kind


def _not_taken(kind: str) -> Problem:
    return Problem("unsupported_media_type", f"Send {TAKEN}, not {json.dumps(kind[:80])}.")


def _check_size(body: Any, size: int) -> None:
    if size > BODY_LIMIT and not is_array(body):
        raise too_large(BODY_LIMIT)


# --- what is asked for ---------------------------------------------------------------------------------------------


async def submissions(
    decoded: DecodedBody, caller: Caller, request: Request, config: Config, check: Check
) -> ParsedRequest:
    """The submissions of what was decoded, known to be good; Problem for the first field that is wrong.

    With `?partial=true` only what is wrong with the whole array is raised.
    """
    defaults, partial = _query(request)
    fields = {**defaults, **decoded.body} if isinstance(decoded.body, dict) else defaults
    check_unicode({name: fields[name] for name in NOT_COMPARED & fields.keys()})
    key, rules = _key_of_request(request, decoded, fields, caller), Rules(caller, config, check)
    found = ParsedRequest(
        submissions=(),
        partial=partial,
        form=decoded.form,
        honeypot=fills_honeypot(caller, fields.get("website")),
        turnstile_response=_turnstile_response(fields) if caller.browser else None,
        form_token=keys.of_form_token(fields),
    )
    if isinstance(decoded.body, list) or is_array(fields):
        _check_array(decoded, fields, caller)
        body = decoded.body if isinstance(decoded.body, list) else fields
        rows = await _submissions_of_batch(body, fields, key, rules, partial=partial)
        names = tuple(named(body, index) for index in range(len(rows)))
        return dataclasses.replace(found, submissions=rows, array=True, row_names=names)
    own = _without_envelope(fields, caller)
    key = key or keys.of_field(own, browser=caller.browser)
    one = await submission_from(own, decoded.file, key, rules)
    return dataclasses.replace(found, submissions=(one,), redirect_url=fields.get("redirectUrl"))


def _check_array(decoded: DecodedBody, fields: Mapping[str, Any], caller: Caller) -> None:
    check_may_send_batches(caller)
    if decoded.file is not None:
        raise Problem.wrong("A file is for one request; send an array with addresses.", forms.FILE_FIELD)
    if isinstance(decoded.body, list) and "prompts" in fields:
        raise Problem.wrong("The body is an array already; leave out prompts.", "prompts")


async def _submissions_of_batch(
    body: list[Any] | Mapping[str, Any],
    beside: Mapping[str, Any],
    key: IdempotencyKey | None,
    rules: Rules,
    *,
    partial: bool,
) -> tuple[Submission | Problem, ...]:
    defaults = {name: value for name, value in beside.items() if name not in {"prompts", "idempotencyKey"}}
    found: list[Submission | Problem] = []
    size = 0
    for row in rows(body, defaults):
        found.append(submission := await _submission_of_item(row, key, rules))
        if isinstance(submission, Submission):
            size += len(submission.input.encode()) + len(submission.prompt.encode())
        elif not partial:
            raise submission
        if size > BATCH_LIMIT:
            detail = f"Written out, the array has more than {BATCH_LIMIT // MIB} MiB. Send fewer, or smaller ones."
            raise Problem("body_too_large", detail)
        await asyncio.sleep(0)  # a large array must not keep others waiting
    return tuple(found)


async def _submission_of_item(row: Row | Problem, key: IdempotencyKey | None, rules: Rules) -> Submission | Problem:
    if isinstance(row, Problem):
        return row
    try:
        return await submission_from(
            _without_envelope(row.fields, rules.caller), None, _key_of_row(row, key, rules.caller), rules
        )
    except Problem as problem:
        return row.locate(problem)


def _query(request: Request) -> tuple[dict[str, Any], bool]:
    """Our names in the query string, which are defaults, and `partial`."""
    text = request.scope["query_string"].decode("utf-8", "surrogateescape")
    pairs = parse_qsl(text, keep_blank_values=True, errors="surrogateescape")
    ours = [(name, value) for name, value in pairs if name in OURS and name != "token"]
    partial = [flag("partial", value) for name, value in pairs if name == "partial"]
    return typed(ours), any(partial)


def _without_envelope(fields: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
    """What is said of the image. `website` is the honeypot of browsers, and an ordinary field of all others."""
    dropped = {"idempotencyKey", "formToken", "cf-turnstile-response"} | ({"website"} if caller.browser else set())
    return {name: value for name, value in fields.items() if name not in dropped}


# --- keys, and what the auth want to see --------------------------------------------------------------------------


def _key_of_request(
    request: Request, decoded: DecodedBody, fields: Mapping[str, Any], caller: Caller
) -> IdempotencyKey | None:
    """The first that is there, but for `dedupeField`, which each request of an array has for itself.

    Of a signed request only `webhook-id`: whoever has caught it could put any other key beside it.
    """
    if caller.kind is CallerKind.SIGNATURE and decoded.keys:
        return decoded.keys[0]
    if key := keys.of_request(request.headers, fields, browser=caller.browser):
        return key
    if decoded.keys:
        return keys.long_enough(decoded.keys[0], decoded.keys[0].value, browser=caller.browser)
    token = keys.of_form_token(fields)
    return IdempotencyKey("formToken", token) if token else None


def _key_of_row(row: Row, key: IdempotencyKey | None, caller: Caller) -> IdempotencyKey | None:
    """Its own, else the request's and its place in the array, else the field that `dedupeField` names."""
    if own := keys.from_field(row.fields):
        return IdempotencyKey("key", own)
    if key:
        return dataclasses.replace(key, index=row.index)
    return keys.of_field(row.fields, browser=caller.browser)


def _turnstile_response(fields: Mapping[str, Any]) -> str | None:
    value = fields.get("cf-turnstile-response")
    if not isinstance(value, str | None):
        raise Problem.wrong("cf-turnstile-response must be the text that the widget gave.", "cf-turnstile-response")
    return value

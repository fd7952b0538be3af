"""One idempotency rule for every kind of request: which of its identifiers is its key.

The first of: `Idempotency-Key` (header or field), `webhook-id`, a Pub/Sub message ID or a CloudEvent's source and ID,
`formToken`, the field that `dedupeField` names, and the task of Cloud Tasks. Of a signed request always `webhook-id`,
which is signed.
"""

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers

from shared.idempotency import IdempotencyKey
from shared.problems import Problem

from ..auth.caller import Caller, CallerKind
from .fields import FIELDS, is_ours, read_field, unquoted_key

TASK = "task"  # the kind of key that gives way to `dedupeField`
BROWSER_MINIMUM = 16  # characters: a shorter key can be guessed, and would show its job to a stranger

# Cloud Tasks generates the names of tasks from digits. A name of the sender's own may be used again after an hour.
_TASK = re.compile(r"[\w-]{1,100}/\d{1,500}", re.ASCII)


def request_key(
    headers: Headers, fields: Mapping[str, Any], event_key: IdempotencyKey | None, caller: Caller
) -> IdempotencyKey | None:
    """Return the key of a request or of a whole batch, but for `dedupeField`. Problem 400 or 422 if it is malformed."""
    form_token = read_field("formToken", fields)
    webhook_id = key_from_header(headers, "webhook-id")
    delivery = IdempotencyKey("webhook-id", webhook_id) if webhook_id else event_key
    if caller.kind is CallerKind.SIGNATURE and delivery:  # any other key could have been added to a captured request
        return delivery
    header, field = key_from_header(headers, "Idempotency-Key"), read_field("idempotencyKey", fields)
    if header and field and header != field:
        detail = "The Idempotency-Key header has another value. Send only one of them."
        raise Problem.wrong(detail, "idempotencyKey")
    if value := header or field:
        _check_length(value, caller, None if header else "idempotencyKey")
        return IdempotencyKey("key", value)
    if delivery:
        _check_length(delivery.value, caller)
        return delivery
    if form_token:
        return IdempotencyKey("formToken", form_token)
    return None if "dedupeField" in fields or caller.browser else _task_key(headers)


def item_key(
    fields: Mapping[str, Any], index: int, batch_key: IdempotencyKey | None, caller: Caller
) -> IdempotencyKey | None:
    """Return the key of a request in a batch: its own, the batch's with its index, or its `dedupeField`'s value."""
    if own := read_field("idempotencyKey", fields):
        return IdempotencyKey("key", own)
    if batch_key and not (batch_key.kind == TASK and "dedupeField" in fields):
        return dataclasses.replace(batch_key, index=index)
    return dedupe_key(fields, caller)


def dedupe_key(fields: Mapping[str, Any], caller: Caller) -> IdempotencyKey | None:
    """Return the value of the field that `dedupeField` names, as a key. Problem 422 if there is no such field."""
    if "dedupeField" not in fields:
        return None
    name = read_field("dedupeField", fields)
    is_envelope = is_ours(name, browser=caller.browser) and not FIELDS[name].compared
    text = None if is_envelope else _text(fields.get(name))
    if not text:
        detail = "dedupeField must name a field of this request that is a non-empty string, a number, or a boolean."
        raise Problem.wrong(detail, "dedupeField")
    _check_length(text, caller, "dedupeField")
    return IdempotencyKey("field", json.dumps([name, text]))


def key_from_header(headers: Headers, name: str) -> str | None:
    """Return the key in a header, or None if it is absent. Problem 400 if it is malformed or ambiguous."""
    values = headers.getlist(name)
    if not values:
        return None
    key = unquoted_key(values[0].strip())
    if len(set(values)) > 1 or key is None:
        detail = f"{name} must be one value of 1 to 255 visible ASCII characters, such as a UUID."
        raise Problem("invalid_idempotency_key", detail)
    return key


def _task_key(headers: Headers) -> IdempotencyKey | None:
    """Return the queue and the generated name of the task that is delivered: Cloud Tasks may deliver one again.

    https://cloud.google.com/tasks/docs/creating-http-target-tasks
    """
    task = "/".join(headers.get(f"x-cloudtasks-{part}", "") for part in ("queuename", "taskname"))
    return IdempotencyKey(TASK, task) if _TASK.fullmatch(task) else None


def _check_length(value: str, caller: Caller, field: str | None = None) -> None:
    if caller.browser and len(value) < BROWSER_MINIMUM:
        detail = f"Browsers must send idempotency keys of at least {BROWSER_MINIMUM} characters, such as a UUID."
        raise Problem.wrong(detail, field)


def _text(value: Any) -> str | None:
    """The same text for 7, 7.0, and "7": a form, which knows only text, and JSON have the same key."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(int(value)) if value == int(value) else repr(value)
    return value.strip() if isinstance(value, str) else None

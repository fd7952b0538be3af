"""What else a `POST /` may hold, for readers of the description: its meaning depends on more than the request.

It stands in `components`, and no operation refers to it: that a key must not come again with another request, that an
earlier job must have such an image, or who sends what, no schema can say; and whoever tries an operation takes its
schemas at their word.
"""

from typing import Any

from ..parsing.events import STRUCTURED
from ..parsing.fields import DEADLINE_LIMIT
from ..parsing.forms import FILE_FIELD, FILE_LIMIT
from ..parsing.idempotency_keys import FORM_TOKEN_LIMIT
from ..parsing.read import MIB
from .answers import LAST_IMAGE, PICTURES, Schema, ref
from .texts import FLAG, NOT_BLANK, spelled

_WORD = "[!#-~](?:[!-~]{0,253}[!#-~])?"
KEY: Schema = {"type": "string", "pattern": f'^(?:{_WORD}|"{_WORD}")$'}
BASE64: Schema = {"type": "string", "contentEncoding": "base64"}
WORD: Schema = {"type": "string", "pattern": NOT_BLANK}

NOTE = (
    "Beside what stands here: `#/components/parameters` (`Idempotency-Key`, `webhook-id`, `partial`), the fields of "
    f"`#/components/schemas/MoreFields`, a file as `{FILE_FIELD}` of a multipart form ({', '.join(PICTURES)}; at most "
    f"{FILE_LIMIT // MIB} MiB), and events (`#/components/requestBodies/Event`). Fields of ours may stand in the query "
    "string, too: they hold where the body does not say otherwise."
)
SAME = "The same key with the same request: the same job. With another request: 422."
SHAPE = "1 to 255 visible ASCII characters, quoted or not; from browsers without a token at least 16."
EVENT = (
    "The `data` of an event is the request: of a CloudEvent, structured or binary (`ce-` headers), or of a Pub/Sub "
    "push, wrapped or not. `source` and `id`, or `messageId`, are its key."
)
PARTIAL = "Of an array: what is right is taken, and what is wrong gets a problem in its place (207)."
FIELDS: dict[str, Schema] = {
    "idempotencyKey": {**KEY, "description": "As the header Idempotency-Key."},
    "deadlineSeconds": {
        "type": ["number", "null"],
        "description": "After so many seconds the job fails if it still waits in line.",
        "exclusiveMinimum": 0,
        "exclusiveMaximum": DEADLINE_LIMIT,
    },
    "dedupeField": {"type": "string", "description": "The name of a field whose value is the key."},
    "formToken": {
        "type": "string",
        "description": "What GET /form-token gave to the page. For others than browsers a key like any other.",
        "minLength": 1,
        "maxLength": FORM_TOKEN_LIMIT,
    },
    "fromImage": {
        "type": "integer",
        "description": "Which image of `fromJob`; 0 unless said. The job must have it.",
        "minimum": 0,
        "maximum": LAST_IMAGE,
    },
    "website": {
        "type": "string",
        "description": "People leave it empty: where a browser without a token fills it in, nothing is stored.",
    },
}


def parameters() -> dict[str, Any]:
    """By name."""
    webhook_id = f"Of Standard Webhooks; the key of a request without an Idempotency-Key. {SAME}"
    return {
        "IdempotencyKey": _header("Idempotency-Key", f"{SHAPE} {SAME}"),
        "WebhookId": _header("webhook-id", webhook_id),
        "Partial": {
            "name": "partial",
            "in": "query",
            "description": PARTIAL,
            "schema": {"type": "string", "pattern": spelled(FLAG)},
        },
    }


def _header(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": description, "schema": KEY}


def request_bodies() -> dict[str, Any]:
    """The events, by name."""
    content = {
        STRUCTURED: {"schema": ref("CloudEvent")},
        "application/json": {"schema": ref("PubSubPush")},
    }
    return {"Event": {"description": EVENT, "required": True, "content": content}}


def schemas() -> dict[str, Schema]:
    """What the others refer to, by name."""
    event: dict[str, Schema] = {"id": WORD, "source": WORD, "type": WORD, "specversion": {"const": "1.0"}}
    data: dict[str, Schema] = {"data": ref("Request"), "data_base64": BASE64}
    message = {"type": "object", "properties": {"data": BASE64, "messageId": WORD}, "required": ["data", "messageId"]}
    push: dict[str, Schema] = {"message": message, "subscription": {"type": "string"}}
    return {
        "MoreFields": {"type": "object", "description": "What any request may hold, too.", "properties": FIELDS},
        "CloudEvent": {"type": "object", "properties": event | data, "required": [*event]},
        "PubSubPush": {"type": "object", "properties": push, "required": [*push]},
    }

"""What makes two requests the same, for readers of the description of the interface.

It stands in `components`, and no operation refers to it: whoever tries an operation with made-up values would send the
same key with different requests, which is refused (422), and no schema can say so.
"""

from typing import Any

from .intake.events import STRUCTURED
from .intake.keys import FORM_TOKEN_LIMIT
from .openapi_answers import Schema, ref

_KEY = "[!#-~](?:[!-~]{0,253}[!#-~])?"
KEY: Schema = {"type": "string", "pattern": f'^(?:{_KEY}|"{_KEY}")$'}
ONE_WORD = "1 to 255 visible ASCII characters, quoted or not. From browsers without a token at least 16."
HEADER = "The same key with the same request: the same job. With another request: 422."
FIELDS = "What a request may hold beside its own fields. One of them makes it the same request as another."
DEDUPE = "The name of a field whose text, number or truth is the key."
FORM_TOKEN = "What GET /form-token gave to the page; a key for everybody else."
EVENT = (
    "An event, whose `data` is the request: CloudEvents structured (this), binary (`ce-` headers, the request as the "
    "body), or a Pub/Sub push, wrapped or not. Its `source` and `id`, or the `messageId`, are its key."
)
NOTE = (
    "Beside what stands here it takes the header `Idempotency-Key` (`#/components/parameters/IdempotencyKey`), the "
    "fields of `#/components/schemas/Keys`, and events (`#/components/requestBodies/Event`). Our names are taken from "
    "the query string, too, as defaults of the body's fields; others there are ignored."
)


def keyed() -> dict[str, Any]:
    """The parts of `components`, by their kind."""
    return {
        "parameters": {
            "IdempotencyKey": _header("Idempotency-Key", HEADER),
            "WebhookId": _header(
                "webhook-id", f"Of Standard Webhooks; counts where there is no Idempotency-Key. {HEADER}"
            ),
        },
        "requestBodies": {
            "Event": {
                "description": EVENT,
                "required": True,
                "content": {
                    STRUCTURED: {"schema": ref("CloudEvent")},
                    "application/json": {"schema": ref("PubSubPush")},
                },
            }
        },
    }


def key_schemas() -> dict[str, Schema]:
    """The schemas that `keyed` refers to, and the fields of a request that are keys."""
    word: Schema = {"type": "string", "pattern": "[^ ]"}
    event = {"id": word, "source": word, "type": word, "specversion": {"const": "1.0"}}
    data = {"data": ref("Request"), "data_base64": {"type": "string", "contentEncoding": "base64"}}
    message = {"data": {"type": "string", "contentEncoding": "base64"}, "messageId": word}
    pushed = {"type": "object", "properties": message, "required": [*message]}
    return {
        "Keys": {
            "type": "object",
            "description": FIELDS,
            "properties": {
                "idempotencyKey": {**KEY, "description": ONE_WORD},
                "dedupeField": {"type": "string", "description": DEDUPE},
                "formToken": {
                    "type": "string",
                    "description": FORM_TOKEN,
                    "minLength": 1,
                    "maxLength": FORM_TOKEN_LIMIT,
                },
            },
        },
        "CloudEvent": {"type": "object", "properties": event | data, "required": [*event]},
        "PubSubPush": {
            "type": "object",
            "properties": {"message": pushed, "subscription": {"type": "string"}},
            "required": ["message", "subscription"],
        },
    }


def _header(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": f"{ONE_WORD} {description}", "schema": KEY}

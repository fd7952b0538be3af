"""Idempotency: job ids that are derived from idempotency keys, and fingerprints of requests.

A repeated request finds the same document because its key leads to the same job id. The secret makes ids unguessable.
"""

import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """The key that identifies a request.

    `kind`: where it comes from: "key" (Idempotency-Key), "webhook-id", "message", "event", "formToken", "field",
    "task", "batch", "then", or "action"; `index`: position of the request in a batch.
    """

    kind: str
    value: str
    index: int | None = None


def job_id(key: IdempotencyKey, caller: str | None, secret: bytes) -> str:
    """Return 32 hex digits, the same for the same key, caller, and secret."""
    parts: list[Any] = [key.kind, caller, key.value]
    if key.index is not None:
        parts.append(key.index)
    return hmac.new(secret, json.dumps(parts).encode(), hashlib.sha256).hexdigest()[:32]


def fingerprint(value: Any) -> str:
    """Return the hash of a JSON value; the order of names, and 1 or 1.0, make no difference."""
    return hashlib.sha256(_CANONICAL.encode(_with_integers(value)).encode()).hexdigest()


def _with_integers(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_integers(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_integers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value

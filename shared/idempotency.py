"""What makes two requests the same: one dedupe for all ways in, and the job id that follows from it.

A repeat meets the same document because its key leads to the same id; the secret keeps ids unguessable.
"""

import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """What a caller names a request by. `kind`: where the name stood. `index`: of a request in an array."""

    kind: str  # "key" (Idempotency-Key), "webhook-id", "message", "event", "formToken", "field"
    value: str
    index: int | None = None


def job_id(key: IdempotencyKey, caller: str | None, secret: bytes) -> str:
    """32 hex digits, the same for the same caller and key."""
    parts: list[Any] = [key.kind, caller, key.value]
    if key.index is not None:
        parts.append(key.index)
    return hmac.new(secret, json.dumps(parts).encode(), hashlib.sha256).hexdigest()[:32]


def fingerprint(text: str) -> str:
    """Of a JSON text: the same for the same value, whatever its spelling (spaces, submission of names, 1 and 1.0)."""
    canonical = json.dumps(json.loads(text, parse_float=_number), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _number(text: str) -> float:
    number = float(text)
    return int(number) if number.is_integer() else number

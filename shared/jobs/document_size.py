"""The size of a stored document as Firestore counts it: https://cloud.google.com/firestore/docs/storage-size."""

from collections.abc import Mapping
from typing import Any

from shared.store_errors import RecordTooLarge

MAX_BYTES = 1_048_576  # of a document: https://cloud.google.com/firestore/quotas
OVERHEAD = 256  # the document's name, its own 32 bytes, and the token of the last write


def check_size(document: Mapping[str, Any]) -> None:
    """Raise RecordTooLarge for a document that Firestore would reject; SQLite has the same limit."""
    if (size := OVERHEAD + size_of(document)) > MAX_BYTES:
        raise RecordTooLarge(f"the document would have {size:,} bytes; the maximum is {MAX_BYTES:,}")


def size_of(value: Any) -> int:
    """Return the bytes that a value takes."""
    if isinstance(value, str):
        return (len(value) if value.isascii() else len(value.encode())) + 1
    if value is None or isinstance(value, bool):
        return 1
    if isinstance(value, Mapping):
        return sum([len(name) + 1 + size_of(item) for name, item in value.items()])  # names are ASCII
    if isinstance(value, list | tuple):
        return sum(map(size_of, value))
    return len(value) if isinstance(value, bytes) else 8  # numbers and times

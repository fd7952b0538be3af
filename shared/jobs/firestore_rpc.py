"""The calls to Firestore that each request makes, as protocol buffers: the client library takes five times the CPU.

https://cloud.google.com/firestore/docs/reference/rpc/google.firestore.v1
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from google.cloud.firestore_v1.types import document as document_types
from google.cloud.firestore_v1.types import firestore as request_types
from google.cloud.firestore_v1.types import write as write_types
from grpc.aio import Metadata  # type: ignore[import-untyped]

Value = document_types.Value.pb()
Write = write_types.Write.pb()
CommitRequest = request_types.CommitRequest.pb()

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SCALARS = {
    str: "string_value",
    bool: "boolean_value",
    int: "integer_value",
    float: "double_value",
    bytes: "bytes_value",
}


@dataclass(frozen=True, slots=True)
class Revision:
    """A document as it was read or written: its update time, and its fields as they are stored."""

    update_time: Any
    fields: Mapping[str, Any] = field(compare=False, repr=False)


def create(name: str, fields: Mapping[str, Any]) -> Any:
    """Return the write that creates the document `name`. A field that is None is not stored: no query must find it."""
    write = Write()
    write.update.name = name
    write.current_document.exists = False
    stored = write.update.fields
    for key, value in fields.items():
        if value is not None:
            set_value(stored[key], value)
    return write


def update(name: str, fields: Mapping[str, Any], revision: Revision) -> Any:
    """Return the write that changes those of `fields` that differ from `revision`, if that is still the newest.

    A field that is None is deleted; all others of the document stay.
    """
    write = Write()
    write.update.name = name
    write.current_document.update_time.CopyFrom(revision.update_time)
    changed, stored = write.update_mask.field_paths, write.update.fields
    for key, value in fields.items():
        if value == revision.fields.get(key):
            continue
        changed.append(key)
        if value is not None:
            set_value(stored[key], value)
    return write


class Calls:
    """The methods of a gRPC channel, which take the `metadata` and the timeout of a call."""

    def __init__(self, channel: Any, metadata: Sequence[tuple[str, str]]) -> None:
        self.metadata = Metadata.from_tuple(tuple(metadata))
        self.commit = channel.unary_unary(
            "/google.firestore.v1.Firestore/Commit",
            request_serializer=CommitRequest.SerializeToString,
            response_deserializer=request_types.CommitResponse.pb().FromString,
        )
        # The client library has one that logs calls; even if nothing is logged, it makes a second task of each.
        self.commit._interceptors = []


def set_value(target: Any, value: Any) -> None:
    """Set a protocol buffer to a value of a document. Raise ValueError for a naive datetime, TypeError for no value."""
    if name := SCALARS.get(type(value)):
        setattr(target, name, value)
    elif isinstance(value, datetime):
        _set_time(target.timestamp_value, value)
    elif isinstance(value, Mapping):
        target.map_value.SetInParent()
        for key, item in value.items():
            set_value(target.map_value.fields[key], item)
    elif isinstance(value, list):
        target.array_value.SetInParent()
        for item in value:
            set_value(target.array_value.values.add(), item)
    elif value is None:
        target.null_value = 0
    else:
        target.string_value = value  # an enum


def _set_time(target: Any, moment: datetime) -> None:
    if moment.tzinfo is None:
        raise ValueError("a time in a store must be an aware datetime")
    since = moment - EPOCH
    target.seconds = since.days * 86_400 + since.seconds
    target.nanos = since.microseconds * 1_000

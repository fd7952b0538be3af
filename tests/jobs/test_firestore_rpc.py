"""Writes are the protocol buffers that Google's client library would send, and an update names what it changes."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from google.cloud.firestore_v1._helpers import encode_value
from google.protobuf.timestamp_pb2 import Timestamp

from shared.job_states import Status
from shared.jobs import firestore_rpc as rpc
from shared.jobs.job_documents import to_document
from tests.jobs.places import NOW, a_job

BEFORE_1970 = datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
VALUES: list[Any] = ["", "füchse 🦊", None, True, False, 0, -1, 2**62, 0.5, b"", b"\0\xff", NOW, BEFORE_1970]
VALUES += [NOW.astimezone(timezone(timedelta(hours=5))), [], {}, [None, [1.5]], {"a": {}, "b": [{"c": NOW}]}]


def encoded(value: Any) -> Any:
    target = rpc.Value()
    rpc.set_value(target, value)
    return target


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_is_encoded_as_the_client_library_encodes_it(value: Any) -> None:
    assert encoded(value) == encode_value(value)._pb


def test_an_enum_is_stored_as_its_text() -> None:
    assert encoded(Status.QUEUED).string_value == "queued"


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        encoded(NOW.replace(tzinfo=None))


def test_a_created_document_has_no_field_without_a_value() -> None:
    write = rpc.create("name", {"prompt": "a fox", "dueAt": None})
    assert list(write.update.fields) == ["prompt"]
    assert write.current_document.WhichOneof("condition_type") == "exists"


def test_an_update_names_only_what_it_changes_on_the_revision_it_was_computed_from() -> None:
    known = {"prompt": "a fox", "dueAt": NOW, "attempt": 1, "images": [{"index": 0}]}
    revision = rpc.Revision(Timestamp(seconds=5), known)
    new = {**known, "dueAt": None, "attempt": 2, "images": [{"index": 0}], "place": NOW}
    write = rpc.update("name", new, revision)
    assert list(write.update_mask.field_paths) == ["dueAt", "attempt", "place"]
    assert set(write.update.fields) == {"attempt", "place"}
    assert write.current_document.update_time.seconds == 5


def test_a_job_that_is_saved_names_the_fields_of_its_transition() -> None:
    job = a_job(due_at=NOW)
    revision = rpc.Revision(Timestamp(seconds=5), to_document(job))
    write = rpc.update("name", to_document(job.triggered(NOW, NOW + timedelta(minutes=1))), revision)
    assert sorted(write.update_mask.field_paths) == ["dueAt", "status", "triggeredAt"]

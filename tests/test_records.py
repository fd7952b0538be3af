"""Changed copies of records."""

import dataclasses
from datetime import UTC, datetime

import pytest

from shared.job import Job
from shared.job_parts import datetime_fields
from shared.job_states import Status
from shared.records import changed

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
JOB = Job(id="a" * 32, status=Status.QUEUED, prompt="a cat", created_at=NOON, expire_at=NOON, give_up_at=NOON)


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Job)])
def test_a_copy_differs_in_the_changed_field_only(name: str) -> None:
    value = NOON.replace(hour=13) if name in datetime_fields(Job) else "changed"
    copy = changed(JOB, {name: value})
    assert copy == dataclasses.replace(JOB, **{name: value})
    assert (getattr(copy, name), copy.revision) == (value, value if name == "revision" else None)
    assert getattr(JOB, name) != value


def test_a_copy_is_frozen_and_of_the_same_class() -> None:
    copy = changed(JOB, {})
    assert type(copy) is Job
    with pytest.raises(dataclasses.FrozenInstanceError):
        copy.prompt = "a dog"  # type: ignore[misc]  # what the test is about


def test_a_copy_is_checked_as_a_new_record() -> None:
    with pytest.raises(ValueError, match="due_at must be an aware datetime"):
        changed(JOB, {"due_at": NOON.replace(tzinfo=None)})


def test_a_field_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(TypeError, match="Job has no field color"):
        changed(JOB, {"color": "red"})

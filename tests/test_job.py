"""The job record: its table of states, and its way into a document and back."""

from datetime import UTC, datetime

import pytest

from shared.error_codes import EXPLANATIONS, Charged, ErrorCode
from shared.job import FINAL, TRANSITIONS, Image, Job, JobError, Status, from_document, to_document
from shared.public_job import SENTENCES, public_job, timestamp

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def job(**changes) -> Job:
    known = {"id": "a" * 32, "status": Status.QUEUED, "prompt": "a cat"}
    return Job(**{**known, "created_at": NOON, "expire_at": NOON, "give_up_at": NOON, **changes})


def test_every_state_is_in_the_table_and_has_a_sentence():
    assert set(TRANSITIONS) == set(Status) == set(SENTENCES)


def test_every_error_code_has_its_text_and_hint():
    assert set(EXPLANATIONS) == set(ErrorCode)
    assert all(known.message.endswith(".") and known.hint.endswith(".") for known in EXPLANATIONS.values())


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("following", list(Status))
def test_a_job_moves_only_as_the_table_says(status: Status, following: Status):
    rescue = (status, following) == (Status.FAILED, Status.COPYING)
    if following in TRANSITIONS[status] or following is status or rescue:
        assert job(status=status).evolve(status=following).status is following
    else:
        with pytest.raises(ValueError, match="cannot become"):
            job(status=status).evolve(status=following)


def test_final_is_what_nothing_follows():
    assert {Status.SUCCEEDED, Status.FAILED, Status.CANCELED} == FINAL


@pytest.mark.parametrize("name", ["created_at", "due_at", "queue_at", "started_at", "missing_since"])
def test_naive_datetimes_are_refused(name: str):
    with pytest.raises(ValueError, match=name):
        job(**{name: datetime(2026, 3, 1)})  # noqa: DTZ001 - the point of the test


def test_a_document_and_back_is_the_same_job():
    full = job(
        status=Status.FAILED,
        images=(
            Image(index=0, source_url="https://cdn.wireflow.ai/a.png", gone_since=NOON),
            Image(index=1, source_url="x", error=ErrorCode.COPY_FAILED),
        ),
        error=JobError.of(ErrorCode.MODERATION, charged=Charged.NO, request_id="req_1"),
        wait_reason=ErrorCode.RATE_LIMITED,
        due_at=NOON,
    )
    document = to_document(full)
    assert document["schemaVersion"] == 1
    assert "id" not in document
    assert from_document(full.id, document, None) == full


def test_fields_of_a_newer_version_do_not_disturb():
    assert from_document("b" * 32, {**to_document(job()), "later": 1}, None).id == "b" * 32


NAMES = """id status message prompt workflow executionId imageUrl imageUrls imageCount images possibleDuplicate
errorCode errorMessage errorCharged errorRetryable errorHint requestId creditsUsed caller steps createdAt startedAt
completedAt runSeconds waitReason estimatedStartAt statusUrl"""


def test_the_public_job_always_has_all_names():
    assert list(public_job(job(), "https://x")) == NAMES.split()


def test_an_image_has_no_url_before_it_is_stored():
    images = (Image(index=0, source_url="https://cdn/a.png"), Image(index=1, source_url="https://cdn/b.png", name="b"))
    shown = public_job(job(status=Status.COPYING, images=images), "https://x")
    assert [image["url"] for image in shown["images"]] == [None, f"https://x/jobs/{'a' * 32}/image/1"]
    assert shown["imageCount"] == len(shown["imageUrls"]) == 1


def test_times_are_utc_with_milliseconds():
    assert timestamp(NOON) == "2026-03-01T12:00:00.123Z"

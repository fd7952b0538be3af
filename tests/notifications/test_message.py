"""Messages: the reference libraries read them, and none reaches 20 KiB."""

import dataclasses
import json
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cloudevents.http import from_http
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from shared.error_codes import Charged, ErrorCode
from shared.job_parts import MAX_IMAGES, MESSAGE_LIMIT, Image, JobError, Step
from shared.job_states import Status
from shared.listed_job import ListedJob
from shared.notifications.message import Message, body_of, headers_of
from shared.notifications.signing import key_of, new_secret
from shared.public_job import public_job

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
URL = "https://images.test"
JOB = ListedJob(
    id="0123456789abcdef" * 2,
    status=Status.SUCCEEDED,
    prompt="A red fox 🦊 in the snow",
    created_at=NOON,
    give_up_at=NOON + timedelta(days=3),
    metadata={"order": "1042"},
    images=(Image(index=0, source_url="https://cdn.test/a.png", name="jobs/a/1/0.png"),),
    steps=(Step(label="Nano Banana", status="COMPLETED", progress=100.0),),
    completed_at=NOON,
)
FORMATS = ("standard", "cloudevents", "flat")
KIB = 1024


def message(job: ListedJob = JOB, url: str = URL) -> Message:
    public = public_job(job, url, owner=True)
    return Message(id=f"{job.id}-1-succeeded", type="image.completed", at=NOON, data=public, source=url)


def job_in(body: bytes, format: str) -> Any:
    """Return the public job in a body."""
    content = json.loads(body)
    return content if format == "flat" else content["data"]


def secret() -> str:
    return new_secret(secrets.token_bytes(32))


def large(**fields: Any) -> ListedJob:
    return dataclasses.replace(JOB, **fields)


def images(count: int, source_url: str = "https://cdn.test/a.png") -> tuple[Image, ...]:
    return tuple(Image(index=index, source_url=source_url, name=f"jobs/a/1/{index}.png") for index in range(count))


# --- bodies --------------------------------------------------------------------------------------------------------


def test_a_standard_body_has_type_timestamp_and_the_public_job():
    body, content_type = body_of(message(), "standard")
    assert content_type == "application/json"
    assert json.loads(body) == {
        "type": "image.completed",
        "timestamp": "2026-03-01T12:00:00.000Z",
        "data": public_job(JOB, URL, owner=True),
    }


def test_a_flat_body_is_the_public_job_alone():
    body, content_type = body_of(message(), "flat")
    assert content_type == "application/json"
    assert json.loads(body) == public_job(JOB, URL, owner=True)


def test_the_cloudevents_library_reads_a_cloudevent():
    sent = message()
    body, content_type = body_of(sent, "cloudevents")
    assert content_type == "application/cloudevents+json"
    event = from_http({"content-type": content_type}, body)
    assert event.get_attributes() == {
        "specversion": "1.0",
        "id": sent.id,
        "source": URL,
        "type": "image.completed",
        "subject": JOB.id,
        "time": "2026-03-01T12:00:00.000Z",
        "datacontenttype": "application/json",
    }
    assert event.get_data() == public_job(JOB, URL, owner=True)


def test_a_cloudevent_has_a_source_even_if_the_url_is_unknown():
    body, content_type = body_of(message(url=""), "cloudevents")
    assert from_http({"content-type": content_type}, body)["source"] == "/"


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_message_has_the_same_bytes(format: str):
    assert body_of(message(), format) == body_of(message(), format)


# --- size ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("job", "truncated"),
    [
        (JOB, None),
        (large(prompt="x" * 4_000), None),
        (large(steps=tuple(Step(label="x" * 400) for _ in range(50))), ["steps"]),
        (large(images=images(20, "https://cdn.test/" + "x" * 1_000)), ["steps", "images"]),
        (large(prompt="🦊" * 3_000, images=images(30)), ["steps", "images"]),
        (large(prompt="\x01" * 4_000), ["steps", "images", "prompt"]),
        (large(metadata={"note": "\x01" * 4_000}), ["steps", "images", "metadata"]),
    ],
    ids=["small", "prompt", "steps", "source URLs", "images", "control characters", "metadata"],
)
def test_a_body_that_is_too_large_loses_what_matters_least_and_says_so(
    job: ListedJob, truncated: list[str] | None, format: str
):
    body, _ = body_of(message(job), format)
    public = job_in(body, format)
    assert public.get("truncated") == truncated
    assert len(body) < 20 * KIB
    assert public["imageUrls"] == public_job(job, URL, owner=True)["imageUrls"], "links stay"
    whole = public_job(job, URL, owner=True)
    changed = {name for name, value in whole.items() if public[name] != value}
    assert changed == set(truncated or ())


def test_a_text_that_is_cut_keeps_its_beginning():
    body, _ = body_of(message(large(prompt="\x01" * 4_000)), "flat")
    assert json.loads(body)["prompt"] == "\x01" * 199 + "…"


def test_links_are_cut_only_if_they_alone_are_too_many():
    url = "https://images.test/" + "x" * 200
    body, _ = body_of(message(large(images=images(MAX_IMAGES)), url), "standard")
    public = job_in(body, "standard")
    assert len(body) < 20 * KIB
    assert public["truncated"][-1] == "imageUrls"
    assert public["imageUrls"] == [f"{url}/jobs/{JOB.id}/image/{index}" for index in range(50)]
    assert public["imageCount"] == MAX_IMAGES


TEXTS = st.text(st.characters(codec="utf-8"), max_size=50)


@given(
    prompt=st.builds(str.__mul__, TEXTS, st.integers(1, 80)),
    alt_text=TEXTS.map(lambda text: (text * 500)[:500]),
    note=TEXTS.map(lambda text: text * 80),
    words=TEXTS.map(lambda text: (text * 500)[:MESSAGE_LIMIT]),
    hint=TEXTS.map(lambda text: (text * 500)[:MESSAGE_LIMIT]),
    label=st.builds(str.__mul__, TEXTS, st.integers(0, 10)),
    count=st.integers(0, MAX_IMAGES),
    source_length=st.integers(0, 2_000),
    url_length=st.integers(0, 500),
    format=st.sampled_from(FORMATS),
)
def test_no_body_reaches_20_kib(
    prompt: str,
    alt_text: str,
    note: str,
    words: str,
    hint: str,
    label: str,
    count: int,
    source_length: int,
    url_length: int,
    format: str,
):
    error = JobError.of(ErrorCode.UPSTREAM_ERROR, charged=Charged.YES, message=words, hint=hint)
    job = large(
        status=Status.FAILED,
        prompt=prompt,
        alt_text=alt_text,
        metadata={"note": note},
        error=error,
        steps=tuple(Step(label=label) for _ in range(50)),
        images=images(count, "https://cdn.test/" + "x" * source_length),
    )
    body, _ = body_of(message(job, URL + "/" + "x" * url_length), format)
    public = job_in(body, format)
    assert len(body) < 20 * KIB
    assert public["id"] == job.id
    assert {"imageUrl", "statusUrl", "errorCode"} <= {name for name, value in public.items() if value}


# --- signatures ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
def test_the_reference_library_verifies_the_exact_bytes(format: str):
    own, sent = secret(), message()
    body, _ = body_of(sent, format)
    headers = headers_of(sent, body, int(time.time()), [own])
    assert Webhook(own).verify(body, headers) == json.loads(body)
    with pytest.raises(WebhookVerificationError):
        Webhook(own).verify(body + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(own).verify(body, {**headers, "webhook-id": "another"})


def test_both_secrets_sign_during_a_rotation():
    new, old, unknown = secret(), secret(), secret()
    body, _ = body_of(message(), "standard")
    headers = headers_of(message(), body, int(time.time()), [new, old])
    assert len(headers["webhook-signature"].split(" ")) == 2
    for one in (new, old):
        Webhook(one).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(unknown).verify(body, headers)


def test_a_retry_has_the_same_id_and_its_own_time():
    body, _ = body_of(message(), "standard")
    first, second = (headers_of(message(), body, at, [secret()]) for at in (1_800_000_000, 1_800_000_005))
    assert first["webhook-id"] == second["webhook-id"] == f"{JOB.id}-1-succeeded"
    assert (first["webhook-timestamp"], second["webhook-timestamp"]) == ("1800000000", "1800000005")


def test_a_message_without_a_secret_is_unsigned():
    body, _ = body_of(message(), "standard")
    assert headers_of(message(), body, 1_800_000_000, []).keys() == {"webhook-id", "webhook-timestamp"}


# --- secrets -------------------------------------------------------------------------------------------------------


@given(st.binary(min_size=24, max_size=64))
def test_a_secret_is_its_bytes_in_base64_padded_or_not(random: bytes):
    assert new_secret(random).startswith("whsec_")
    assert key_of(new_secret(random)) == key_of(new_secret(random).rstrip("=")) == random


@pytest.mark.parametrize(
    "text",
    ["", "whsec_", "a" * 40, new_secret(b"x" * 23), new_secret(b"x" * 65), "whsec_" + "?" * 40, "whsec_" + "ä" * 40],
)
def test_what_is_no_secret_is_rejected_without_naming_it(text: str):
    with pytest.raises(ValueError, match="24 to 64 bytes") as raised:
        key_of(text)
    assert not text or text not in str(raised.value).replace("whsec_ followed", "")

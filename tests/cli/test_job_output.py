"""What the commands on jobs print fits 80 columns, and never breaks a hash or a URL."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.cells import cell_len

from functions.cli.job_output import print_action, print_change, print_job, print_jobs, state_of
from functions.cli.place import Place
from functions.cli.text import dollars_text

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
URL = "https://images.example.com/jobs/2b6a4de5f8f64eb63d4e750e352c4a0a"
LONG_URL = "https://hooks.example.com/a/rather/long/path/of/a/receiver/that/does/not/fit/into/eighty/columns"
SHA256 = "def06fef7ed61a388bd51f603b12a3e7d4f96f7e666efb28e151678f9b0f6753"
PRICE = {"amount": 0.2, "currency": "USD", "source": "price"}


def job(**changes: Any) -> dict[str, Any]:
    """A public job that has succeeded in its second attempt."""
    failed = {
        "attempt": 1,
        "status": "failed",
        "executionId": "exec_0000000000000001",
        "requestId": "req_0000000000000001",
        "startedAt": "2026-03-01T12:00:01.000Z",
        "completedAt": "2026-03-01T12:00:17.000Z",
        "errorCode": "moderation",
        "errorMessage": "The provider's safety system rejected the prompt: content policy violation (moderation).",
        "errorCharged": "no",
        "creditsUsed": None,
        "cost": None,
    }
    succeeded = {
        **failed,
        "attempt": 2,
        "status": "succeeded",
        "executionId": "exec_0000000000000002",
        "requestId": "req_0000000000000002",
        "startedAt": "2026-03-01T12:10:01.000Z",
        "completedAt": "2026-03-01T12:10:18.500Z",
        "errorCode": None,
        "errorMessage": None,
        "errorCharged": None,
        "creditsUsed": 20,
        "cost": PRICE,
    }
    image = {"index": 0, "url": f"{URL}/image/0", "contentType": "image/png", "width": 1024, "height": 1024}
    callback = {
        "url": LONG_URL,
        "hookId": None,
        "event": "image.completed",
        "status": "delivered",
        "attempts": 2,
        "lastStatus": 204,
        "lastAttemptAt": "2026-03-01T12:10:24.000Z",
        "nextAttemptAt": None,
    }
    return {
        "id": "2b6a4de5f8f64eb63d4e750e352c4a0a",
        "status": "succeeded",
        "message": "Your image is ready.",
        "prompt": "A golden retriever in a sunlit meadow, photorealistic, with a very long description " * 3,
        "metadata": {"order": "1042"},
        "workflow": "default",
        "caller": "zapier",
        "attempt": 2,
        "executionId": "exec_0000000000000002",
        "requestId": "req_0000000000000002",
        "possibleDuplicate": False,
        "errorCode": None,
        "errorMessage": None,
        "errorCharged": None,
        "errorHint": None,
        "creditsUsed": 20,
        "estimatedCost": PRICE,
        "cost": PRICE,
        "steps": None,
        "images": [{**image, "sha256": SHA256, "bytes": 25_164}],
        "attempts": [failed, succeeded],
        "callbacks": [callback],
        "createdAt": "2026-03-01T12:00:00.000Z",
        "startedAt": "2026-03-01T12:10:01.000Z",
        "completedAt": "2026-03-01T12:10:18.500Z",
        "runSeconds": 16.5,
        "waitReason": None,
        "queuePosition": None,
        "statusUrl": URL,
        **changes,
    }


@pytest.fixture(autouse=True)
def _columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize(
    ("place", "options"), [(Place(), ""), (Place(live=True), " --live"), (Place(url=URL), f" --url {URL}")]
)
def test_the_suggested_command_acts_where_the_job_is(place: Place, options: str, capsys: pytest.CaptureFixture[str]):
    hint = f'To pay for another run: POST {URL}/retry with {{"confirm": true, "attempt": 1}}.'
    print_job(job(status="failed", errorHint=hint), as_json=False, place=place)
    assert capsys.readouterr().out.endswith(f"\n    python -m functions jobs retry {job()['id']}{options}\n")


def test_what_is_suggested_is_the_command_and_not_the_request_too(capsys: pytest.CaptureFixture[str]):
    pay = f'Or, to pay for another run: POST {URL}/retry with {{"confirm": true, "attempt": 1}}.'
    hint = f"Check IMAGE_HOSTS. To copy the missing images again, for free: POST {URL}/recopy. {pay}"
    print_job(job(status="failed", errorHint=hint), as_json=False)
    assert capsys.readouterr().out.endswith(
        f"""
Check IMAGE_HOSTS. To copy the missing images again, for free:
    python -m functions jobs recopy {job()["id"]}
Or, to pay for another run:
    python -m functions jobs retry {job()["id"]}
"""
    )


def test_a_failure_that_was_not_charged_has_no_source_of_its_cost(capsys: pytest.CaptureFixture[str]):
    print_job(job(cost={**PRICE, "amount": 0}), as_json=False)
    print_job(job(), as_json=False)
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("cost")]
    assert rows == ["cost         $0.00", "cost         $0.20 (price)"]


@pytest.mark.parametrize(
    ("statuses", "words"),
    [
        ([], "This job has no receivers."),
        (["pending"], "1 delivery is pending."),
        (["pending", "pending"], "2 deliveries are pending."),
    ],
)
def test_a_redelivery_says_how_many_receivers_it_has(
    statuses: list[str], words: str, capsys: pytest.CaptureFixture[str]
):
    callbacks = [{**job()["callbacks"][0], "status": status} for status in statuses]
    print_action("redeliver", job(callbacks=callbacks), as_json=False)
    assert capsys.readouterr().out == f"{words}\n"


def test_a_reader_without_the_owners_token_sees_the_current_attempt(capsys: pytest.CaptureFixture[str]):
    print_job(job(attempts=None, callbacks=None, metadata=None), as_json=False)
    out = capsys.readouterr().out
    assert "attempt 2: Wireflow started exec_0000000000000002" in out
    assert "delivered" not in out


def test_a_job_that_failed_before_any_paid_call_says_so_and_what_to_do(capsys: pytest.CaptureFixture[str]):
    failure = {"status": "failed", "errorCode": "input_image_unavailable", "errorMessage": "It could not be fetched."}
    unpaid = {
        "attempt": 1,
        "attempts": [],
        "callbacks": [],
        "images": [],
        "creditsUsed": None,
        "cost": None,
        "startedAt": None,
    }
    print_job(job(**failure, **unpaid, errorCharged="no", errorHint="Retry the job."), as_json=False)
    out = capsys.readouterr().out
    assert "12:10:18  failed, not charged: input_image_unavailable. It could not be fetched.\n" in out
    assert out.endswith("\n\nRetry the job.\n")


def test_related_jobs_are_named(capsys: pytest.CaptureFixture[str]):
    ids = [f"{number:032x}" for number in range(4)]
    print_job(job(batchId=ids[0], previousJob=ids[1], nextJobs=ids[2:]), as_json=False)
    rows = [line.rsplit(maxsplit=1) for line in capsys.readouterr().out.splitlines() if line.endswith(tuple(ids))]
    assert rows == [["batch", ids[0]], ["previous job", ids[1]], ["next job", ids[2]], ["next job", ids[3]]]


@pytest.mark.parametrize("text", ["a cat", "word " * 100, "猫" * 500, "x" * 500, "🦊 fox, " * 60, "two\nlines"])
def test_every_line_that_is_neither_a_hash_nor_a_url_fits_80_columns(text: str, capsys: pytest.CaptureFixture[str]):
    failed = {**job()["attempts"][0], "errorMessage": text}
    names = {"caller": "c" * 64, "workflow": "w" * 64, "metadata": {"k" * 40: text, "order": text}}
    hint = f'{text} To pay for another run: POST {URL}/retry with {{"confirm": true, "attempt": 1}}.'
    print_job(job(prompt=text, attempts=[failed], status="failed", errorHint=hint, **names), as_json=False)
    out = capsys.readouterr().out
    assert all(cell_len(line) <= 80 for line in out.splitlines() if LONG_URL not in line)
    assert f"python -m functions jobs retry {job()['id']}" in out
    assert "".join(text.split()) in "".join(out.split()), "nothing is lost"


def test_a_long_name_of_a_caller_s_own_field_does_not_run_into_its_value(capsys: pytest.CaptureFixture[str]):
    print_job(job(metadata={"customer-reference": "1042"}), as_json=False)
    assert "customer-reference 1042\n" in capsys.readouterr().out


@pytest.mark.parametrize("label", ["Generate", "猫" * 200, "x" * 200])
def test_a_change_is_one_line_of_at_most_80_columns(label: str, capsys: pytest.CaptureFixture[str]):
    steps = [{"label": label, "status": "RUNNING", "progress": 40.0}] * 5
    print_change(job(status="running", steps=steps), as_json=False)
    (line,) = capsys.readouterr().out.splitlines()
    assert cell_len(line) <= 80
    assert job()["id"] in line


@pytest.mark.parametrize("prompt", ["a cat", "word " * 100, "猫" * 100, "x" * 4000, "two\nlines"])
def test_a_list_has_one_line_of_at_most_80_columns_for_each_job(prompt: str, capsys: pytest.CaptureFixture[str]):
    listed = [job(prompt=prompt), job(prompt=prompt, errorCode="completed_without_image", cost=None)]
    print_jobs(listed, NOW, as_json=False)
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["JOB", "STATUS", "AGE", "COST", "PROMPT"]
    assert len(lines) == 2
    assert all(cell_len(line) <= 80 and line.startswith(f"{listed[0]['id']}  succeeded") for line in lines)
    assert "30 min" in lines[0]


def test_what_others_wrote_cannot_control_the_terminal(capsys: pytest.CaptureFixture[str]):
    hostile = "a cat\x1b[2J\x1b]0;title\x07\u202e\r\n"
    image = {**job()["images"][0], "url": hostile}
    step = {"label": hostile, "status": hostile, "progress": 1}
    changes = {"prompt": hostile, "errorHint": hostile, "images": [image], "steps": [step], "metadata": {"a": hostile}}
    print_job(job(**changes), as_json=False)
    print_jobs([job(**changes)], NOW, as_json=False)
    print_change(job(**changes, status="running"), as_json=False)
    assert not {"\x1b", "\x07", "\u202e", "\r"} & set(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("age", "text"), [(0, "0 s"), (59, "59 s"), (60, "1 min"), (7_199, "1 h"), (86_400 * 90, "90 d"), (-5, "0 s")]
)
def test_an_age_is_rounded_down(age: int, text: str, capsys: pytest.CaptureFixture[str]):
    created = datetime(2026, 3, 1, 12, tzinfo=UTC)
    print_jobs([job()], created + timedelta(seconds=age), as_json=False)
    assert f"  {text}  " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "succeeded  16.5 s, $0.20"),
        ({"status": "queued", "waitReason": "rate_limited", "queuePosition": 3}, "queued  rate_limited, position 3"),
        ({"status": "running", "steps": None}, "running"),
        (
            {"status": "running", "steps": [{"label": "Generate", "status": "RUNNING", "progress": 40.0}]},
            "running  Generate 40",
        ),
        ({"status": "failed", "errorCode": "moderation", "cost": None}, "failed  moderation"),
        ({"status": "canceled"}, "canceled"),
    ],
)
def test_a_change_says_how_far_the_job_is_or_why(changes: dict[str, Any], state: str):
    assert state_of(job(**changes)) == state


def test_everything_is_printed_as_json_too(capsys: pytest.CaptureFixture[str]):
    print_job(job(), as_json=True)
    print_jobs([job()], NOW, as_json=True)
    print_action("retry", job(), as_json=True)
    print_change(job(), as_json=True)
    shown, listed, *others = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert listed == {"jobs": [job()]}
    assert all(one == job() for one in (shown, *others))


@pytest.mark.parametrize(
    ("amount", "text"), [(0.2, "$0.20"), (0, "$0.00"), (0.0395, "$0.0395"), (12, "$12.00"), (1e-7, "$0.00")]
)
def test_an_amount_has_two_digits_or_more(amount: float, text: str):
    assert dollars_text(amount) == text

"""The history of a job, as `jobs show` prints it: what has happened, in order."""

from typing import Any

import pytest

from functions.cli.job_output import print_job
from tests.cli.test_job_output import LONG_URL, SHA256, URL, job


@pytest.fixture(autouse=True)
def _columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def test_the_history_tells_attempts_images_and_deliveries_in_order(capsys: pytest.CaptureFixture[str]):
    print_job(job(), as_json=False)
    history = capsys.readouterr().out.partition("2026-03-01 (UTC)\n")[2]
    assert (
        history
        == f"""\
12:00:00  accepted, estimated cost $0.20
12:00:01  attempt 1: Wireflow started exec_0000000000000001
12:00:17  attempt 1 failed after 16.0 s, not charged: moderation. The provider's
          safety system rejected the prompt: content policy violation
          (moderation).
    Wireflow's request req_0000000000000001
12:10:01  attempt 2: Wireflow started exec_0000000000000002
12:10:18  attempt 2 succeeded after 17.5 s, $0.20, 20 credits
    Wireflow's request req_0000000000000002
12:10:18  image 0 stored: image/png, 1024 x 1024, 25,164 bytes
    sha256 {SHA256}
    {URL}/image/0
12:10:24  image.completed delivered: HTTP 204, 2 attempts
    {LONG_URL}
"""
    )


def response(attempt: int, call: str, at: str, status: int | None, code: str | None = None) -> dict[str, Any]:
    """A response of Wireflow; at the end of a run it has the request id of the attempt."""
    number = attempt if call == "result" else attempt + 100
    fields = {"httpStatus": status, "requestId": status and f"req_{number:016d}", "errorCode": code}
    return {"attempt": attempt, "call": call, "at": f"2026-03-01T12:{at}.000Z", **fields}


def test_the_history_tells_each_response_of_wireflow_and_each_copy_with_its_time(capsys: pytest.CaptureFixture[str]):
    responses = [
        response(1, "start", "00:01", None, "outcome_unknown"),
        response(1, "start", "00:09", 202),
        response(1, "result", "00:17", 200),
        response(2, "start", "10:01", 202),
        response(2, "result", "10:15", 200),
    ]
    history = {"responses": responses, "images": [{"index": 0, "storedAt": "2026-03-01T12:10:16.000Z"}]}
    print_job(job(history=history), as_json=False)
    history = capsys.readouterr().out.partition("2026-03-01 (UTC)\n")[2]
    assert (
        history
        == f"""\
12:00:00  accepted, estimated cost $0.20
12:00:01  attempt 1: no response, no run was confirmed (outcome_unknown)
12:00:09  attempt 1: HTTP 202, Wireflow started exec_0000000000000001
    Wireflow's request req_0000000000000101
12:00:17  attempt 1: HTTP 200, the run has ended
    Wireflow's request req_0000000000000001
12:00:17  attempt 1 failed after 16.0 s, not charged: moderation. The provider's
          safety system rejected the prompt: content policy violation
          (moderation).
12:10:01  attempt 2: HTTP 202, Wireflow started exec_0000000000000002
    Wireflow's request req_0000000000000102
12:10:15  attempt 2: HTTP 200, the run has ended
    Wireflow's request req_0000000000000002
12:10:16  image 0 stored: image/png, 1024 x 1024, 25,164 bytes
    sha256 {SHA256}
    {URL}/image/0
12:10:18  attempt 2 succeeded after 17.5 s, $0.20, 20 credits
12:10:24  image.completed delivered: HTTP 204, 2 attempts
    {LONG_URL}
"""
    )


def test_a_refused_call_is_told_before_the_attempt_that_followed_it(capsys: pytest.CaptureFixture[str]):
    refused = response(1, "start", "00:00", 402, "insufficient_credits")
    print_job(job(history={"responses": [refused], "images": []}, attempts=[]), as_json=False)
    out = capsys.readouterr().out
    assert "attempt 1: HTTP 402, no run was confirmed (insufficient_credits)\n" in out


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"lastStatus": 503},
            "12:10:24 image.completed not delivered yet: HTTP 503, 1 attempt, next attempt at 23:15:25",
        ),
        ({"attempts": 0, "lastAttemptAt": None}, "12:10:18 image.completed: next attempt at 23:15:25"),
        (
            {"attempts": 0, "lastAttemptAt": None, "nextAttemptAt": "2026-03-02T01:15:25.000Z"},
            "12:10:18 image.completed: next attempt at 2026-03-02 01:15:25",
        ),
    ],
)
def test_a_future_delivery_is_not_told_as_if_it_had_happened(
    changes: dict[str, Any], line: str, capsys: pytest.CaptureFixture[str]
):
    pending = {"status": "pending", "attempts": 1, "nextAttemptAt": "2026-03-01T23:15:25.000Z"}
    print_job(job(callbacks=[{**job()["callbacks"][0], **pending, **changes}]), as_json=False)
    out = capsys.readouterr().out
    assert line in " ".join(out.split())
    assert "\n23:15:25  " not in out
    assert "\n2026-03-02" not in out


def test_a_recopy_is_part_of_the_history(capsys: pytest.CaptureFixture[str]):
    history = {"responses": [], "images": [], "recopiedAt": "2026-03-01T12:20:00.000Z"}
    print_job(job(history=history), as_json=False)
    assert "12:20:00  copying the missing images was started again by request\n" in capsys.readouterr().out

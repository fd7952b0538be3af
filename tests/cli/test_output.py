"""What the commands print about a job that did not succeed."""

from typing import Any

import pytest

from functions.cli.output import failure, how_to_follow

FAILED: dict[str, Any] = {
    "id": "1f3a9c",
    "status": "failed",
    "message": "The job failed.",
    "errorCode": "timed_out",
    "errorMessage": "The run did not end in time.",
    "errorCharged": "unknown",
    "errorHint": "Look at the execution.",
    "requestId": "req_1",
}


@pytest.mark.parametrize(
    ("charged", "words"),
    [("yes", "It was charged."), ("no", "It was not charged."), ("unknown", "It may have been charged.")],
)
def test_a_failure_says_why_whether_it_cost_money_and_what_to_do(charged: str, words: str):
    text = failure(FAILED | {"errorCharged": charged}).splitlines()
    assert text[:2] == ["The job failed (timed_out).", "The run did not end in time."]
    assert text[2:] == [words, "Look at the execution.", "requestId: req_1"]


def test_a_canceled_job_cost_nothing():
    nothing = dict.fromkeys(("errorCode", "errorMessage", "errorCharged", "errorHint"))
    canceled = {"status": "canceled", "message": "The job was canceled before it started."}
    assert "charged" not in failure(FAILED | nothing | canceled)


def test_how_to_follow_a_live_job_is_said():
    text = how_to_follow(FAILED)
    assert "python -m functions serve --live" in text
    assert "http://127.0.0.1:8080/jobs/1f3a9c/image" in text

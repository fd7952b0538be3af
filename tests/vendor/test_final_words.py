"""The end of a run in words that Wireflow does not publish: each has one meaning and is reported."""

import json
from typing import Any

import pytest

from shared.ports import RunResponse, RunState
from shared.wireflow.protocol import read_run
from tests.vendor.expectations import NOW

MEANINGS = {
    **dict.fromkeys(["SUCCEEDED", "SUCCESS", "DONE", "FINISHED", "COMPLETE"], RunState.COMPLETED),
    **dict.fromkeys(["ERROR", "FAILURE"], RunState.FAILED),
    **dict.fromkeys(["CANCELED", "ABORTED"], RunState.CANCELLED),
    **dict.fromkeys(["EXPIRED", "TIMED_OUT"], RunState.TIMEOUT),
}
URL = "https://cdn.wireflow.ai/outputs/a.png"


def said(document: Any) -> RunResponse:
    return read_run(200, {}, json.dumps(document).encode(), NOW)


@pytest.mark.parametrize("word", MEANINGS)
def test_an_unpublished_final_word_ends_a_run_and_is_reported(word: str) -> None:
    for spelled in (word, word.lower(), f" {word.title()} "):
        for document in (
            {"status": spelled},
            {"data": {"status": spelled}},
            {"executionRuns": [{"id": "e", "status": spelled}]},
        ):
            response = said(document)
            assert response.state is MEANINGS[word]
            assert len(response.unknown_shapes) == 1
            assert response.unknown_shapes[0].startswith("status ")


@pytest.mark.parametrize("word", ["ARCHIVED", "PAUSED", "COMPLETED_WITH_WARNINGS", "NOT DONE", "", 7, None])
def test_any_other_word_ends_nothing_and_is_reported(word: object) -> None:
    response = said({"status": word})
    assert response.state is None
    assert response.unknown_shapes


@pytest.mark.parametrize(
    ("document", "state"),
    [
        # The status of a request, not of its run: https://github.com/omniti-labs/jsend.
        ({"status": "success", "data": {"status": "RUNNING"}}, RunState.RUNNING),
        ({"status": "success", "data": {"status": "FAILED"}}, RunState.FAILED),
        ({"status": "success", "data": {"status": "ERROR"}}, RunState.FAILED),
        ({"status": "success", "data": {"status": "WARMING_UP"}}, None),
        ({"status": "success", "data": {"executionId": "exec_1"}}, None),
        ({"status": "success", "data": {"executionRuns": [{"status": "RUNNING"}]}}, RunState.RUNNING),
        ({"status": "success", "data": {"outputs": [{"status": "RUNNING", "url": URL}]}}, None),
        ({"status": "success", "data": {"outputs": [{"status": "COMPLETED", "url": URL}]}}, RunState.COMPLETED),
    ],
)
def test_a_word_around_the_response_does_not_overrule_what_is_inside(
    document: dict[str, Any], state: RunState | None
) -> None:
    assert said(document).state is state


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("timed-out", RunState.TIMEOUT),
        ("Timed out", RunState.TIMEOUT),
        ("in-progress", RunState.IN_PROGRESS),
        ("In  Progress", RunState.IN_PROGRESS),
    ],
)
def test_a_word_may_be_written_with_hyphens_or_spaces(word: str, state: RunState) -> None:
    assert said({"status": word}).state is state
    assert said({"data": {"status": word}}).state is state


def test_runs_of_a_batch_may_end_in_different_words() -> None:
    def batch(*words: str) -> RunState | None:
        return said({"executionRuns": [{"status": word} for word in words]}).state

    assert batch("SUCCEEDED", "COMPLETED") is RunState.COMPLETED
    assert batch("SUCCEEDED", "ERROR") is RunState.FAILED
    assert batch("SUCCEEDED", "RUNNING") is RunState.RUNNING
    assert batch("SUCCEEDED", "ARCHIVED") is None

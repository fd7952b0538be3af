"""Responses that are not quite JSON: an odd byte or number hides neither the id of a run nor its result."""

import codecs
import json

import pytest

from shared.ports import RunState
from shared.wireflow import errors
from shared.wireflow.protocol import OF_ANOTHER_RUN, UNREADABLE, read_run, read_trigger
from tests.vendor.expectations import NOW

URL = "https://cdn.wireflow.ai/outputs/a.png"
ODD = {
    "Latin-1": b'"caf\xe9"',
    "a cut character": b'"cat \xf0\x9f\x90"',
    "a lone surrogate": b'"\xed\xa0\x80"',
    "a bare continuation": b'"\x80"',
    "a control character": b'"a\x07\nb"',
    "a long integer": b"9" * 5_000,
    "a long negative integer": b"-" + b"9" * 5_000,
    "a long fraction": b"0." + b"9" * 5_000,
    "a large exponent": b"1e999999",
}


def run(odd: bytes) -> bytes:
    node = b'{"nodeId":"gen-1","label":%b,"progress":%b,"creditsUsed":%b,"outputUrl":"%b"}'
    return b'{"status":"COMPLETED","nodeStates":[%b]}' % (node % (odd, odd, odd, URL.encode()))


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_a_start_with_an_odd_byte_or_number_has_its_execution_id(odd: bytes) -> None:
    for body in (b'{"executionId":"exec_1","message":%b}' % odd, b'{"id":"exec_1","executionId":[%b]}' % odd):
        assert read_trigger(202, {}, body, NOW).execution_id == "exec_1"


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_a_run_with_an_odd_byte_or_number_has_its_result(odd: bytes) -> None:
    response = read_run(200, {}, run(odd), NOW)
    assert (response.state, response.image_urls) == (RunState.COMPLETED, (URL,))
    assert response.credits_used is None or response.credits_used <= 1, "no number is infinite"


def test_bytes_that_are_not_of_the_encoding_are_replaced() -> None:
    assert read_run(200, {}, run(ODD["Latin-1"]), NOW).steps[0].label == "caf�"


def test_a_number_with_too_many_digits_is_no_execution_id() -> None:
    with pytest.raises(errors.NoExecutionId):
        read_trigger(202, {}, b'{"executionId":%b}' % (b"9" * 1_000), NOW)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_every_encoding_of_json_is_read(encoding: str) -> None:
    body = codecs.encode(json.dumps({"executionId": "exec_é"}, ensure_ascii=False), encoding)
    assert read_trigger(202, {}, body, NOW).execution_id == "exec_é"


# --- responses that cannot be used ---------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"<html>\xe9", b'{"status":"COMP', b"7", b'"COMPLETED"'])
def test_what_is_not_json_is_kept_with_the_error(body: bytes) -> None:
    with pytest.raises(errors.UnusableResponse) as caught:
        read_run(200, {}, body, NOW)
    assert (str(caught.value), caught.value.raw) == (UNREADABLE, body.decode("utf-8", "replace"))


def test_what_is_kept_of_it_is_bounded() -> None:
    with pytest.raises(errors.UnusableResponse) as caught:
        read_run(200, {}, b"x" * 100_000, NOW)
    assert len(caught.value.raw) == 4_096


@pytest.mark.parametrize("document", [{"executionId": "exec_2"}, {"data": {"executionId": "exec_2"}}], ids=repr)
def test_a_response_that_names_another_run_is_not_about_this_one(document: dict[str, object]) -> None:
    body = json.dumps({"status": "COMPLETED", "output": URL, **document}).encode()
    with pytest.raises(errors.UnusableResponse, match=OF_ANOTHER_RUN):
        read_run(200, {}, body, NOW, "exec_1")


@pytest.mark.parametrize(
    "document",
    [
        {"executionId": "exec_1"},
        {"executionId": " exec_1\n"},
        {"data": {"executionId": "exec_1"}, "executionId": "trigger_7"},
        {"executionId": None},
        {"executionId": 7},
        {"executionId": ""},
        {"id": "poll_7", "batchId": "batch_7", "workflowId": "wf_7"},
        {"nodeRuns": [{"executionId": "exec_2", "id": "exec_3"}]},
        {"executionRuns": [{"id": "exec_2", "executionId": "exec_2"}]},
        {"run": {"executionId": "exec_2"}, "nodeStates": [{"output": {"executionId": "exec_2"}}]},
    ],
    ids=repr,
)
def test_ids_of_nodes_and_of_nested_runs_do_not_make_it_another_run(document: dict[str, object]) -> None:
    body = json.dumps({"status": "COMPLETED", "output": URL, **document}).encode()
    assert read_run(200, {}, body, NOW, "exec_1").image_urls == (URL,)

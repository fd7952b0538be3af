"""For any input the parsers return a result or "unknown": they never crash, end a run, or duplicate an image."""

import json
from collections.abc import Iterator
from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.ports import RunResponse, RunState, Started
from shared.wireflow import errors
from shared.wireflow.protocol import read_inputs, read_run, read_trigger, read_upload
from shared.wireflow.run_responses import UNPUBLISHED
from tests.vendor.expectations import EXPECTATIONS, NOW
from tests.vendor.samples import sample

CHEAP = settings(max_examples=150, deadline=None)
TERMINAL = {*(str(state) for state in RunState if state.terminal), *UNPUBLISHED}
GOING_ON = {str(state) for state in RunState if not state.terminal}
ABOUT_RUNS = [sample(name).json for name in EXPECTATIONS if name.startswith(("poll", "details", "execute"))]
BEFORE = [sample(name).json for name in EXPECTATIONS if name.startswith(("inputs", "upload"))]
REFUSALS = [name for name, means in EXPECTATIONS.items() if means.poll and "html" not in name]
# Values below these names are about nodes: a node that is COMPLETED does not end its run.
NODES = {"nodeResults", "nodeRuns", "nodeStates", "outputs", "output", "finalOutput", "diagnostics"}
NAMES = (
    "status data error executionRuns nodeRuns nodeResults nodeStates output outputs finalOutput outputUrl outputUrls "
    "url urls images image id executionId diagnostics message text creditsUsed run result execution "
    "nodeId label progress inputs type required"
)

words = st.sampled_from([*RunState, "success", "WARMING_UP", "", " completed ", "Completed", "done", "error"])
urls = st.integers(0, 5).map(lambda n: f"https://cdn.wireflow.ai/outputs/{n}.png")
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | words | urls
names = st.sampled_from(NAMES.split())
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names | st.text(max_size=5), inner, max_size=5),
    max_leaves=25,
)


def places(value: Any, without: frozenset[str] = frozenset()) -> Iterator[tuple[Any, Any]]:
    """Yield every container and key of a JSON value, except below the names in `without`."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        if key not in without:
            yield value, key
            yield from places(inner, without)


@st.composite
def mutated(draw: st.DrawFn, originals: list[Any]) -> Any:
    """A published response with a few values removed, wrapped, repeated, or replaced."""
    document = {"root": deepcopy(draw(st.sampled_from(originals)))}
    for _ in range(draw(st.integers(1, 4))):
        spots = list(places(document))
        container, key = spots[draw(st.integers(0, len(spots) - 1))]
        match draw(st.sampled_from(["replace", "drop", "wrap", "repeat", "word"])):
            case "replace":
                container[key] = draw(values)
            case "drop" if isinstance(container, dict) and container is not document:
                del container[key]
            case "wrap":
                container[key] = {draw(names): container[key]}
            case "repeat":
                container[key] = [container[key], deepcopy(container[key])]
            case _:
                container[key] = draw(words)
    return document["root"]


def said(document: Any) -> RunResponse:
    return read(json.dumps(document).encode())


def read(body: bytes) -> RunResponse:
    """Return the response of a poll; an error that is to be retried is an unknown state."""
    try:
        return read_run(200, {"x-request-id": "req_1"}, body, NOW)
    except errors.PollError:
        return RunResponse(state=None, unknown_shapes=("no response",))


def run_words(document: Any) -> set[str]:
    """Return every status of a run, in upper case."""
    found = [container[key] for container, key in places(document, frozenset(NODES)) if key == "status"]
    return {word.strip().upper() for word in found if isinstance(word, str)}


def texts(document: Any) -> set[str]:
    found = [container[key] for container, key in places([document])]
    return {text.strip() for text in found if isinstance(text, str)}


def finished(response: RunResponse) -> bool:
    return response.state is not None and response.state.terminal


# --- responses about a run -------------------------------------------------------------------------------------------


@CHEAP
@given(mutated(ABOUT_RUNS) | values)
def test_a_response_about_a_run_is_read_and_nothing_is_invented(document: Any) -> None:
    response = said(document)
    assert len(set(response.image_urls)) == len(response.image_urls)
    assert all(url.lower().startswith(("http://", "https://")) for url in response.image_urls)
    assert set(response.image_urls) <= texts(document)
    assert len(response.raw) <= 4_096
    assert response.error is None or 0 < len(response.error) <= 500
    assert response.state is not None or response.unknown_shapes, "an unknown response is reported"


@CHEAP
@given(mutated(ABOUT_RUNS) | values)
def test_no_run_ends_without_a_final_status_of_its_own(document: Any) -> None:
    if not run_words(document) & TERMINAL:
        assert not finished(said(document))


@CHEAP
@given(mutated(ABOUT_RUNS), st.sampled_from(sorted(GOING_ON)), st.booleans(), st.booleans())
def test_no_run_ends_whose_status_is_not_final(document: Any, word: str, lower: bool, wrapped: bool) -> None:
    going_on = {**(document if isinstance(document, dict) else {}), "status": word.lower() if lower else word}
    assert not finished(said({"data": going_on} if wrapped else going_on))


@CHEAP
@given(st.sampled_from(sorted(GOING_ON)), st.lists(words, min_size=1, max_size=4))
def test_no_run_ends_while_another_of_its_batch_is_unfinished(word: str, others: list[str]) -> None:
    runs = [{"id": str(n), "status": other, "nodeRuns": []} for n, other in enumerate([*others, word])]
    assert not finished(said({"workflowId": "w", "batchId": "b", "executionRuns": runs}))


@CHEAP
@given(st.text(max_size=12))
def test_an_unknown_status_ends_nothing(word: str) -> None:
    if word.strip().upper() not in TERMINAL | GOING_ON:
        response = said({"status": word, "nodeStates": [{"status": "COMPLETED"}]})
        assert response.state is None
        assert response.unknown_shapes


PLACES = [
    "images",
    "output url",
    "output text",
    "finalOutput",
    "outputUrl",
    "outputUrls",
    "outputs url",
    "outputs urls",
]


def put(document: dict[str, Any], place: str, url: str) -> None:
    """Return a document with the URL in one of the published places."""
    node: dict[str, Any] = {"nodeId": "gen-1", "status": "COMPLETED", "error": None}
    match place:
        case "images" | "output url" | "output text":
            output = {"images": {"images": [{"url": url}]}, "output url": {"url": url}, "output text": url}[place]
            document.setdefault("nodeResults", {"nodeRuns": []})["nodeRuns"].append({**node, "output": output})
        case "finalOutput":
            document["finalOutput"] = {"url": url}
        case "outputUrl" | "outputUrls":
            told = url if place == "outputUrl" else [url]
            document.setdefault("nodeStates", []).append({**node, place: told})
        case _:
            told = {"url": url} if place == "outputs url" else {"urls": [url]}
            document.setdefault("outputs", []).append({**node, **told})


@CHEAP
@given(st.lists(st.tuples(st.sampled_from(PLACES), urls), min_size=1, max_size=10), st.booleans(), st.booleans())
def test_each_image_is_found_once_wherever_it_is(images: list[tuple[str, str]], wrapped: bool, in_runs: bool) -> None:
    document: dict[str, Any] = {"status": "COMPLETED"}
    final = None
    for place, url in images:
        put(document, place, url)
        final = url if place == "finalOutput" else final
    told = {url for place, url in images if place != "finalOutput"} | ({final} if final else set())
    document = {"status": "COMPLETED", "executionRuns": [document]} if in_runs else document
    response = said({"data": document} if wrapped else document)
    assert sorted(response.image_urls) == sorted(told)
    assert final is None or in_runs or response.image_urls[0] == final


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'"COMPLETED"', b"\xff\xfe", b"<html>", b'{"status":', b"0"])
def test_a_response_that_is_not_an_object_is_unknown(body: bytes) -> None:
    response = read(body)
    assert (response.state, response.image_urls) == (None, ())


@pytest.mark.parametrize("name", ["status", "error", "retryAfter", "executionId"])
@pytest.mark.parametrize("opening", ["[", '{"data":', '{"output":'])
def test_no_depth_is_too_deep(name: str, opening: str) -> None:
    """Near the recursion limit of the interpreter, parsing may succeed where walking fails: every depth is tried."""
    closing = "]" if opening == "[" else "}"
    for depth in (10, 30, 100, *range(860, 1010), 5_000, 100_000):
        body = f'{{"{name}": {opening * depth}1{closing * depth}}}'.encode()
        assert not finished(read(body))
        with pytest.raises(errors.WireflowError):
            read_trigger(429, {}, body, NOW)
        with pytest.raises(errors.NoExecutionId):
            read_trigger(200, {}, body, NOW)


@CHEAP
@given(mutated(ABOUT_RUNS) | values)
def test_steps_are_bounded_and_can_be_stored(document: Any) -> None:
    steps = said(document).steps
    assert len(steps) <= 50
    for step in steps:
        assert (step.label, step.status, step.progress) != (None, None, None)
        assert step.label is None or 0 < len(step.label.encode()) <= 800
        assert step.status is None or len(step.status) <= 40
        assert step.progress is None or step.progress == step.progress


def test_a_run_of_a_thousand_nodes_is_cut_short() -> None:
    nodes = [{"nodeId": str(n), "label": "x" * 1_000, "status": "y" * 1_000} for n in range(1_000)]
    steps = said({"status": "RUNNING", "nodeStates": nodes}).steps
    assert len(steps) == 50
    assert (steps[0].label, steps[0].status) == ("x" * 200, "y" * 40)


def test_the_output_of_a_node_is_not_a_node() -> None:
    output = {"nodeStates": [{"label": "a text of a model", "status": "COMPLETED"}]}
    runs = [{"nodeId": "gen-1", "status": "RUNNING", "output": output}]
    assert [step.label for step in said({"status": "RUNNING", "nodeRuns": runs}).steps] == [None]


# --- responses before the paid call ----------------------------------------------------------------------------------


@CHEAP
@given(st.integers(100, 599), mutated(BEFORE) | mutated(ABOUT_RUNS) | values | st.binary(max_size=40))
def test_a_description_or_an_upload_is_read_or_an_error_of_the_tree(status: int, document: Any) -> None:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    for reads in (read_inputs, read_upload):
        try:
            found = reads(status, {}, body, NOW)
        except errors.Refused:
            continue
        assert 200 <= status < 300
        if isinstance(found, str):
            assert found.startswith(("http://", "https://"))
            assert found in texts(document)
        else:
            assert len({item.node_id for item in found}) == len(found) <= 200
            assert all(len(item.label) <= 200 and item.node_id and item.kind.encode() for item in found)


@pytest.mark.parametrize("node_id", [None, "", " ", 7, [], "\ud800", "x" * 300])
def test_an_input_without_a_usable_id_is_left_out(node_id: object) -> None:
    odd, good = {"nodeId": node_id, "label": "Odd", "type": "text"}, {"nodeId": "in-1"}
    (found,) = read_inputs(200, {}, json.dumps({"inputs": [odd, "text", good]}).encode(), NOW)
    assert (found.node_id, found.label, found.kind, found.required) == ("in-1", "", "unknown", False)
    with pytest.raises(errors.Unavailable):
        read_inputs(200, {}, json.dumps({"inputs": [odd]}).encode(), NOW)


def test_a_workflow_may_have_no_inputs() -> None:
    assert read_inputs(200, {}, b'{"data": {"example": {"inputs": {}}, "inputs": []}}', NOW) == ()


ADDRESSES = ["ftp://x.test/a.png", "/a.png", "https://", "https:///a.png", "data:image/png;base64,AA", "", "https://[x"]


@pytest.mark.parametrize("url", [*ADDRESSES, "https://x.test/a b", "https://x.test/" + "a" * 5_000, None, 7, {}])
def test_an_upload_without_a_usable_url_is_retried(url: object) -> None:
    with pytest.raises(errors.Unavailable):
        read_upload(200, {}, json.dumps({"data": {"url": url}}).encode(), NOW)


@pytest.mark.parametrize("name", ["url", "inputs"])
@pytest.mark.parametrize("opening", ["[", '{"data":'])
def test_no_depth_is_too_deep_before_the_paid_call(name: str, opening: str) -> None:
    closing = "]" if opening == "[" else "}"
    for depth in (10, 30, *range(960, 1010, 7), 100_000):
        body = f'{{"{name}": {opening * depth}1{closing * depth}}}'.encode()
        with pytest.raises(errors.Unavailable):
            read_upload(200, {}, body, NOW)
        with pytest.raises(errors.Refused):
            read_inputs(422, {}, body, NOW)


# --- responses to the paid call --------------------------------------------------------------------------------------


@CHEAP
@given(st.integers(200, 299), mutated(ABOUT_RUNS) | values)
def test_a_2xx_is_a_start_with_an_id_or_an_unknown_outcome(status: int, document: Any) -> None:
    try:
        started = read_trigger(status, {}, json.dumps(document).encode(), NOW)
    except errors.NoExecutionId:
        return
    assert isinstance(started, Started)
    assert 0 < len(started.execution_id) <= 256


@CHEAP
@given(
    st.integers(100, 199) | st.integers(300, 999),
    mutated([sample(name).json for name in REFUSALS if sample(name).body]) | values | st.binary(max_size=40),
    st.dictionaries(
        st.sampled_from(["retry-after", "x-ratelimit-reset", "location", "x-request-id"]), st.text(max_size=30)
    ),
)
def test_any_other_status_is_an_error_of_the_tree(status: int, document: Any, headers: dict[str, str]) -> None:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    kinds = {read_trigger: (errors.Refused, errors.OutcomeUnknown), read_run: (errors.PollError,)}
    for reads, raises in kinds.items():
        with pytest.raises(raises) as caught:
            reads(status, headers, body, NOW)
        error = caught.value
        assert str(error)
        assert error.retry_at is None or timedelta(seconds=1) <= error.retry_at - NOW <= timedelta(hours=1)
        assert error.retry_at is not None or status != 429


@CHEAP
@given(
    st.integers(-10, 2**70) | st.floats() | st.text(max_size=30) | st.sampled_from(["Wed, 99 Foo 9999 99:99:99 GMT"])
)
def test_every_retry_time_is_between_a_second_and_an_hour(named: object) -> None:
    for headers, body in (({"retry-after": str(named)}, b"{}"), ({}, json.dumps({"retryAfter": named}).encode())):
        with pytest.raises(errors.RateLimited) as caught:
            read_trigger(429, headers, body, NOW)
        assert caught.value.retry_at is not None
        assert timedelta(seconds=1) <= caught.value.retry_at - NOW <= timedelta(hours=1)

"""Every published response means what the table of expectations says."""

import json
from collections.abc import Callable
from datetime import datetime

import pytest

from shared.error_codes import ErrorCode
from shared.ports import RunState
from shared.wireflow import errors
from shared.wireflow.protocol import read_inputs, read_run, read_trigger, read_upload
from shared.wireflow.refusals import is_refusal
from tests.vendor.expectations import EXPECTATIONS, INPUTS, NOW, STEPS, Means
from tests.vendor.samples import NAMES, ROOT, sample

Reader = Callable[[int, dict[str, str], bytes, datetime], object]
WITH_RESPONSE = [name for name, means in EXPECTATIONS.items() if means.poll is None]
REFUSED = [name for name, means in EXPECTATIONS.items() if means.poll]
# Responses that are read as starts; responses about runs never are.
STARTS = [name for name, means in EXPECTATIONS.items() if means.started or means == Means()]


def test_every_sample_has_its_expectation_and_its_source() -> None:
    assert set(NAMES) == set(EXPECTATIONS)
    for name in NAMES:
        note, address = (ROOT / name / "source").read_text().splitlines()
        assert note.endswith(".")
        assert address.startswith("https://")


def test_every_published_shape_has_a_sample() -> None:
    kinds = {name.split("/")[0] for name in NAMES}
    assert kinds >= set("trigger poll details run execute estimate upload inputs health error credits rate".split())


def test_every_state_has_a_sample() -> None:
    assert {means.state for means in EXPECTATIONS.values()} >= set(RunState)


@pytest.mark.parametrize("name", STARTS)
def test_a_start_is_read_from_every_shape_and_from_nothing_else(name: str) -> None:
    response, means = sample(name), EXPECTATIONS[name]
    if means.started is None:
        with pytest.raises(errors.NoExecutionId):
            read_trigger(response.status, response.headers, response.body, NOW)
        return
    started = read_trigger(response.status, response.headers, response.body, NOW)
    assert (started.execution_id, started.request_id) == (means.started, response.headers["x-request-id"])


@pytest.mark.parametrize("name", WITH_RESPONSE)
def test_a_response_about_a_run_means_what_the_table_says(name: str) -> None:
    response, means = sample(name), EXPECTATIONS[name]
    said = read_run(response.status, response.headers, response.body, NOW)
    found = Means(
        started=means.started,
        state=said.state,
        images=said.image_urls,
        says=said.error,
        moderated=is_refusal(said.error, said.error_codes, []),
        credits=said.credits_used,
    )
    assert found == means
    assert said.request_id == response.headers["x-request-id"]


@pytest.mark.parametrize("name", [name for name in WITH_RESPONSE if name.startswith(("poll", "details"))])
def test_no_published_response_has_unknown_names(name: str) -> None:
    response = sample(name)
    assert read_run(response.status, response.headers, response.body, NOW).unknown_shapes == ()


@pytest.mark.parametrize("name", STEPS)
def test_each_node_of_a_run_is_one_step_with_its_label(name: str) -> None:
    response = sample(name)
    assert read_run(response.status, response.headers, response.body, NOW).steps == STEPS[name]


# --- calls that cost nothing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", INPUTS)
def test_the_inputs_of_a_workflow_are_read(name: str) -> None:
    response = sample(name)
    assert read_inputs(response.status, response.headers, response.body, NOW) == INPUTS[name]


def test_every_description_has_its_expectation() -> None:
    assert {name for name in NAMES if name.startswith("inputs/")} == set(INPUTS)


def test_the_url_of_an_upload_is_read() -> None:
    response = sample("upload/hosted")
    assert (
        read_upload(response.status, response.headers, response.body, NOW) == "https://cdn.wireflow.ai/uploads/shot.png"
    )


@pytest.mark.parametrize("reads", [read_inputs, read_upload])
@pytest.mark.parametrize("name", [name for name in WITH_RESPONSE if not name.startswith(("inputs", "upload"))])
def test_another_response_is_not_a_description_or_an_upload(name: str, reads: Reader) -> None:
    response = sample(name)
    if reads is read_upload and EXPECTATIONS[name].images:
        return  # the URL of a result cannot be told from that of an upload
    with pytest.raises(errors.Unavailable) as caught:
        reads(response.status, response.headers, response.body, NOW)
    assert caught.value.request_id == response.headers["x-request-id"]


@pytest.mark.parametrize("reads", [read_inputs, read_upload])
@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_free_call_is_fixed_by_the_caller_or_retried(name: str, reads: Reader) -> None:
    response, means = sample(name), EXPECTATIONS[name]
    with pytest.raises(errors.Refused) as caught:
        reads(response.status, response.headers, response.body, NOW)
    error = caught.value
    if response.status in {400, 413, 422}:
        assert (type(error), error.code) == (errors.RequestRefused, ErrorCode.INVALID_REQUEST)
    elif response.status == 409 or means.trigger is errors.OutcomeUnknown:
        assert (type(error), error.code) == (errors.Unavailable, ErrorCode.UPSTREAM_UNREACHABLE)
    else:
        assert (type(error), error.code) == (means.trigger, means.code)
    assert (str(error), error.retry_at, error.request_id) == (
        means.says,
        means.retry_at,
        response.headers["x-request-id"],
    )


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_paid_call_means_what_the_table_says(name: str) -> None:
    response, means = sample(name), EXPECTATIONS[name]
    with pytest.raises(errors.WireflowError) as caught:
        read_trigger(response.status, response.headers, response.body, NOW)
    error = caught.value
    assert type(error) is means.trigger
    assert (error.code, str(error), error.retry_at) == (means.code, means.says, means.retry_at)
    assert error.request_id == response.headers["x-request-id"]


@pytest.mark.parametrize("name", [name for name in REFUSED if EXPECTATIONS[name].required])
def test_a_402_has_the_amounts_of_credits(name: str) -> None:
    response = sample(name)
    with pytest.raises(errors.OutOfCredits) as caught:
        read_trigger(response.status, response.headers, response.body, NOW)
    assert (caught.value.required, caught.value.available) == EXPECTATIONS[name].required


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_poll_is_retried(name: str) -> None:
    response, means = sample(name), EXPECTATIONS[name]
    with pytest.raises(errors.PollError) as caught:
        read_run(response.status, response.headers, response.body, NOW)
    assert type(caught.value) is means.poll
    assert caught.value.retry_at == means.retry_at


@pytest.mark.parametrize("name", [name for name in WITH_RESPONSE if name.startswith("poll/")])
def test_case_and_envelope_make_no_difference(name: str) -> None:
    response, means = sample(name), EXPECTATIONS[name]
    word = {True: str.upper, False: str.lower}
    for upper in (True, False):
        for wrapped in (True, False):
            document = _with_words(response.json, word[upper])
            body = json.dumps({"data": document} if wrapped else document).encode()
            said = read_run(200, {}, body, NOW)
            assert (said.state, said.image_urls, said.error) == (means.state, means.images, means.says)


def _with_words(value: object, case: object) -> object:
    if isinstance(value, list):
        return [_with_words(item, case) for item in value]
    if isinstance(value, dict):
        return {name: case(item) if name == "status" else _with_words(item, case) for name, item in value.items()}
    return value

"""Which addresses of a response are results, once each, and with which place; and which texts a run has produced."""

import json
from typing import Any

import pytest

from shared.wireflow.protocol import read_run
from tests.vendor.expectations import NOW

URL, OTHER = "https://cdn.wireflow.ai/outputs/a.png", "https://cdn.wireflow.ai/outputs/b.png"


def images(**document: Any) -> list[tuple[str, str | None]]:
    body = json.dumps({"status": "COMPLETED", **document}).encode()
    return [(image.url, image.place) for image in read_run(200, {}, body, NOW).images]


def node(output: Any, node_id: str = "gen-1", **more: Any) -> dict[str, Any]:
    return {"nodeId": node_id, "status": "COMPLETED", "output": output, **more}


@pytest.mark.parametrize(
    "output",
    [
        {"text": URL},
        {"text": [URL]},
        {"text": {"url": URL}},
        {"text": {"output": URL}},
        f"A cat. See {URL} for more.",
        f"{URL} shows a cat",
        f"{URL}\n{OTHER}",
        {"description": URL},
        {"text": "A cat", "links": [OTHER]},
        f"![a cat]({URL})",
        "www.example.com",
    ],
    ids=repr,
)
def test_a_url_in_a_text_is_not_a_result(output: Any) -> None:
    assert images(nodeRuns=[node(output)]) == []


@pytest.mark.parametrize(
    "echo",
    [
        node(URL, "input-1"),
        node({"url": URL}, "Input_Image"),
        node({"url": URL}, "n1", nodeType="input:image"),
        node({"images": [URL]}, "n1", type="INPUT:image"),
        {"id": "input-2", "status": "COMPLETED", "output": URL},
        {"id": "n2", "data": {"nodeType": "input:image"}, "output": {"url": URL}},
        {"nodeId": "load-1", "output": {"inputs": {"images": [URL]}, "input_image": {"url": URL}}},
    ],
    ids=repr,
)
def test_the_output_of_an_input_node_is_not_a_result(echo: dict[str, Any]) -> None:
    assert images(nodeResults={"nodeRuns": [echo, node({"url": OTHER})]}) == [(OTHER, "gen-1/0")]


def test_a_node_that_one_list_shows_to_be_an_input_is_one_in_every_list() -> None:
    document = {
        "nodeRuns": [node(URL, "n1", nodeType="input:image"), node(OTHER)],
        "nodeStates": [{"nodeId": "n1", "outputUrl": URL, "outputUrls": [URL]}],
        "outputs": [{"nodeId": "n1", "url": URL}],
    }
    assert images(**document) == [(OTHER, "gen-1/0")]


def test_lists_may_name_an_input_by_different_ids_and_nodes_may_be_named_by_keys() -> None:
    by_id = {"nodeRuns": [{"id": "n1", "nodeType": "input:image", "output": URL}, node(OTHER)]}
    assert images(**by_id, nodeStates=[{"nodeId": "n1", "outputUrl": URL}]) == [(OTHER, "gen-1/0")]
    for name in ("nodeStates", "nodeResults"):
        assert images(**{name: {"input-1": {"outputUrl": URL}, "gen-1": {"outputUrl": OTHER}}}) == [(OTHER, None)]
    assert images(outputs={"input-1": {"url": URL}, "gen-1": {"url": OTHER}}) == [(OTHER, None)]
    assert images(outputs={"input-1": URL, "gen-1": OTHER}) == [(OTHER, None)]


def test_an_output_that_is_a_text_elsewhere_is_a_text() -> None:
    document = {
        "finalOutput": URL,
        "nodeRuns": [node(URL, "text-1"), node({"url": OTHER})],
        "nodeStates": [{"nodeId": "text-1", "text": URL}, {"nodeId": "gen-1", "text": OTHER, "outputUrl": OTHER}],
    }
    assert images(**document) == [(OTHER, "gen-1/0")]


@pytest.mark.parametrize(
    "output",
    [
        [URL],
        [[{"url": URL}]],
        {"output": [URL]},
        {"result": {"images": [{"url": URL}]}},
        {"data": [{"url": URL}]},
        {"image": {"url": URL}},
        {"file": {"uri": URL}},
        {"image_url": URL},
        {"imageURL": URL},
        {"output_urls": [URL]},
        {"result": {"sample": URL}},
        {"output": [URL], "urls": {"get": OTHER, "cancel": OTHER}, "input": {"image": OTHER}},
    ],
    ids=repr,
)
def test_a_result_is_found_in_what_providers_wrap_it_in(output: Any) -> None:
    assert images(nodeRuns=[node(output)]) == [(URL, "gen-1/0")]


@pytest.mark.parametrize("url", ["ftp://cdn.test/a.png", "gs://bucket/a.png", "file:///etc/passwd", "S3://b/a.png"])
def test_a_url_of_another_scheme_is_a_result_unless_there_is_one_of_the_web(url: str) -> None:
    assert images(nodeRuns=[node(url)]) == images(nodeRuns=[node({"url": url})]) == [(url, "gen-1/0")]
    assert images(nodeRuns=[node({"images": [url, URL]})]) == [(URL, "gen-1/1")]


def test_of_a_data_url_only_its_type_is_kept() -> None:
    for content in ("iVBORw0K", "iVBORw0K" * 1_000):
        output = {"images": [{"url": f"data:image/png;base64,{content}"}]}
        assert images(nodeRuns=[node(output)]) == [("data:image/png", "gen-1/0")]


def test_an_image_is_known_by_its_url_without_the_signature_and_the_last_signature_counts() -> None:
    signed = [f"{URL}?X-Amz-Signature={n}&X-Amz-Date=2026" for n in range(3)]
    document = {"nodeRuns": [node(signed[0])], "nodeStates": [{"nodeId": "gen-1", "outputUrls": signed[1:]}]}
    assert images(**document) == [(signed[2], "gen-1/0")]


def test_a_place_is_a_node_and_a_position_and_the_same_in_every_list() -> None:
    document = {
        "finalOutput": {"url": OTHER},
        "nodeRuns": [node({"images": [{"url": URL}, {"url": OTHER}]}), node(URL + "?id=1", "up-1")],
        "nodeStates": [{"nodeId": "gen-1", "outputUrls": [URL, OTHER]}],
    }
    assert images(**document) == [(OTHER, "gen-1/1"), (URL, "gen-1/0"), (URL + "?id=1", "up-1/0")]


def test_the_final_output_is_a_place_if_no_node_is_named() -> None:
    assert images(finalOutput={"images": [URL, OTHER]}) == [(URL, "finalOutput/0"), (OTHER, "finalOutput/1")]
    assert images(data={"finalOutput": URL}, nodeRuns=[{"output": URL}]) == [(URL, "finalOutput/0")]


def test_a_node_without_an_id_has_no_place() -> None:
    assert images(nodeRuns=[{"output": {"url": URL}}]) == [(URL, None)]


SPACES = "https://cdn.wireflow.ai/a cat.png"


@pytest.mark.parametrize("output", [SPACES, {"url": SPACES}, {"images": [SPACES]}, {"images": [{"url": SPACES}]}])
def test_a_url_with_spaces_is_a_result(output: Any) -> None:
    assert images(nodeRuns=[node(output)]) == [("https://cdn.wireflow.ai/a%20cat.png", "gen-1/0")]


# --- models --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "model"),
    [
        ({"nodeRuns": [node({"url": URL, "model": "gemini-3.1-flash-image"})]}, "gemini-3.1-flash-image"),
        ({"data": {"nodeStates": [{"nodeId": "gen-1", "modelName": "nano_banana_2_1"}]}}, "nano_banana_2_1"),
        ({"nodeRuns": [node(URL, model="a/b:1"), node(URL, model_id="c"), node(URL, model="a/b:1")]}, "a/b:1, c"),
        ({"nodeRuns": [node(URL, params={"model": "nano_banana"}, input={"model": "nano_banana"})]}, None),
        (
            {"nodeRuns": [node({"text": {"model": "x"}}), node(URL, model="a text about a model"), node(7, model=7)]},
            None,
        ),
    ],
    ids=repr,
)
def test_the_model_that_a_response_names_is_read(document: dict[str, Any], model: str | None) -> None:
    assert read_run(200, {}, json.dumps({"status": "COMPLETED", **document}).encode(), NOW).model == model


# --- texts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "document",
    [
        {"nodeStates": [{"nodeId": "gen-1", "text": "I cannot draw that."}]},
        {"nodeRuns": [node("I cannot draw that.")]},
        {"nodeRuns": [node({"text": "I cannot draw that."})]},
        {"nodeRuns": [node({"images": [], "description": "I cannot draw that."})]},
        {"data": {"finalOutput": "I cannot draw that."}},
        {"nodeRuns": [node("a cat", "input-1"), node(" I cannot draw that. "), node(None, "end-1")]},
    ],
    ids=repr,
)
def test_a_text_of_a_run_is_found(document: dict[str, Any]) -> None:
    body = json.dumps({"status": "COMPLETED", **document}).encode()
    assert read_run(200, {}, body, NOW).texts == ("I cannot draw that.",)


# --- results in other wrappings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "output",
    [
        json.dumps({"images": [{"url": URL}]}),
        f"\n {json.dumps([URL])} ",
        {"images": json.dumps([{"url": URL}])},
        {"image": {"src": URL}},
        {"file_url": URL},
        {"fileUrls": [URL]},
        {"images": {"0": {"url": URL}}},
        {"images": {"0": URL}},
        {"gen-1": {"url": URL}},
        {"gen-1": URL, "input-1": OTHER},
        {"3f2b8c1e-90ab-4cde-8123-0123456789ab": {"images": [{"url": URL}]}},
    ],
    ids=repr,
)
def test_a_result_is_found_in_a_json_text_under_an_index_and_under_the_id_of_a_node(output: Any) -> None:
    assert images(nodeRuns=[node(output)]) == [(URL, "gen-1/0")]
    assert images(data={"finalOutput": output}) == [(URL, "finalOutput/0")]
    assert images(output=output) == [(URL, None)]


def test_an_output_may_be_keyed_by_any_ids_that_its_response_has() -> None:
    nodes = {"nodeStates": [{"nodeId": "painter"}], "nodeRuns": [{"id": "photo", "nodeType": "input:image"}]}
    assert images(**nodes, output={"painter": {"url": URL}, "photo": {"url": OTHER}}) == [(URL, None)]
    assert images(output={"painter": {"url": URL}}) == []


@pytest.mark.parametrize(
    "output",
    [
        json.dumps({"documentation": URL}),
        json.dumps({"input_image": {"url": URL}}),
        json.dumps({"description": URL}),
        json.dumps(json.dumps([URL])),
        f'{{"url": "{URL}"',
        {"docs": {"url": URL}},
        {"docs-1": {"url": URL}, "links": [OTHER]},
        {"script": {"src": URL}},
        {"links": {"0": URL}},
        {"gen-1": {"docs": URL}},
        {"gen-1": f"See {URL}"},
    ],
    ids=repr,
)
def test_inputs_and_links_are_no_results_however_they_are_wrapped(output: Any) -> None:
    assert images(nodeRuns=[node(output)]) == images(output=output) == []


@pytest.mark.parametrize("output", [json.dumps({"url": URL}), {"text-1": URL}], ids=repr)
def test_what_another_list_shows_to_be_a_text_is_a_text_in_these_wrappings_too(output: Any) -> None:
    text = output if isinstance(output, str) else URL
    assert images(output=output, nodeStates=[{"nodeId": "text-1", "text": text}]) == []


def test_of_more_than_100_images_the_first_are_kept_and_the_response_is_reported() -> None:
    for count, reported in ((100, ()), (101, ("more than 100 images",))):
        output = {"images": [f"{URL}?n={n}" for n in range(count)]}
        body = json.dumps({"status": "COMPLETED", "nodeRuns": [node(output)]}).encode()
        response = read_run(200, {}, body, NOW)
        assert (len(response.images), response.unknown_shapes) == (100, reported)


# --- credits -------------------------------------------------------------------------------------------------------

SIXTEEN, TWENTY = {"nodeId": "gen-1", "creditsUsed": 16}, {"nodeId": "gen-2", "creditsUsed": 20}


@pytest.mark.parametrize(
    ("document", "credits"),
    [
        ({"nodeRuns": [SIXTEEN, TWENTY]}, 36),
        ({"data": {"nodeResults": {"nodeRuns": [SIXTEEN, TWENTY]}}}, 36),
        ({"nodeRuns": [SIXTEEN, TWENTY], "creditsUsed": 40}, 40),
        ({"nodeRuns": [SIXTEEN, TWENTY], "data": {"totalCredits": 40}}, 40),
        ({"nodeResults": {"nodeRuns": [SIXTEEN, TWENTY], "totalCredits": 40}}, 40),
        ({"nodeRuns": [SIXTEEN], "usage": {"creditsUsed": 40}}, 40),
        ({"nodeRuns": [SIXTEEN, TWENTY], "creditsUsed": 0}, 0),
        ({"nodeRuns": [SIXTEEN], "creditsUsed": None}, 16),
        ({"nodeRuns": [SIXTEEN, TWENTY], "nodeStates": [TWENTY, SIXTEEN], "outputs": [SIXTEEN]}, 36),
        ({"nodeRuns": [SIXTEEN], "nodeStates": [TWENTY]}, 36),
        ({"nodeRuns": [{"creditsUsed": 16}, {"creditsUsed": 20}]}, 36),
        ({"nodeResults": {"gen-1": {"creditsUsed": 16}, "gen-2": {"creditsUsed": 20}}}, 36),
        ({"nodeRuns": [{**SIXTEEN, "output": {"creditsUsed": 16}}, {**TWENTY, "creditsUsed": "20"}]}, 36),
        ({"nodeRuns": [SIXTEEN, {"nodeId": "gen-2", "creditsUsed": "many"}]}, 16),
        ({"executionRuns": [{"nodeRuns": [SIXTEEN]}, {"nodeRuns": [SIXTEEN, TWENTY]}]}, 52),
        ({"executionRuns": [{"creditsUsed": 7, "nodeRuns": [SIXTEEN]}, {"nodeRuns": [TWENTY]}]}, 27),
        ({"executionRuns": [{"nodeRuns": [SIXTEEN]}], "nodeStates": [SIXTEEN]}, 16),
        ({"nodeRuns": [{"nodeId": "gen-1"}]}, None),
    ],
    ids=repr,
)
def test_credits_are_those_of_the_run_or_the_sum_of_its_nodes(document: dict[str, Any], credits: float | None) -> None:
    assert read_run(200, {}, json.dumps({"status": "COMPLETED", **document}).encode(), NOW).credits_used == credits

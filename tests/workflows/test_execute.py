"""Execute and webhook: the graph of the guide with the overrides of a request, and fields that stay unchanged."""

import json
from typing import Any

import pytest

from shared.workflows import (
    MODELS,
    FieldRefused,
    Mode,
    Workflow,
    call_body,
    check_fields,
    parse_models,
    parse_workflows,
)
from tests.workflows.examples import HOSTED, ID, body, one, refusal


def params(workflow: Workflow, fields: dict[str, Any], image_url: str | None = None) -> Any:
    return body(workflow, fields, image_url)["nodes"][1]["data"]["params"]


def test_the_graph_is_that_of_the_guide() -> None:
    assert body(one(), {}) == {
        "nodes": [
            {
                "id": "input-1",
                "type": "basedNode",
                "data": {"nodeType": "input:text", "category": "input", "params": {"prompt": "a cat"}},
            },
            {
                "id": "gen-1",
                "type": "basedNode",
                "data": {
                    "nodeType": "generate:nano_banana_pro",
                    "category": "generate",
                    "params": {"resolution": "2K", "aspect_ratio": "16:9"},
                },
            },
        ],
        "edges": [{"source": "input-1", "target": "gen-1", "sourceHandle": "out-prompt", "targetHandle": "in-prompt"}],
    }


def test_the_input_image_is_in_the_generation_node() -> None:
    assert params(one(), {}, HOSTED) == {"resolution": "2K", "aspect_ratio": "16:9", "image1": HOSTED}


def test_the_defaults_are_the_first_resolution_of_the_model_and_square() -> None:
    plain = one(resolution=None, aspectRatio=None)
    assert params(plain, {}) == {"resolution": "1K", "aspect_ratio": "1:1"}


def test_an_overridable_field_is_accepted() -> None:
    assert params(one(), {"resolution": "4K", "aspect_ratio": "9:16"}) == {"resolution": "4K", "aspect_ratio": "9:16"}


@pytest.mark.parametrize("empty", [None, ""])
def test_an_empty_form_field_is_ignored_even_if_it_is_locked(empty: Any) -> None:
    assert params(one(), {"resolution": empty, "model": empty}) == params(one(), {})


def test_a_locked_field_is_refused_even_with_its_own_value() -> None:
    name, why = refusal(one(), {"model": "nano_banana_pro"})
    assert name == "model"
    assert "locks this field" in why
    assert "aspect_ratio, resolution" in why


@pytest.mark.parametrize("name", ["style", "aspectRatio", "image", "nodes", ""])
def test_any_other_field_is_refused(name: str) -> None:
    assert refusal(one(), {name: "x"})[0] == name
    assert "no other field" in refusal(one(overridable=[]), {name: "x"})[1]


@pytest.mark.parametrize("value", ["8K", "2k", 2, ["2K"], {"a": 1}, True])
def test_a_value_that_the_model_does_not_support_is_refused(value: Any) -> None:
    assert refusal(one(), {"resolution": value}) == ("resolution", "Must be one of 1K, 2K, 4K.")
    assert refusal(one(), {"aspect_ratio": value})[0] == "aspect_ratio"
    assert refusal(one(overridable=["model"]), {"model": value})[0] == "model"


def test_another_model_has_its_own_resolutions() -> None:
    free = one(overridable=["model", "resolution"], resolution=None)
    assert body(free, {"model": "nano_banana"})["nodes"][1]["data"]["nodeType"] == "generate:nano_banana"
    assert params(free, {"model": "nano_banana"})["resolution"] == "1K"
    assert refusal(free, {"model": "nano_banana", "resolution": "4K"}) == ("resolution", "Must be one of 1K.")


def test_a_model_without_the_configured_resolution_is_refused() -> None:
    free = one(overridable=["model", "resolution"])
    name, why = refusal(free, {"model": "nano_banana"})
    assert name == "model"
    assert "does not support the resolution 2K, only 1K. Set resolution too" in why
    assert params(free, {"model": "nano_banana", "resolution": "1K"})["resolution"] == "1K"
    assert "Set resolution" not in refusal(one(overridable=["model"]), {"model": "nano_banana"})[1]


def test_a_model_without_the_configured_ratio_is_refused() -> None:
    wide = one(model="nano_banana_2_1", aspectRatio="8:1", overridable=["model", "aspect_ratio"])
    name, why = refusal(wide, {"model": "nano_banana_pro"})
    assert name == "model"
    assert "does not support the aspect_ratio 8:1, only 1:1, 2:3" in why
    assert params(wide, {"model": "nano_banana_pro", "aspect_ratio": "1:1"})["aspect_ratio"] == "1:1"


@pytest.mark.parametrize("ratio", ["1:4", "4:1", "1:8", "8:1"])
def test_only_some_models_have_the_extreme_ratios(ratio: str) -> None:
    fields = {"aspect_ratio": ratio}
    for model in ("nano_banana_2", "nano_banana_2_1", "nano_banana_2_lite"):
        assert params(one(model=model, resolution=None), fields)["aspect_ratio"] == ratio
    for model in ("nano_banana", "nano_banana_pro"):
        assert refusal(one(model=model, resolution=None), fields)[0] == "aspect_ratio"


def test_the_default_resolution_of_every_model_with_a_choice_is_1k() -> None:
    sent = {model: params(one(model=model, resolution=None), {}).get("resolution") for model in MODELS}
    assert sent == dict.fromkeys(MODELS, "1K") | {"nano_banana_2_lite": None}


def test_nothing_is_sent_for_a_choice_that_the_model_does_not_have() -> None:
    free = one(overridable=["model", "resolution"])
    assert params(free, {"model": "nano_banana_2_lite"}) == {"aspect_ratio": "16:9"}
    assert refusal(free, {"model": "nano_banana_2_lite", "resolution": "2K"}) == (
        "resolution",
        "The model nano_banana_2_lite has no resolution option. Leave this field out.",
    )


def test_an_input_image_is_refused_by_a_model_that_accepts_none() -> None:
    plain = one(model="nano_banana_2_lite", resolution=None, overridable=["model"])
    name, why = refusal(plain, {}, image=True)
    assert name == "image1"
    assert "Choose nano_banana_2_1 or nano_banana_pro, or leave it out." in why, "no model that is about to end"
    assert params(plain, {"model": "nano_banana_pro"}, HOSTED)["image1"] == HOSTED
    locked = one(model="nano_banana_2_lite", resolution=None, overridable=[])
    assert refusal(locked, {}, image=True)[1].endswith("does not accept an input image. Leave it out.")


@pytest.mark.parametrize("model", ["nano_banana", "nano_banana_2", "nano_banana_2_1", "nano_banana_pro"])
def test_the_other_models_accept_an_input_image(model: str) -> None:
    assert params(one(model=model, resolution=None), {}, HOSTED)["image1"] == HOSTED


def test_an_added_model_accepts_what_its_setting_says() -> None:
    new = {"resolutions": ["2K"], "aspectRatios": ["1:1", "1:16"], "inputImages": 1}
    models = parse_models(json.dumps({"new": new, "fixed": {"resolutions": [], "aspectRatios": []}}))
    entry = {"mode": "execute", "id": ID, "overridable": ["model", "aspect_ratio"], "model": "new"}
    (workflow,) = parse_workflows(json.dumps({"new": entry}), models)
    wanted = {"resolution": "2K", "aspect_ratio": "1:16", "image1": HOSTED}
    assert params(workflow, {"aspect_ratio": "1:16"}, HOSTED) == wanted
    assert refusal(workflow, {"aspect_ratio": "16:9"})[0] == "aspect_ratio"
    assert params(workflow, {"model": "fixed"}) == {}
    assert refusal(workflow, {"model": "fixed"}, image=True)[0] == "image1"


def test_a_webhook_gets_fields_unchanged() -> None:
    hook = Workflow(name="default", mode=Mode.WEBHOOK, id=ID)
    fields = {"style": ["a", None], "model": {"deep": [1]}}
    assert body(hook, fields) == {"prompt": "a cat", **fields}
    assert body(hook, fields, HOSTED) == {"prompt": "a cat", **fields, "image1": HOSTED}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_several_input_images_are_params_of_the_node(count: int) -> None:
    urls = [f"https://cdn.wireflow.ai/{number}.png" for number in range(count)]
    check_fields(one(), {}, images=count)
    sent = call_body(one(), "a cat", {}, urls)["nodes"][1]["data"]["params"]
    assert {name: sent[name] for name in sent if name.startswith("image")} == {
        f"image{number + 1}": url for number, url in enumerate(urls)
    }


def test_more_input_images_than_the_model_accepts_are_refused() -> None:
    models = parse_models(json.dumps({"few": {"inputImages": 2}}))
    entry = {"mode": "execute", "id": ID, "overridable": ["model"], "model": "few"}
    (workflow,) = parse_workflows(json.dumps({"few": entry}), models)
    check_fields(workflow, {}, images=2)
    with pytest.raises(FieldRefused) as refused:
        check_fields(workflow, {}, images=3)
    assert refused.value.field == "image3"
    assert "accepts only 2 input images. Choose nano_banana_2_1 or nano_banana_pro" in str(refused.value)


def test_a_webhook_gets_all_input_images() -> None:
    (hook,) = parse_workflows(json.dumps({"hook": {"mode": "webhook", "id": ID}}), MODELS)
    expected = {"prompt": "a cat", "image1": "https://a", "image2": "https://b"}
    assert call_body(hook, "a cat", {}, ["https://a", "https://b"]) == expected

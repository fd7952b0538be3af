"""Execute and webhook: the graph of the guide with the overrides of a request, and fields that stay unchanged."""

from typing import Any

import pytest

from shared.workflows import Mode, Workflow
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
    name, why = refusal(free, {"model": "nano_banana_2"})
    assert name == "model"
    assert "does not support the resolution 2K, only 1K. Set resolution too" in why
    assert params(free, {"model": "nano_banana_2", "resolution": "1K"})["resolution"] == "1K"
    assert "Set resolution" not in refusal(one(overridable=["model"]), {"model": "nano_banana_2"})[1]


def test_an_input_image_is_refused_by_a_model_that_accepts_none() -> None:
    plain = one(model="nano_banana", resolution=None, overridable=["model"])
    assert refusal(plain, {}, image=True)[0] == "image1"
    assert params(plain, {"model": "nano_banana_2"}, HOSTED)["image1"] == HOSTED


def test_a_webhook_gets_fields_unchanged() -> None:
    hook = Workflow(name="default", mode=Mode.WEBHOOK, id=ID)
    fields = {"style": ["a", None], "model": {"deep": [1]}}
    assert body(hook, fields) == {"prompt": "a cat", **fields}
    assert body(hook, fields, HOSTED) == {"prompt": "a cat", **fields, "image1": HOSTED}

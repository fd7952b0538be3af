"""Run: each field sets one input, converted to its type, or is refused by name."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.workflows import FieldRefused, call_body, check_fields, public_workflow
from tests.workflows.examples import CHEAP, HOSTED, INPUTS, SAVED, body, node, one, refusal, values


def test_the_prompt_and_the_image_go_to_the_first_inputs_of_their_kind() -> None:
    assert body(SAVED, {}, None, INPUTS) == {"inputs": {"in-1": "a cat"}}
    assert body(SAVED, {}, HOSTED, INPUTS) == {"inputs": {"in-1": "a cat", "in-3": HOSTED}}


def test_fields_go_to_nodes_by_id_else_by_label() -> None:
    crossed = (*INPUTS, node("Seed", "Odd", "text"))
    fields = {"in-2": "dogs", "Style": "photo", "Seed": "by id"}
    assert body(SAVED, fields, None, crossed) == {
        "inputs": {"in-1": "a cat", "in-2": "dogs", "in-8": "photo", "Seed": "by id"}
    }


@pytest.mark.parametrize(
    ("name", "value", "sent"),
    [
        ("Negative prompt", "dogs", "dogs"),
        ("Negative prompt", "", ""),
        ("Negative prompt", 5, "5"),
        ("Negative prompt", 1.5, "1.5"),
        ("Second", HOSTED, HOSTED),
        ("Page", " https://example.com/a ", "https://example.com/a"),
        ("Seed", 7, 7),
        ("Seed", "7", 7),
        ("Seed", " 0.5 ", 0.5),
        ("Seed", -1e300, -1e300),
        ("Upscale", True, True),
        ("Upscale", "on", True),
        ("Upscale", "False", False),
        ("Upscale", 0, False),
        ("Style", "photo", "photo"),
        ("Style", 3, 3),
        ("Thing", {"any": ["thing"]}, {"any": ["thing"]}),
    ],
)
def test_a_value_is_converted_for_its_input(name: str, value: Any, sent: Any) -> None:
    values = body(SAVED, {name: value}, None, INPUTS)["inputs"]
    del values["in-1"]
    (found,) = values.values()
    assert (found, type(found)) == (sent, type(sent))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("Negative prompt", value) for value in (["a"], {}, True)),
        *(("Second", value) for value in ("a.png", 7, "ftp://x.test/a.png", "data:image/png;base64,AA")),
        *(("Page", value) for value in ("example.com", ["https://x.test"], False)),
        *(("Seed", value) for value in ("many", "nan", float("inf"), 10**400, True, [7])),
        *(("Upscale", value) for value in ("perhaps", 2, [], {})),
        *(("Style", value) for value in (["photo", "art"], {})),
    ],
)
def test_a_value_of_another_kind_is_refused(name: str, value: Any) -> None:
    field, why = refusal(SAVED, {name: value}, inputs=INPUTS)
    assert field == name
    assert why.startswith("Must be ")


def test_an_empty_field_is_not_sent() -> None:
    fields = {"Seed": "", "Upscale": None, "Negative prompt": None}
    assert body(SAVED, fields, None, INPUTS) == {"inputs": {"in-1": "a cat"}}


@pytest.mark.parametrize("name", ["model", "seed", "", "in-10"])
def test_a_field_without_an_input_is_refused_with_the_known_names(name: str) -> None:
    unnamed = (*INPUTS, node("in-0", "", "text"))
    field, why = refusal(SAVED, {name: "x"}, inputs=unnamed)
    assert field == name
    assert "Negative prompt" in why
    assert "in-0" in why


def test_an_ambiguous_label_is_refused() -> None:
    twins = (*INPUTS, node("in-10", "Style", "select"))
    assert refusal(SAVED, {"Style": "photo"}, inputs=twins)[1].endswith("in-8, in-10.")


def test_an_input_cannot_be_set_twice() -> None:
    assert refusal(SAVED, {"Prompt": "a dog"}, inputs=INPUTS)[1].startswith("The field prompt sets this input")
    assert refusal(SAVED, {"in-3": HOSTED}, image=True, inputs=INPUTS)[1].startswith("The field image1 sets this input")
    assert "twice" in refusal(SAVED, {"in-8": "a", "Style": "b"}, inputs=INPUTS)[1]


def test_a_workflow_without_such_an_input_refuses_prompt_or_image() -> None:
    assert refusal(SAVED, {}, inputs=INPUTS[2:])[0] == "prompt"
    assert refusal(SAVED, {}, image=True, inputs=INPUTS[:2])[0] == "image1"
    assert refusal(SAVED, {}, inputs=())[0] == "prompt"


def test_a_required_input_must_be_set() -> None:
    needs = (
        INPUTS[0],
        node("in-8", "Style", "select", required=True),
        node("in-3", "Reference", "image", required=True),
    )
    assert refusal(SAVED, {}, image=True, inputs=needs)[0] == "Style"
    assert refusal(SAVED, {"Style": ""}, image=True, inputs=needs)[0] == "Style"
    assert refusal(SAVED, {"Style": "photo"}, inputs=needs)[0] == "image1"
    assert body(SAVED, {"Style": "photo"}, HOSTED, needs)["inputs"]["in-3"] == HOSTED


def test_while_the_inputs_are_unknown_no_field_is_refused_and_no_body_is_built() -> None:
    check_fields(SAVED, {"any": "thing"}, images=1, inputs=None)
    with pytest.raises(ValueError, match="must be known"):
        call_body(SAVED, "a cat", {}, [])


@CHEAP
@given(
    st.dictionaries(st.text(max_size=5) | st.sampled_from([item.label for item in INPUTS]), values), st.integers(0, 3)
)
def test_any_request_is_refused_or_can_be_sent(fields: dict[str, Any], images: int) -> None:
    for workflow in (SAVED, one(overridable=["model", "resolution", "aspect_ratio"])):
        try:
            check_fields(workflow, fields, images=images, inputs=INPUTS)
        except FieldRefused:
            continue
        assert json.dumps(call_body(workflow, "a cat", fields, [HOSTED] * images, INPUTS))


SEVERAL = (INPUTS[0], node("first", "First", "image"), node("second", "image2", "image"))
URLS = [f"https://cdn.wireflow.ai/{number}.png" for number in range(3)]


def test_several_input_images_set_the_image_inputs_in_order() -> None:
    sent = call_body(SAVED, "a cat", {}, URLS[:2], SEVERAL)["inputs"]
    assert (sent["first"], sent["second"]) == (URLS[0], URLS[1])


def test_more_input_images_than_the_workflow_has_inputs_are_refused() -> None:
    with pytest.raises(FieldRefused) as refused:
        check_fields(SAVED, {}, images=3, inputs=SEVERAL)
    assert refused.value.field == "image3"


def test_an_input_that_an_image_sets_is_not_set_twice() -> None:
    with pytest.raises(FieldRefused, match="The field image2 sets this input"):
        check_fields(SAVED, {"second": URLS[2]}, images=2, inputs=SEVERAL)


def test_an_input_named_like_an_input_image_is_shown_by_its_id() -> None:
    shown = public_workflow(SAVED, SEVERAL)["fields"]
    assert [field["name"] for field in shown] == ["prompt", "image1", "second"]

"""The settings of workflows: all faults are reported at once, and no message contains an id."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.workflows import Mode, Model, ModelStatus, parse_models, parse_workflows, public_workflow
from tests.workflows.examples import CHEAP, ID, MODELS, PRO, one, values


def fault(text: str) -> str:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_workflows(text, MODELS)
    assert ID not in str(caught.value)
    return str(caught.value)


def fault_of(**changes: Any) -> str:
    return fault(json.dumps({"pro": {**PRO, **changes}}))


def test_all_three_modes_are_read() -> None:
    text = {
        "pro": PRO,
        "saved": {"mode": "run", "id": "r", "pricePerImage": 0.07},
        "hook": {"mode": "webhook", "id": "h"},
    }
    pro, saved, hook = parse_workflows(json.dumps(text), MODELS)
    assert (pro.name, pro.mode, pro.id, pro.model, pro.resolution) == ("pro", Mode.EXECUTE, ID, "nano_banana_pro", "2K")
    assert (pro.aspect_ratio, pro.overridable) == ("16:9", ("aspect_ratio", "resolution"))
    assert pro.prices == (("1K", 0.13), ("2K", 0.13), ("4K", 0.24))
    assert (saved.mode, saved.prices, hook.mode, hook.prices) == (Mode.RUN, ((None, 0.07),), Mode.WEBHOOK, ())


def test_a_workflow_is_hashable_and_its_repr_has_no_id() -> None:
    assert hash(one()) == hash(one())
    assert ID not in repr(one())


def test_no_workflow_is_valid() -> None:
    assert parse_workflows("{}", MODELS) == ()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"mode": "graph"}, "mode must be one of webhook, run, execute"),
        ({"mode": None}, "mode must be one of"),
        ({"mode": ["run"]}, "mode must be one of"),
        ({"id": None}, "id is required"),
        ({"id": ""}, "id is required"),
        ({"id": 7}, "id must be"),
        ({"id": f"https://www.wireflow.ai/workflows/{ID}"}, "id must be the id alone"),
        ({"id": f"{ID} "}, "id must be"),
        ({"id": ".."}, "id must be"),
        ({"id": "é"}, "id must be"),
        ({"id": "x" * 257}, "id must be"),
        ({"model": None}, "model must be one of nano_banana, nano_banana_2, nano_banana_2_1, nano_banana_2_lite, nano"),
        ({"model": "dall-e"}, "model must be one of"),
        ({"model": {}}, "model must be one of"),
        ({"resolution": "8K"}, "resolution must be one of 1K, 2K, 4K"),
        ({"model": "nano_banana"}, "resolution must be one of 1K"),
        ({"resolution": []}, "resolution must be one of"),
        ({"model": "nano_banana_2_1", "resolution": "512"}, "resolution must be one of 1K, 2K, 4K"),
        (
            {"model": "nano_banana_2_lite"},
            "resolution must be left out: the model nano_banana_2_lite has no such option",
        ),
        ({"aspectRatio": "8:1"}, "aspectRatio must be one of 1:1, 2:3"),
        ({"aspectRatio": "7:5"}, "aspectRatio must be one of 1:1, 2:3"),
        ({"aspectRatio": 1}, "aspectRatio must be one of"),
        ({"overridable": ["prompt"]}, "overridable must be a list of any of model, resolution, aspect_ratio"),
        ({"overridable": ["aspectRatio"]}, "overridable must be"),
        ({"overridable": ["model", "model"]}, "overridable must be"),
        ({"overridable": "model"}, "overridable must be"),
        ({"overridable": {}}, "overridable must be"),
        *(({"pricePerImage": price}, "pricePerImage must be") for price in (0, -1, "0.1", True, [], {}, {"1K": 0})),
        ({"pricePerImage": {"1K": "0.1"}}, "pricePerImage must be"),
        ({"pricePerImage": 10_001}, "pricePerImage must be"),
        ({"pricePerImage": {"8K": 1}}, "pricePerImage has an unknown resolution; the known resolutions are 1K, 2K, 4K"),
        ({"aspect_ratio": "1:1"}, '"aspect_ratio" is unknown; the known fields are mode, id, pricePerImage, model'),
        ({ID: 1}, "a name is unknown"),
        ({"mode": "run"}, "model is only allowed with mode execute"),
        ({"mode": "webhook"}, "overridable is only allowed with mode execute"),
    ],
)
def test_a_fault_names_its_place_and_the_allowed_values(changes: dict[str, Any], says: str) -> None:
    assert f'"pro": {says}' in fault_of(**changes)


def test_every_fault_is_named_at_once() -> None:
    text = json.dumps({"a b": {"mode": "x"}, "two": [], "pro": {**PRO, "resolution": "8K", "pirce": 1}})
    said = fault(text)
    for words in ("entry 1: the name", "entry 1: mode", "entry 1: id is required", '"two": must be an object'):
        assert words in said
    assert '"pro": resolution must be' in said
    assert '"pirce" is unknown' in said
    assert "\n" not in said


@pytest.mark.parametrize("name", ["", "a b", "é", "x" * 65, "a/b", "a.b"])
def test_the_name_of_a_workflow_is_one_word(name: str) -> None:
    assert "entry 1: the name must be 1 to 31 letters" in fault(json.dumps({name: PRO}))


def test_a_duplicate_name_is_a_fault() -> None:
    assert '"pro" occurs twice' in fault(f'{{"pro": {json.dumps(PRO)}, "pro": {json.dumps(PRO)}}}')
    assert '"mode" occurs twice' in fault(f'{{"x": {{"mode": "run", "mode": "webhook", "id": "{ID}"}}}}')


@pytest.mark.parametrize(
    "text", [ID, "", "{", '{"a": NaN}', "[" * 100_000, '{"a": ' + "9" * 5_000 + "}", f'"{ID}', "'"]
)
def test_invalid_json_is_a_fault(text: str) -> None:
    assert fault(text).startswith("must be JSON")


@pytest.mark.parametrize("text", ["[]", "null", "7", f'"{ID}"'])
def test_json_that_is_not_an_object_is_a_fault(text: str) -> None:
    assert fault(text) == "must be a JSON object"


@CHEAP
@given(st.dictionaries(st.sampled_from([*PRO, "other"]), values), values)
def test_any_setting_is_read_or_a_fault(changes: dict[str, Any], other: Any) -> None:
    for text in ({"pro": {**PRO, **changes, "id": ID}}, {"pro": other}, other):
        try:
            found = parse_workflows(json.dumps(text), MODELS)
        except ValueError:
            continue
        assert hash(found) is not None
        assert all(json.dumps(public_workflow(workflow, None)) for workflow in found)


def test_models_can_be_added_to_the_known_ones() -> None:
    models = parse_models('{"nano_banana_3": ["2K", "8K"], "nano_banana_2": ["1K", "2K"]}')
    assert models["nano_banana_3"].resolutions == ("2K", "8K")
    assert models["nano_banana_2"] == replace(MODELS["nano_banana_2"], resolutions=("1K", "2K"))
    assert models["nano_banana_pro"] == MODELS["nano_banana_pro"]
    text = json.dumps({"next": {**PRO, "model": "nano_banana_3", "resolution": None, "pricePerImage": {"8K": 1}}})
    (workflow,) = parse_workflows(text, models)
    assert public_workflow(workflow, None)["resolution"] == "2K"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "[]",
            "{",
            '{"a b": ["1K"]}',
            '{"m": []}',
            '{"m": "1K"}',
            '{"m": ["1K", "1K"]}',
            '{"m": [1]}',
            '{"m": ["1 K"]}',
        ),
        *('{"m": null}', '{"m": 1}', '{"m": {"resolutions": "1K"}}', '{"m": {"resolutions": ["1K", "1K"]}}'),
        *('{"m": {"aspectRatios": ["0:1"]}}', '{"m": {"aspectRatios": ["wide"]}}', '{"m": {"aspectRatios": null}}'),
        *('{"m": {"inputImages": -1}}', '{"m": {"inputImages": 1.5}}', '{"m": {"inputImages": "1"}}'),
        '{"m": {"inputImages": true}}',
    ],
)
def test_invalid_models_are_a_fault(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse_models(text)


def test_an_unknown_field_of_a_model_is_a_fault() -> None:
    with pytest.raises(
        ValueError, match='"m": "image" is unknown; the known fields are resolutions, aspectRatios, inp'
    ):
        parse_models('{"m": {"resolutions": ["1K"], "image": 1}}')


def test_a_model_can_be_added_with_all_that_it_accepts() -> None:
    told = {"resolutions": ["2K"], "aspectRatios": ["1:1", "1:16"], "inputImages": 3}
    assert parse_models(json.dumps({"new": told}))["new"] == Model(
        name="new", resolutions=("2K",), aspect_ratios=("1:1", "1:16"), input_images=3
    )


def test_of_a_known_model_only_what_is_named_is_redefined() -> None:
    models = parse_models('{"nano_banana_2": {"inputImages": 0}, "nano_banana_2_lite": {"resolutions": ["1K"]}}')
    assert models["nano_banana_2"] == replace(MODELS["nano_banana_2"], input_images=0)
    assert models["nano_banana_2_lite"] == replace(MODELS["nano_banana_2_lite"], resolutions=("1K",))


def test_a_model_that_is_not_active_has_an_active_successor() -> None:
    for model in MODELS.values():
        assert (model.status is ModelStatus.ACTIVE) == (model.successor is None) == (model.warning is None)
        if model.successor:
            assert MODELS[model.successor].status is ModelStatus.ACTIVE
            assert str(model.warning).startswith(
                f"The model {model.name} is {model.status}. Set model to {model.successor} in"
            )


def test_every_fault_of_the_models_is_named_at_once() -> None:
    with pytest.raises(ValueError, match=r'model 1: the name .*; "m": must be a list'):
        parse_models('{"a b": ["1K"], "m": []}')

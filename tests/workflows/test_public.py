"""GET /workflows: what it shows of a workflow, never its id."""

import json
from typing import Any

import pytest

from shared.workflows import Mode, Workflow, check_fields, public_workflow
from tests.workflows.examples import HOSTED, ID, INPUTS, SAVED, node, one


def test_a_workflow_is_shown_without_its_id() -> None:
    assert public_workflow(one(), None) == {
        "name": "pro",
        "mode": "execute",
        "model": "nano_banana_pro",
        "modelStatus": "active",
        "modelSuccessor": None,
        "resolution": "2K",
        "aspectRatio": "16:9",
        "pricePerImage": {"1K": 0.13, "2K": 0.13, "4K": 0.24},
        "overridable": ["aspect_ratio", "resolution"],
        "fields": [
            {"name": "prompt", "type": "text", "required": True},
            {"name": "image1", "type": "image", "required": False},
            {"name": "image2", "type": "image", "required": False},
            {"name": "image3", "type": "image", "required": False},
            {"name": "aspect_ratio", "type": "select", "required": False},
            {"name": "resolution", "type": "select", "required": False},
        ],
    }


def test_defaults_are_shown() -> None:
    shown = public_workflow(one(resolution=None, aspectRatio=None, pricePerImage=None, overridable=None), None)
    assert (shown["resolution"], shown["aspectRatio"], shown["pricePerImage"], shown["overridable"]) == (
        "1K",
        "1:1",
        None,
        [],
    )
    lite = one(model="nano_banana_2_lite", resolution=None, pricePerImage=0.16, overridable=None)
    plain = public_workflow(lite, None)
    assert plain["fields"] == [{"name": "prompt", "type": "text", "required": True}]
    assert (plain["pricePerImage"], plain["resolution"], plain["aspectRatio"]) == (0.16, None, "16:9")


@pytest.mark.parametrize(
    ("model", "status", "successor"),
    [
        ("nano_banana", "retired", "nano_banana_2_lite"),
        ("nano_banana_2", "deprecated", "nano_banana_2_1"),
        ("nano_banana_2_1", "active", None),
        ("nano_banana_2_lite", "active", None),
        ("nano_banana_pro", "active", None),
    ],
)
def test_the_status_of_the_model_is_shown(model: str, status: str, successor: str | None) -> None:
    shown = public_workflow(one(model=model, resolution=None, overridable=None), None)
    assert (shown["modelStatus"], shown["modelSuccessor"]) == (status, successor)


def test_a_field_is_not_shown_if_there_is_nothing_to_choose() -> None:
    lite = one(model="nano_banana_2_lite", resolution=None)
    assert [field["name"] for field in public_workflow(lite, None)["fields"]] == ["prompt", "aspect_ratio"]


def test_an_image_field_is_shown_if_any_model_that_a_request_can_get_accepts_one() -> None:
    free = one(model="nano_banana_2_lite", resolution=None, overridable=["model"])
    names = [field["name"] for field in public_workflow(free, None)["fields"]]
    assert names == ["prompt", "image1", "image2", "image3", "model"]


@pytest.mark.parametrize("workflow", [SAVED, Workflow(name="default", mode=Mode.WEBHOOK, id=ID)])
def test_the_fields_of_an_undescribed_workflow_are_null(workflow: Workflow) -> None:
    shown = public_workflow(workflow, None)
    assert ID not in json.dumps(shown)
    assert [shown[name] for name in ("model", "resolution", "aspectRatio", "fields")] == [None] * 4
    assert (shown["modelStatus"], shown["modelSuccessor"]) == (None, None)


def test_the_fields_of_a_saved_workflow_are_the_names_for_requests() -> None:
    inputs = (
        *INPUTS[1:6],
        node("in-1", "Style", "text", required=True),
        node("in-8", "Style", "select", required=True),
    )
    shown = public_workflow(SAVED, inputs)["fields"]
    assert shown == [
        {"name": "prompt", "type": "text", "required": True},
        {"name": "image1", "type": "image", "required": False},
        {"name": "Second", "type": "image", "required": False},
        {"name": "Page", "type": "url", "required": False},
        {"name": "Seed", "type": "number", "required": False},
        {"name": "in-1", "type": "text", "required": True},
        {"name": "in-8", "type": "select", "required": True},
    ]
    sample: dict[str, Any] = {"image": HOSTED, "url": HOSTED, "number": 1, "text": "x", "select": "x"}
    fields = {item["name"]: sample[item["type"]] for item in shown[2:]}
    check_fields(SAVED, fields, images=1, inputs=inputs)


def test_an_input_named_like_a_field_of_ours_is_shown_by_its_id() -> None:
    shown = public_workflow(SAVED, (INPUTS[0], node("in-2", "prompt", "text")))["fields"]
    assert [item["name"] for item in shown] == ["prompt", "in-2"]

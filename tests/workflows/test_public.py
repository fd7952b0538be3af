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
        "resolution": "2K",
        "aspectRatio": "16:9",
        "pricePerImage": {"1K": 0.13, "2K": 0.13, "4K": 0.24},
        "overridable": ["aspect_ratio", "resolution"],
        "fields": [
            {"name": "prompt", "type": "text", "required": True},
            {"name": "image1", "type": "image", "required": False},
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
    plain = public_workflow(one(model="nano_banana", resolution=None, pricePerImage=0.04, overridable=None), None)
    assert plain["fields"] == [{"name": "prompt", "type": "text", "required": True}]
    assert plain["pricePerImage"] == 0.04


@pytest.mark.parametrize("workflow", [SAVED, Workflow(name="default", mode=Mode.WEBHOOK, id=ID)])
def test_the_fields_of_an_undescribed_workflow_are_null(workflow: Workflow) -> None:
    shown = public_workflow(workflow, None)
    assert ID not in json.dumps(shown)
    assert [shown[name] for name in ("model", "resolution", "aspectRatio", "fields")] == [None] * 4


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
    check_fields(SAVED, fields, has_image=True, inputs=inputs)


def test_an_input_named_like_a_field_of_ours_is_shown_by_its_id() -> None:
    shown = public_workflow(SAVED, (INPUTS[0], node("in-2", "prompt", "text")))["fields"]
    assert [item["name"] for item in shown] == ["prompt", "in-2"]

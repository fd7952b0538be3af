"""Workflows, inputs, and checks that the tests of this folder share."""

import json
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st

from shared.workflows import (
    FieldRefused,
    Mode,
    NodeInput,
    Workflow,
    call_body,
    check_fields,
    parse_models,
    parse_workflows,
)

CHEAP = settings(max_examples=150, deadline=None)
MODELS = parse_models("{}")
ID = "cm1-very-secret"
PRO = {
    "mode": "execute",
    "id": ID,
    "model": "nano_banana_pro",
    "resolution": "2K",
    "aspectRatio": "16:9",
    "pricePerImage": {"1K": 0.13, "2K": 0.13, "4K": 0.24},
    "overridable": ["aspect_ratio", "resolution"],
}
HOSTED = "https://cdn.wireflow.test/uploads/a.png"


def one(**changes: Any) -> Workflow:
    """Return the workflow `pro` with these changes; None removes a field."""
    entry = {name: value for name, value in {**PRO, **changes}.items() if value is not None}
    (workflow,) = parse_workflows(json.dumps({"pro": entry}), MODELS)
    return workflow


SAVED = Workflow(name="saved", mode=Mode.RUN, id=ID, prices=((None, 0.07),))


def node(node_id: str, label: str, kind: str, *, required: bool = False) -> NodeInput:
    return NodeInput(node_id=node_id, label=label, kind=kind, required=required)


INPUTS = (
    node("in-1", "Prompt", "text", required=True),
    node("in-2", "Negative prompt", "text"),
    node("in-3", "Reference", "image"),
    node("in-4", "Second", "image"),
    node("in-5", "Page", "url"),
    node("in-6", "Seed", "number"),
    node("in-7", "Upscale", "boolean"),
    node("in-8", "Style", "select"),
    node("in-9", "Thing", "color"),
)

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([*Mode, "2K", "16:9"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def refusal(workflow: Workflow, fields: dict[str, Any], *, image: bool = False, inputs: Any = None) -> tuple[str, str]:
    """Return the refused field and the reason; check_fields and call_body must agree."""
    with pytest.raises(FieldRefused) as checked:
        check_fields(workflow, fields, images=int(image), inputs=inputs)
    with pytest.raises(FieldRefused) as called:
        call_body(workflow, "a cat", fields, [HOSTED] if image else [], inputs)
    found = [(caught.value.field, str(caught.value)) for caught in (checked, called)]
    assert found[0] == found[1]
    assert ID not in repr(found)
    return found[0]


def body(
    workflow: Workflow, fields: dict[str, Any], image_url: str | None = None, inputs: Any = None
) -> dict[str, Any]:
    check_fields(workflow, fields, images=int(image_url is not None), inputs=inputs)
    return call_body(workflow, "a cat", fields, [image_url] if image_url else [], inputs)

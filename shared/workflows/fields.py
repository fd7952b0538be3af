"""What a request may say for each workflow, and the body that Wireflow is sent for it. Nothing is guessed silently."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from shared.workflows.workflow import ASPECT_RATIOS, OVERRIDES, TAKES_IMAGE, FieldRefused, Mode, NodeInput, Workflow

Fields = Mapping[str, Any]
Inputs = Sequence[NodeInput]

PROMPT, IMAGE = "prompt", "image1"
SHOWN = 30  # inputs that a refusal names


def check_fields(workflow: Workflow, fields: Fields, *, has_image: bool, inputs: Inputs | None = None) -> None:
    """FieldRefused if a field does not fit. `fields`: what is not ours; `inputs`: of a run, None where unknown."""
    if workflow.mode is Mode.EXECUTE:
        _generation(workflow, fields, IMAGE if has_image else None)
    elif workflow.mode is Mode.RUN and inputs is not None:
        _by_node(PROMPT, fields, IMAGE if has_image else None, inputs)


def call_body(
    workflow: Workflow,
    prompt: str,
    fields: Fields,
    image_url: str | None,
    inputs: Inputs | None = None,
) -> dict[str, Any]:
    """The body of the paid call; FieldRefused as `check_fields`. A run needs `inputs`."""
    if workflow.mode is Mode.EXECUTE:
        return _graph(prompt, *_generation(workflow, fields, image_url))
    if workflow.mode is Mode.RUN:
        if inputs is None:
            raise ValueError("the inputs of the workflow must be known")
        return {"inputs": _by_node(prompt, fields, image_url, inputs)}
    image = {} if image_url is None else {IMAGE: image_url}
    return {PROMPT: prompt, **fields, **image}


def public_workflow(workflow: Workflow, inputs: Inputs | None) -> dict[str, Any]:
    """One of `GET /workflows`: what a request gets that says nothing, and what it may say; never an id.

    `pricePerImage`: dollars, or resolution → dollars. `fields`: the names that a request may use, `prompt` and `image1`
    first; null for a webhook, which takes any, and where `inputs` are unknown.
    """
    known = _resolutions(workflow).get(workflow.model or "", (None,))
    executed = workflow.mode is Mode.EXECUTE
    prices: dict[str | None, float] = dict(workflow.prices)
    return {
        "name": workflow.name,
        "mode": str(workflow.mode),
        "model": workflow.model,
        "resolution": workflow.resolution or known[0],
        "aspectRatio": workflow.aspect_ratio or (ASPECT_RATIOS[0] if executed else None),
        "pricePerImage": prices.get(None, prices or None),
        "overridable": list(workflow.overridable),
        "fields": _public_fields(workflow, inputs),
    }


def _public_fields(workflow: Workflow, inputs: Inputs | None) -> list[dict[str, Any]] | None:
    if workflow.mode is Mode.EXECUTE:
        image = workflow.model in TAKES_IMAGE or "model" in workflow.overridable
        names = [(PROMPT, "text", True), *([(IMAGE, "image", False)] if image else [])]
        names += [(name, "select", False) for name in workflow.overridable]
    elif workflow.mode is Mode.RUN and inputs is not None:
        ours = [(PROMPT, _first(inputs, "text")), (IMAGE, _first(inputs, "image"))]
        names = [(name, found.kind, found.required or name == PROMPT) for name, found in ours if found]
        taken = [found for _, found in ours]
        names += [(_name(item, inputs), item.kind, item.required) for item in inputs if item not in taken]
    else:
        return None
    return [{"name": name, "type": kind, "required": required} for name, kind, required in names]


def _given(value: Any) -> bool:
    """An empty field of a form says nothing."""
    return value is not None and value != ""


# --- execute: the guide's graph ------------------------------------------------------------------------------------


def _resolutions(workflow: Workflow) -> dict[str, tuple[str, ...]]:
    return dict(workflow.models)


def _generation(workflow: Workflow, fields: Fields, image_url: str | None) -> tuple[str, dict[str, Any]]:
    """The model and the params of its node."""
    said = _overrides(workflow, fields)
    models = _resolutions(workflow)
    model = _one_of(tuple(models), said.get("model", workflow.model), "model")
    resolution = _resolution(workflow, said, model, models[model])
    ratio = _one_of(ASPECT_RATIOS, said.get("aspect_ratio", workflow.aspect_ratio or ASPECT_RATIOS[0]), "aspect_ratio")
    params = {"resolution": resolution, "aspect_ratio": ratio}
    if image_url is None:
        return model, params
    if model not in TAKES_IMAGE:
        raise FieldRefused(IMAGE, f"The model {model} takes no input image; {' and '.join(TAKES_IMAGE)} do.")
    return model, {**params, IMAGE: image_url}


def _overrides(workflow: Workflow, fields: Fields) -> Fields:
    """What the request says of those that it may change."""
    free = ", ".join(workflow.overridable) or "no field"
    for name, value in fields.items():
        if name not in OVERRIDES:
            raise FieldRefused(
                name, f"The workflow {workflow.name} does not take this field; beside ours it takes {free}."
            )
        if name not in workflow.overridable and _given(value):
            raise FieldRefused(name, f"This is locked in the workflow {workflow.name}; beside ours it takes {free}.")
    return {name: value for name, value in fields.items() if _given(value)}


def _resolution(workflow: Workflow, said: Fields, model: str, known: tuple[str, ...]) -> str:
    if "resolution" in said:
        return _one_of(known, said["resolution"], "resolution")
    if workflow.resolution is not None and workflow.resolution not in known:
        also = "say resolution too, or " if "resolution" in workflow.overridable else ""
        detail = f"{model} has no {workflow.resolution}, only {', '.join(known)}; {also}choose another model."
        raise FieldRefused("model", detail)
    return workflow.resolution or known[0]


def _one_of(known: tuple[str, ...], value: Any, name: str) -> str:
    if not isinstance(value, str) or value not in known:
        raise FieldRefused(name, f"Must be one of {', '.join(known)}.")
    return value


def _graph(prompt: str, model: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """The guide's step 2; for image to image its `image1`."""
    return {
        "nodes": [
            _node("input-1", "input", "text", {"prompt": prompt}),
            _node("gen-1", "generate", model, params),
        ],
        "edges": [
            {"source": "input-1", "target": "gen-1", "sourceHandle": "out-prompt", "targetHandle": "in-prompt"},
        ],
    }


def _node(node_id: str, category: str, name: str, params: Mapping[str, Any]) -> dict[str, Any]:
    data = {"nodeType": f"{category}:{name}", "category": category, "params": dict(params)}
    return {"id": node_id, "type": "basedNode", "data": data}


# --- run: by the workflow's own inputs -----------------------------------------------------------------------------


def _by_node(prompt: str, fields: Fields, image_url: str | None, inputs: Inputs) -> dict[str, Any]:
    """Every value by the id of its node: https://www.wireflow.ai/docs/api/run."""
    values = {_ours(inputs, "text", PROMPT).node_id: prompt}
    if image_url is not None:
        values[_ours(inputs, "image", IMAGE).node_id] = image_url
    ours = set(values)
    for name, value in fields.items():
        item = _named(name, inputs)
        if item.node_id in ours:
            raise FieldRefused(name, f"This input takes {_taker(item)}: leave the field out.")
        if not (_given(value) or (item.kind == "text" and value == "")):
            continue
        if item.node_id in values:
            raise FieldRefused(name, "This input is named twice, by its id and by its label: leave one out.")
        values[item.node_id] = _fitting(name, item.kind, value)
    for item in inputs:
        if item.required and item.node_id not in values:
            missing = IMAGE if item is _first(inputs, "image") else _name(item, inputs)
            raise FieldRefused(missing, "This workflow needs it.")
    return values


def _first(inputs: Inputs, kind: str) -> NodeInput | None:
    return next((item for item in inputs if item.kind == kind), None)


def _ours(inputs: Inputs, kind: str, name: str) -> NodeInput:
    """The input that takes the prompt, or the image."""
    found = _first(inputs, kind)
    if found is None:
        raise FieldRefused(name, f"This workflow has no {kind} input that could take it.")
    return found


def _taker(item: NodeInput) -> str:
    return PROMPT if item.kind == "text" else IMAGE


def _named(name: str, inputs: Inputs) -> NodeInput:
    """The input of this id, else of this label."""
    found = [item for item in inputs if item.node_id == name] or [item for item in inputs if item.label == name != ""]
    if not found:
        known = ", ".join(_name(item, inputs) for item in inputs[:SHOWN])
        raise FieldRefused(name, f"The workflow has no such input; it has {known}.")
    if len(found) > 1:
        ids = ", ".join(item.node_id for item in found)
        raise FieldRefused(name, f"Several inputs are called so; use the id of one: {ids}.")
    return found[0]


def _name(item: NodeInput, inputs: Inputs) -> str:
    """What a request calls it: its label if that means no other one, else its id."""
    others = [other for other in inputs if other is not item]
    taken = {PROMPT, IMAGE, *(text for other in others for text in (other.node_id, other.label))}
    return item.label if item.label and item.label not in taken else item.node_id


def _fitting(name: str, kind: str, value: Any) -> Any:
    """The value for an input of this kind, read from text where a form sent it; of an unknown kind as it came."""
    if kind not in KINDS:
        return value
    expected, read = KINDS[kind]
    try:
        return read(value)
    except (TypeError, ValueError, OverflowError, KeyError):
        raise FieldRefused(name, f"Must be {expected}.") from None


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return str(_number(value))


def _address(value: Any) -> str:
    if not isinstance(value, str) or not value.strip().lower().startswith(("https://", "http://")):
        raise ValueError
    return value.strip()


def _number(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _truth(value: Any) -> bool:
    words = {"true": True, "on": True, "yes": True, "1": True, "false": False, "off": False, "no": False, "0": False}
    return words[str(value).strip().lower()]


def _choice(value: Any) -> Any:
    if not isinstance(value, str | int | float):
        raise TypeError
    return value


# What Wireflow's types take, as far as a description says it: https://www.wireflow.ai/docs/api/run
KINDS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "text": ("a text", _text),
    "image": ("the address of an image, https://…", _address),
    "url": ("an address, https://…", _address),
    "number": ("a number", _number),
    "boolean": ("true or false", _truth),
    "select": ("one of the choices, a text or a number", _choice),
}

"""The fields that a request may set for each workflow, and the body that is sent to Wireflow. Nothing is guessed."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from shared.workflows.models import Model, ModelStatus
from shared.workflows.workflow import OVERRIDES, FieldRefused, Mode, NodeInput, Workflow

Fields = Mapping[str, Any]
Inputs = Sequence[NodeInput]

PROMPT, IMAGE = "prompt", "image1"
IMAGES = (IMAGE, "image2", "image3")  # the input images of a request
NO_IMAGE = "does not accept an input image"
MAX_LISTED = 30  # inputs that an error message lists


def check_fields(workflow: Workflow, fields: Fields, *, images: int, inputs: Inputs | None = None) -> None:
    """Raise FieldRefused if a field is not valid.

    `fields`: those for Wireflow; `images`: how many input images; `inputs`: of a run, None if unknown.
    """
    if workflow.mode is Mode.EXECUTE:
        _model_and_params(workflow, fields, IMAGES[:images])
    elif workflow.mode is Mode.RUN and inputs is not None:
        _values_by_node(PROMPT, fields, IMAGES[:images], inputs)


def call_body(
    workflow: Workflow,
    prompt: str,
    fields: Fields,
    image_urls: Sequence[str],
    inputs: Inputs | None = None,
) -> dict[str, Any]:
    """Return the body of the paid call; raise FieldRefused as `check_fields` does. A run needs `inputs`."""
    if workflow.mode is Mode.EXECUTE:
        return _graph(prompt, *_model_and_params(workflow, fields, image_urls))
    if workflow.mode is Mode.RUN:
        if inputs is None:
            raise ValueError("the inputs of the workflow must be known")
        return {"inputs": _values_by_node(prompt, fields, image_urls, inputs)}
    return {PROMPT: prompt, **fields, **dict(zip(IMAGES, image_urls, strict=False))}


def public_workflow(workflow: Workflow, inputs: Inputs | None) -> dict[str, Any]:
    """Return an entry of `GET /workflows`: the defaults and the fields of a workflow, never its id.

    `pricePerImage`: dollars, or an object from resolution to dollars. `fields`: the names that a request may use,
    `prompt` and `image1` first; null for a webhook, which accepts any, and if `inputs` are unknown.
    """
    model = workflow.own_model
    prices: dict[str | None, float] = dict(workflow.prices)
    return {
        "name": workflow.name,
        "mode": str(workflow.mode),
        "model": workflow.model,
        "modelStatus": str(model.status) if model else None,
        "modelSuccessor": model.successor if model else None,
        "resolution": _default("resolution", model, workflow),
        "aspectRatio": _default("aspect_ratio", model, workflow),
        "pricePerImage": prices.get(None, prices or None),
        "overridable": list(workflow.overridable),
        "fields": _public_fields(workflow, inputs),
    }


def _public_fields(workflow: Workflow, inputs: Inputs | None) -> list[dict[str, Any]] | None:
    if workflow.mode is Mode.EXECUTE:
        count = max((model.input_images for model in workflow.allowed_models), default=0)
        names = [(PROMPT, "text", True), *((name, "image", False) for name in IMAGES[:count])]
        names += [(name, "select", False) for name in workflow.overridable if workflow.choices(name)]
    elif workflow.mode is Mode.RUN and inputs is not None:
        ours = [(PROMPT, _first_of_kind(inputs, "text")), (IMAGE, _first_of_kind(inputs, "image"))]
        names = [(name, item.kind, item.required or name == PROMPT) for name, item in ours if item]
        listed = [item for _, item in ours]
        names += [(_public_name(item, inputs), item.kind, item.required) for item in inputs if item not in listed]
    else:
        return None
    return [{"name": name, "type": kind, "required": required} for name, kind, required in names]


def _is_set(value: Any) -> bool:
    """Whether the field has a value: an empty form field counts as not set."""
    return value is not None and value != ""


# --- execute: the graph of the guide -------------------------------------------------------------------------------


def _model_and_params(workflow: Workflow, fields: Fields, image_urls: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """Return the model and the params of its node."""
    overrides = _overrides(workflow, fields)
    models = {model.name: model for model in workflow.models}
    model = models[_one_of(tuple(models), overrides.get("model", workflow.model), "model")]
    chosen = {name: _choose(name, model, workflow, overrides) for name in ("resolution", "aspect_ratio")}
    params = {name: value for name, value in chosen.items() if value is not None}
    if len(image_urls) > model.input_images:
        accepts = f"accepts only {model.input_images} input images" if model.input_images else NO_IMAGE
        detail = f"The model {model.name} {accepts}. {_image_remedy(workflow, len(image_urls))}"
        raise FieldRefused(IMAGES[model.input_images], detail)
    return model.name, {**params, **dict(zip(IMAGES, image_urls, strict=False))}


def _image_remedy(workflow: Workflow, count: int) -> str:
    models = [model for model in workflow.allowed_models if model.status is ModelStatus.ACTIVE]
    accept = [model for model in models if model.input_images >= count]
    return f"Choose {' or '.join(model.name for model in accept)}, or leave it out." if accept else "Leave it out."


def _overrides(workflow: Workflow, fields: Fields) -> Fields:
    """Return the fields of the request that override a setting of the workflow."""
    allowed = ", ".join(workflow.overridable) or "no other field"
    for name, value in fields.items():
        if name not in OVERRIDES:
            detail = f"The workflow {workflow.name} has no such field. Besides the common fields, it accepts {allowed}."
            raise FieldRefused(name, detail)
        if name not in workflow.overridable and _is_set(value):
            detail = f"The workflow {workflow.name} locks this field. Besides the common fields, it accepts {allowed}."
            raise FieldRefused(name, detail)
    return {name: value for name, value in fields.items() if _is_set(value)}


def _choose(name: str, model: Model, workflow: Workflow, overrides: Fields) -> str | None:
    """Return the resolution or aspect ratio to send; None if the model has no choice: then none must be sent."""
    known = model.choices(name)
    if not known:
        if name in overrides:
            raise FieldRefused(name, f"The model {model.name} has no {name} option. Leave this field out.")
        return None
    if name in overrides:
        return _one_of(known, overrides[name], name)
    default = _default(name, model, workflow)
    if default not in known:
        remedy = f"Set {name} too, or choose" if name in workflow.overridable else "Choose"
        detail = f"The model {model.name} does not support the {name} {default}, only {', '.join(known)}."
        raise FieldRefused("model", f"{detail} {remedy} another model.")
    return default


def _default(name: str, model: Model | None, workflow: Workflow) -> str | None:
    """Return the resolution or aspect ratio of a request that names none; None if there is no choice."""
    setting = workflow.resolution if name == "resolution" else workflow.aspect_ratio
    return setting or next(iter(model.choices(name) if model else ()), None)


def _one_of(known: tuple[str, ...], value: Any, name: str) -> str:
    if not isinstance(value, str) or value not in known:
        raise FieldRefused(name, f"Must be one of {', '.join(known)}.")
    return value


def _graph(prompt: str, model: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the graph of the guide's step 2; `image1` in `params` makes it image to image.

    The names of further input images are those of the node's ports (github.com/wireflowINC/wireflow-skill).
    """
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


def _values_by_node(prompt: str, fields: Fields, image_urls: Sequence[str], inputs: Inputs) -> dict[str, Any]:
    """Return every value by the id of its node: https://www.wireflow.ai/docs/api/run."""
    values = {_input_for(PROMPT, "text", 0, inputs).node_id: prompt}
    ours = {node_id: PROMPT for node_id in values}
    for number, (name, url) in enumerate(zip(IMAGES, image_urls, strict=False)):
        node_id = _input_for(name, "image", number, inputs).node_id
        values[node_id], ours[node_id] = url, name
    for name, value in fields.items():
        item = _find_input(name, inputs)
        if item.node_id in ours:
            raise FieldRefused(name, f"The field {ours[item.node_id]} sets this input. Leave this field out.")
        if not (_is_set(value) or (item.kind == "text" and value == "")):
            continue
        if item.node_id in values:
            raise FieldRefused(name, "This input is set twice, by its id and by its label. Leave one of them out.")
        values[item.node_id] = _convert(name, item.kind, value)
    for item in inputs:
        if item.required and item.node_id not in values:
            missing = IMAGE if item is _first_of_kind(inputs, "image") else _public_name(item, inputs)
            raise FieldRefused(missing, "The workflow requires this field.")
    return values


def _first_of_kind(inputs: Inputs, kind: str) -> NodeInput | None:
    return next((item for item in inputs if item.kind == kind), None)


def _input_for(name: str, kind: str, number: int, inputs: Inputs) -> NodeInput:
    """Return the input for the prompt or an image: that of its kind with this number, from 0."""
    items = [item for item in inputs if item.kind == kind]
    if number >= len(items):
        raise FieldRefused(name, f"The workflow has no {kind} input for this field.")
    return items[number]


def _find_input(name: str, inputs: Inputs) -> NodeInput:
    """Return the input with this id, or else with this label."""
    found = [item for item in inputs if item.node_id == name] or [item for item in inputs if item.label == name != ""]
    if not found:
        known = ", ".join(_public_name(item, inputs) for item in inputs[:MAX_LISTED])
        raise FieldRefused(name, f"The workflow has no such input. Its inputs are {known}.")
    if len(found) > 1:
        ids = ", ".join(item.node_id for item in found)
        raise FieldRefused(name, f"Several inputs have this label. Use the id of one of them: {ids}.")
    return found[0]


def _public_name(item: NodeInput, inputs: Inputs) -> str:
    """Return the name that requests use: the label if it is unique, else the id."""
    others = [other for other in inputs if other is not item]
    taken = {PROMPT, *IMAGES, *(text for other in others for text in (other.node_id, other.label))}
    return item.label if item.label and item.label not in taken else item.node_id


def _convert(name: str, kind: str, value: Any) -> Any:
    """Convert a value, which is text if it is from a form, for an input of this kind; leave unknown kinds unchanged."""
    if kind not in KINDS:
        return value
    expected, convert = KINDS[kind]
    try:
        return convert(value)
    except (TypeError, ValueError, OverflowError, KeyError):
        raise FieldRefused(name, f"Must be {expected}.") from None


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return str(_number(value))


def _url(value: Any) -> str:
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


def _boolean(value: Any) -> bool:
    words = {"true": True, "on": True, "yes": True, "1": True, "false": False, "off": False, "no": False, "0": False}
    return words[str(value).strip().lower()]


def _choice(value: Any) -> Any:
    if not isinstance(value, str | int | float):
        raise TypeError
    return value


# What each kind of input accepts, as far as it is documented: https://www.wireflow.ai/docs/api/run
KINDS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "text": ("text", _text),
    "image": ("the URL of an image, https://…", _url),
    "url": ("a URL, https://…", _url),
    "number": ("a number", _number),
    "boolean": ("true or false", _boolean),
    "select": ("one of the choices, as text or a number", _choice),
}

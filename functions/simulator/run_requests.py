"""The bodies of the three paid calls: what they ask for, and which of them Wireflow rejects.

- trigger: a webhook accepts any JSON object.
- run: the inputs of the saved workflow, https://www.wireflow.ai/docs/api/run
- execute: a graph of a text node connected to a node that generates, as in step 2 of Wireflow's guide and in
  github.com/wireflowINC/wireflow-skill; the two spell the settings of a node `params` and `config`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = Mapping[str, Any]

RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
_ALL_RATIOS = (*RATIOS, "1:4", "4:1", "1:8", "8:1")
_TEXT_NODE = "input:text"
_IMAGE = re.compile(r"image[1-9]")
_PROMPT_EDGE = ("out-prompt", "in-prompt")
_INVALID = "Workflow graph failed validation"


class InvalidRequest(Exception):
    """A body that Wireflow rejects with this status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Node:
    """A node of the workflow that runs; `text` is the value of a text input."""

    id: str
    label: str
    text: str | None = None


@dataclass(frozen=True)
class RunRequest:
    """What a paid call asks for, as far as its body can be read.

    `fields` may have `resolution`, `aspect_ratio`, `format` and `count`; `images` should be URLs.
    """

    prompt: str
    generator: Node
    inputs: tuple[Node, ...] = ()
    fields: Json = field(default_factory=dict)
    images: tuple[object, ...] = ()
    style: str = ""

    @property
    def image(self) -> object:
        """The first input image, the only one that is shown."""
        return next(iter(self.images), None)

    @property
    def caption(self) -> str:
        """The text that the images show."""
        return ", ".join(filter(None, (self.prompt, self.style)))


@dataclass(frozen=True)
class Model:
    """An image model; without resolutions it rejects every one."""

    label: str
    resolutions: tuple[str, ...]
    ratios: tuple[str, ...]
    input_images: int = 14


# As of November 2026, after Google's models. On purpose not the product's own table: a wrong row there shows here.
MODELS: Mapping[str, Model] = {
    "generate:nano_banana": Model("Nano Banana", ("1K",), RATIOS, input_images=3),
    "generate:nano_banana_2": Model("Nano Banana 2", ("512", "1K", "2K", "4K"), _ALL_RATIOS),
    "generate:nano_banana_2_1": Model("Nano Banana 2.1", ("1K", "2K", "4K"), _ALL_RATIOS),
    "generate:nano_banana_2_lite": Model("Nano Banana 2 Lite", (), _ALL_RATIOS, input_images=0),
    "generate:nano_banana_pro": Model("Nano Banana Pro", ("1K", "2K", "4K"), RATIOS),
}


@dataclass(frozen=True)
class Input:
    """An input of the saved workflow; `options` are the values of a select."""

    node_id: str
    label: str
    type: str
    required: bool = False
    default: str | None = None
    description: str = ""
    options: tuple[str, ...] = ()

    def problem(self, value: object) -> str | None:
        """Return what is wrong with a value, or None."""
        if not isinstance(value, str):
            return f"{self.label} must be a {'URL' if self.type == 'image' else 'text'}"
        if self.required and not value.strip():
            return f"{self.label} is required"
        if self.options and value not in self.options:
            return f"{self.label} must be one of {', '.join(self.options)}"
        return None

    def to_json(self) -> dict[str, Any]:
        """Return the input as the workflow's description has it."""
        return {
            "nodeId": self.node_id,
            "label": self.label,
            "type": self.type,
            "required": self.required,
            "default": self.default,
            "description": self.description,
        }


_PROMPT = Input("text-prompt", "Prompt", "text", required=True, description="What to draw")
_REFERENCE = Input("image-reference", "Reference image", "image")
_STYLE = Input("text-style", "Style", "text", default="", description="How to draw it")
_ASPECT = Input("select-aspect", "Aspect", "select", False, "1:1", f"One of {', '.join(RATIOS)}", RATIOS)
INPUTS: Mapping[str, Input] = {entry.node_id: entry for entry in (_PROMPT, _REFERENCE, _STYLE, _ASPECT)}
EXAMPLE = {"inputs": {_PROMPT.node_id: "a cat"}}


def parse(endpoint: str, body: Json) -> RunRequest:
    """Return what a call to `trigger`, `run` or `execute` asks for; unreadable parts are left out."""
    return {"trigger": _parse_webhook, "run": _parse_inputs, "execute": _parse_graph}[endpoint](body)


def validate(endpoint: str, body: Json) -> None:
    """Raise InvalidRequest for a body that Wireflow rejects; a webhook accepts any."""
    if endpoint == "run":
        _validate_inputs(body)
    elif endpoint == "execute":
        _validate_graph(body)


def _parse_webhook(body: Json) -> RunRequest:
    prompt = _text(body.get("prompt"))
    return RunRequest(
        prompt, Node("gen-1", "Nano Banana Pro"), (Node("input-1", "Prompt", prompt),), body, _images(body)
    )


def _images(params: Json) -> tuple[object, ...]:
    """The values of image1, image2, and so on."""
    return tuple(value for name, value in sorted(params.items()) if _IMAGE.fullmatch(name) and value)


# --- The saved workflow ---------------------------------------------------------------------------------------------


def _parse_inputs(body: Json) -> RunRequest:
    given = _given(body)
    texts = {entry.node_id: _text(given.get(entry.node_id, entry.default)) for entry in (_PROMPT, _STYLE)}
    inputs = tuple(Node(e.node_id, e.label, texts.get(e.node_id)) for e in INPUTS.values() if given.get(e.node_id))
    fields = {"aspect_ratio": given.get(_ASPECT.node_id, _ASPECT.default)}
    generator = Node("generate-image", "Nano Banana Pro")
    images = tuple(filter(None, [given.get(_REFERENCE.node_id)]))
    return RunRequest(texts[_PROMPT.node_id], generator, inputs, fields, images, texts[_STYLE.node_id])


def _validate_inputs(body: Json) -> None:
    if not isinstance(body.get("inputs"), dict):
        raise InvalidRequest(400, "Missing required fields: inputs")
    given = _given(body)
    unknown = sorted(set(given) - set(INPUTS))
    if unknown:
        raise InvalidRequest(422, f"Unknown inputs: {', '.join(unknown)}")
    missing = [entry.label for entry in INPUTS.values() if entry.required and entry.node_id not in given]
    if missing:
        raise InvalidRequest(422, f"Missing required inputs: {', '.join(missing)}")
    problems = [problem for node_id, value in given.items() if (problem := INPUTS[node_id].problem(value))]
    if problems:
        raise InvalidRequest(422, "; ".join(problems))


def _given(body: Json) -> dict[str, Any]:
    """The inputs of a body; null means that an input is not given."""
    return {name: value for name, value in _object(body.get("inputs")).items() if value is not None}


# --- The graph ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _GraphNode:
    """A node as it was sent; None where it has no id, type or label that is a text."""

    id: str | None
    type: str | None
    label: str | None
    params: Json


def _parse_graph(body: Json) -> RunRequest:
    nodes = _nodes(body)
    generator = next((node for node in nodes if node.type in MODELS), _GraphNode("gen-1", None, None, {}))
    sources = [
        edge.get("source")
        for edge in _edges(body)
        if edge.get("target") == generator.id and _handles(edge) == _PROMPT_EDGE
    ]
    text = next((node for node in nodes if node.type == _TEXT_NODE and node.id in sources), None)
    prompt = _text(text.params.get("prompt")) if text else ""
    inputs = (Node(str(text.id), text.label or "Text", prompt),) if text else ()
    model = MODELS.get(str(generator.type))
    label = generator.label or (model.label if model else "")
    return RunRequest(prompt, Node(str(generator.id), label), inputs, generator.params, _images(generator.params))


def _validate_graph(body: Json) -> None:
    if not (isinstance(body.get("nodes"), list) and isinstance(body.get("edges"), list)):
        raise InvalidRequest(400, "Missing required fields: nodes, edges")
    nodes = _nodes(body)
    _validate_nodes(nodes, len(body["nodes"]))
    _validate_edges(_edges(body), {node.id for node in nodes}, len(body["edges"]))
    if not _parse_graph(body).prompt.strip():
        raise InvalidRequest(400, "Missing required fields: prompt")
    _validate_generator(next(node for node in nodes if node.type in MODELS))


def _validate_nodes(nodes: list[_GraphNode], sent: int) -> None:
    if len(nodes) < sent or not all(node.id and node.type for node in nodes):
        raise InvalidRequest(400, "Missing required fields: id and data.nodeType of each node")
    unknown = sorted({str(node.type) for node in nodes} - {_TEXT_NODE, *MODELS})
    if unknown:
        raise InvalidRequest(400, f"Unknown node type: {', '.join(unknown)}")
    if len({node.id for node in nodes}) < len(nodes):
        raise InvalidRequest(422, f"{_INVALID}: two nodes have one id")
    if sum(node.type in MODELS for node in nodes) != 1:
        raise InvalidRequest(422, f"{_INVALID}: it needs one node that generates")


def _validate_edges(edges: list[Json], ids: set[str | None], sent: int) -> None:
    if len(edges) < sent or not all(edge.get("source") in ids and edge.get("target") in ids for edge in edges):
        raise InvalidRequest(422, f"{_INVALID}: an edge ends at no node")
    if not all(_handles(edge) == _PROMPT_EDGE for edge in edges):
        raise InvalidRequest(422, f"{_INVALID}: an edge goes from out-prompt to in-prompt")


def _validate_generator(node: _GraphNode) -> None:
    model = MODELS[str(node.type)]
    resolution, ratio = node.params.get("resolution"), node.params.get("aspect_ratio")
    if resolution not in (None, *model.resolutions):
        raise InvalidRequest(
            422, f"resolution of {model.label} must be one of {', '.join(model.resolutions) or 'none'}"
        )
    if ratio not in (None, *model.ratios):
        raise InvalidRequest(422, f"aspect_ratio of {model.label} must be one of {', '.join(model.ratios)}")
    if len(_images(node.params)) > model.input_images:
        raise InvalidRequest(422, f"{model.label} takes no input image, or fewer")


def _nodes(body: Json) -> list[_GraphNode]:
    nodes = []
    for node in _objects(body.get("nodes")):
        data = _object(node.get("data"))
        params = {**_object(data.get("params")), **_object(data.get("config"))}
        id_, kind, label = (_text(value) or None for value in (node.get("id"), data.get("nodeType"), data.get("label")))
        nodes.append(_GraphNode(id_, kind, label, params))
    return nodes


def _edges(body: Json) -> list[Json]:
    return [edge for edge in _objects(body.get("edges")) if _text(edge.get("source")) and _text(edge.get("target"))]


def _handles(edge: Json) -> tuple[object, object]:
    return edge.get("sourceHandle"), edge.get("targetHandle")


def _objects(value: object) -> list[Json]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""

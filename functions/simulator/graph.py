"""The graph of the guide's step 2: a text node, wired to a node that generates; `params` and `config` are one.

Sources: the guide, and the schema of github.com/wireflowINC/wireflow-skill, which writes `config`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .order import Node, Order, Unfit

TEXT = "input:text"
PROMPT_EDGE = ("out-prompt", "in-prompt")
RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
INVALID = "Workflow graph failed validation"


@dataclass(frozen=True)
class Model:
    """What a model draws; the first resolution is its usual one."""

    label: str
    resolutions: tuple[str, ...]
    takes_image: bool


# The guide's table. Images: "Both Nano Banana Pro and Nano Banana 2 accept an optional input image".
MODELS: Mapping[str, Model] = {
    "generate:nano_banana": Model("Nano Banana", ("1K",), takes_image=False),
    "generate:nano_banana_2": Model("Nano Banana 2", ("1K",), takes_image=True),
    "generate:nano_banana_pro": Model("Nano Banana Pro", ("1K", "2K", "4K"), takes_image=True),
}


@dataclass(frozen=True)
class _Part:
    """A node as it was sent."""

    id: object
    kind: object
    label: object
    params: Mapping[str, Any]


def order(body: Mapping[str, Any]) -> Order:
    """What a graph asks for; of one that makes no sense, as much as can be read."""
    parts = _parts(body)
    generator = next((part for part in parts if part.kind in MODELS), _Part("gen-1", None, None, {}))
    text = _wired_text(body, parts, generator)
    prompt = text.params.get("prompt") if text else None
    prompt = prompt if isinstance(prompt, str) else ""
    inputs = (Node(str(text.id), str(text.label or "Text"), prompt),) if text else ()
    model = MODELS.get(str(generator.kind))
    node = Node(str(generator.id), str(generator.label or (model.label if model else "")))
    return Order(prompt, node, inputs, generator.params, generator.params.get("image1"))


def check(body: Mapping[str, Any]) -> None:
    """Unfit for a graph that Wireflow would not execute."""
    if not (isinstance(body.get("nodes"), list) and isinstance(body.get("edges"), list)):
        raise Unfit(400, "Missing required fields: nodes, edges")
    parts = _parts(body)
    _check_nodes(parts, len(body["nodes"]))
    _check_edges(_edges(body), {part.id for part in parts}, len(body["edges"]))
    if not order(body).prompt.strip():
        raise Unfit(400, "Missing required fields: prompt")
    _check_model(next(part for part in parts if part.kind in MODELS))


def _check_nodes(parts: list[_Part], sent: int) -> None:
    if len(parts) < sent or not all(isinstance(part.id, str) and isinstance(part.kind, str) for part in parts):
        raise Unfit(400, "Missing required fields: id and data.nodeType of each node")
    unknown = sorted({str(part.kind) for part in parts} - {TEXT, *MODELS})
    if unknown:
        raise Unfit(400, f"Unknown node type: {', '.join(unknown)}")
    if len({part.id for part in parts}) < len(parts):
        raise Unfit(422, f"{INVALID}: two nodes have one id")
    if sum(part.kind in MODELS for part in parts) != 1:
        raise Unfit(422, f"{INVALID}: it needs one node that generates")


def _check_edges(edges: list[Mapping[str, Any]], ids: set[object], sent: int) -> None:
    if len(edges) < sent or not all(edge.get("source") in ids and edge.get("target") in ids for edge in edges):
        raise Unfit(422, f"{INVALID}: an edge ends at no node")
    if not all(_handles(edge) == PROMPT_EDGE for edge in edges):
        raise Unfit(422, f"{INVALID}: an edge goes from out-prompt to in-prompt")


def _check_model(part: _Part) -> None:
    model = MODELS[str(part.kind)]
    resolution, ratio = part.params.get("resolution"), part.params.get("aspect_ratio")
    if resolution not in (None, *model.resolutions):
        raise Unfit(422, f"resolution of {model.label} must be one of {', '.join(model.resolutions)}")
    if ratio not in (None, *RATIOS):
        raise Unfit(422, f"aspect_ratio must be one of {', '.join(RATIOS)}")
    if part.params.get("image1") and not model.takes_image:
        raise Unfit(422, f"{model.label} takes no input image")


def _wired_text(body: Mapping[str, Any], parts: list[_Part], generator: _Part) -> _Part | None:
    sources = [e.get("source") for e in _edges(body) if e.get("target") == generator.id and _handles(e) == PROMPT_EDGE]
    return next((part for part in parts if part.kind == TEXT and part.id in sources), None)


def _handles(edge: Mapping[str, Any]) -> tuple[object, object]:
    return edge.get("sourceHandle"), edge.get("targetHandle")


def _parts(body: Mapping[str, Any]) -> list[_Part]:
    return [_part(node) for node in _objects(body.get("nodes"))]


def _part(node: Mapping[str, Any]) -> _Part:
    data = _object(node.get("data"))
    params = {**_object(data.get("params")), **_object(data.get("config"))}
    return _Part(_name(node.get("id")), _name(data.get("nodeType")), _name(data.get("label")), params)


def _edges(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [edge for edge in _objects(body.get("edges")) if _name(edge.get("source")) and _name(edge.get("target"))]


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _name(value: object) -> str | None:
    return value if isinstance(value, str) and value else None

"""The saved workflow, which is run by its inputs: what it asks for, and which values fit.

Its shape: https://www.wireflow.ai/docs/api/run
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .graph import RATIOS
from .order import Node, Order, Unfit

Json = dict[str, Any]
NAME = "Simulated workflow"
GENERATOR = Node("generate-image", "Nano Banana Pro")


@dataclass(frozen=True)
class Input:
    """One input of the workflow; `options` are the values of a select."""

    node_id: str
    label: str
    type: str
    required: bool
    default: str | None
    description: str
    options: tuple[str, ...] = ()

    def refuses(self, value: object) -> str | None:
        """What is wrong with a value; None if it fits."""
        if not isinstance(value, str):
            return f"{self.label} must be a {'URL' if self.type == 'image' else 'text'}"
        if self.required and not value.strip():
            return f"{self.label} is required"
        if self.options and value not in self.options:
            return f"{self.label} must be one of {', '.join(self.options)}"
        return None

    def to_json(self) -> Json:
        """The input as it is described."""
        return {
            "nodeId": self.node_id,
            "label": self.label,
            "type": self.type,
            "required": self.required,
            "default": self.default,
            "description": self.description,
        }


PROMPT = Input("text-prompt", "Prompt", "text", required=True, default=None, description="What to draw")
REFERENCE = Input("image-reference", "Reference image", "image", required=False, default=None, description="")
STYLE = Input("text-style", "Style", "text", required=False, default="", description="How to draw it")
ASPECT = Input("select-aspect", "Aspect", "select", False, "1:1", f"One of {', '.join(RATIOS)}", RATIOS)
INPUTS: Mapping[str, Input] = {entry.node_id: entry for entry in (PROMPT, REFERENCE, STYLE, ASPECT)}


def describe(workflow_id: str, base: str) -> Json:
    """The answer that names the inputs."""
    example = {"inputs": {PROMPT.node_id: "a cat"}}
    return {
        "data": {
            "workflowId": workflow_id,
            "workflowName": NAME,
            "inputs": [entry.to_json() for entry in INPUTS.values()],
            "endpoint": f"{base}/api/v1/workflows/{workflow_id}/run",
            "method": "POST",
            "example": example,
        }
    }


def order(body: Mapping[str, Any]) -> Order:
    """What the inputs ask for; of those that do not fit, as much as can be read."""
    given = _given(body)
    text = {entry.node_id: given.get(entry.node_id, entry.default) for entry in (PROMPT, STYLE)}
    words = {node_id: value if isinstance(value, str) else "" for node_id, value in text.items()}
    inputs = tuple(Node(e.node_id, e.label, words.get(e.node_id)) for e in INPUTS.values() if given.get(e.node_id))
    fields = {"aspect_ratio": given.get(ASPECT.node_id, ASPECT.default)}
    image = given.get(REFERENCE.node_id)
    return Order(words[PROMPT.node_id], GENERATOR, inputs, fields, image, words[STYLE.node_id])


def check(body: Mapping[str, Any]) -> None:
    """Unfit for values that the workflow does not take. Null is a value that is not given."""
    if not isinstance(body.get("inputs"), dict):
        raise Unfit(400, "Missing required fields: inputs")
    given = _given(body)
    unknown = sorted(set(given) - set(INPUTS))
    if unknown:
        raise Unfit(422, f"Unknown inputs: {', '.join(unknown)}")
    missing = [entry.label for entry in INPUTS.values() if entry.required and entry.node_id not in given]
    if missing:
        raise Unfit(422, f"Missing required inputs: {', '.join(missing)}")
    wrong = [words for node_id, value in given.items() if (words := INPUTS[node_id].refuses(value))]
    if wrong:
        raise Unfit(422, "; ".join(wrong))


def _given(body: Mapping[str, Any]) -> dict[str, Any]:
    inputs = body.get("inputs")
    return {name: value for name, value in inputs.items() if value is not None} if isinstance(inputs, dict) else {}

"""What the description says of each workflow's own fields: schemas as strict as shared/workflows.

What a field gets is a JSON value or, in a form, a text; nothing (null, an empty text) is always taken for not said.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from shared.workflows import Mode, NodeInput, Workflow
from shared.workflows.workflow import ASPECT_RATIOS, TAKES_IMAGE

from .answers import Schema
from .texts import NUMBER, TRUTH, WEB, if_at_all

# Of each kind of input: the texts that fit (None: all), and what else fits in JSON.
KINDS: dict[str, tuple[str | None, list[Schema]]] = {
    "text": (None, [{"type": "number"}]),
    "image": (WEB, []),
    "url": (WEB, []),
    "number": (if_at_all(NUMBER), [{"type": "number"}]),
    "boolean": (if_at_all(TRUTH), [{"type": "boolean"}, {"enum": [0, 1]}]),
    "select": (None, [{"type": ["number", "boolean"]}]),
}
TEXT, NULL = {"type": "string"}, {"type": "null"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way to fill in a workflow. `fields`: its own; `others`: whether any other name is taken.

    `rules`: schemas that the whole request must fit. `image`: whether it takes an input image.
    """

    fields: dict[str, Schema] = field(default_factory=dict)
    others: bool = False
    image: bool = True
    rules: list[Schema] = field(default_factory=list)


def variants(workflow: Workflow, inputs: tuple[NodeInput, ...] | None, *, form: bool) -> Iterator[Variant]:
    """The ways to fill in a workflow. `inputs`: of a saved one, None where unknown."""
    if workflow.mode is Mode.EXECUTE:
        yield from _of_models(workflow, form=form)
    elif workflow.mode is Mode.RUN and inputs is not None:
        yield from _of_inputs(inputs, form=form)
    else:
        yield Variant(others=True)


# --- execute -------------------------------------------------------------------------------------------------------


def _of_models(workflow: Workflow, *, form: bool) -> Iterator[Variant]:
    """One for each model that may be chosen: it decides which resolutions there are, and whether an image is taken."""
    free = set(workflow.overridable)
    for model, resolutions in dict(workflow.models).items():
        usual = model == workflow.model
        unsaid = workflow.resolution is None or workflow.resolution in resolutions
        if not (usual or "model" in free) or not (unsaid or "resolution" in free):
            continue
        fields = {
            "model": _choice([model] if "model" in free else [], form=form, unsaid=usual),
            "resolution": _choice(resolutions if "resolution" in free else [], form=form, unsaid=unsaid),
            "aspect_ratio": _choice(ASPECT_RATIOS if "aspect_ratio" in free else [], form=form),
        }
        must = [name for name, needed in (("model", not usual), ("resolution", not unsaid)) if needed]
        yield Variant(fields=fields, image=model in TAKES_IMAGE, rules=[{"required": must}] if must else [])


def _choice(known: Any, *, form: bool, unsaid: bool = True) -> Schema:
    nothing: list[str | None] = ([""] if form else ["", None]) if unsaid else []
    return {"enum": [*known, *nothing]}


# --- run -----------------------------------------------------------------------------------------------------------


def _of_inputs(inputs: tuple[NodeInput, ...], *, form: bool) -> Iterator[Variant]:
    """One with an input image and one without: it takes the place of the first image input."""
    first = _first(inputs, "image")
    prompted = _first(inputs, "text")
    if prompted is None:
        return
    yield _filled(inputs, {prompted.node_id}, image=False, form=form)
    if first:
        yield _filled(inputs, {prompted.node_id, first.node_id}, image=True, form=form)


def _filled(inputs: tuple[NodeInput, ...], taken: set[str], *, image: bool, form: bool) -> Variant:
    fields: dict[str, Schema] = {}
    rules: list[Schema] = []
    for item in inputs:
        if item.node_id in taken:
            continue
        names = _names(item, inputs)
        fields |= {name: _kind(item.kind, form=form) for name in names}
        if len(names) > 1:
            rules.append({"not": {"allOf": [_given(name, item.kind) for name in names]}})
        if item.required:
            rules.append({"anyOf": [_given(name, item.kind) for name in names]})
    if image:
        rules.append({"anyOf": [{"required": ["image1"]}, {"required": ["fromJob"]}]})
    return Variant(fields=fields, image=image, rules=rules)


def _names(item: NodeInput, inputs: tuple[NodeInput, ...]) -> list[str]:
    """Its id, and its label where that means nothing else."""
    ids, labels = [one.node_id for one in inputs], [one.label for one in inputs]
    return [item.node_id, *([item.label] if item.label not in ("", *ids) and labels.count(item.label) == 1 else [])]


def _first(inputs: tuple[NodeInput, ...], kind: str) -> NodeInput | None:
    return next((item for item in inputs if item.kind == kind), None)


def _kind(kind: str, *, form: bool) -> Schema:
    if kind not in KINDS:
        return {}
    pattern, others = KINDS[kind]
    text = TEXT if pattern is None else {**TEXT, "pattern": pattern}
    return text if form else {"anyOf": [text, *others, NULL]}


def _given(name: str, kind: str) -> Schema:
    nothing = [None] if kind == "text" else [None, ""]
    return {"required": [name], "properties": {name: {"not": {"enum": nothing}}}}

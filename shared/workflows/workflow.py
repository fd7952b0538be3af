"""The records: a workflow as it is configured, an input of a saved one, and a field that does not fit."""

from dataclasses import dataclass, field
from enum import StrEnum

DEFAULT = "default"

# What a request may change of an executed workflow, where the setting allows it; named as Wireflow names them.
OVERRIDES = ("model", "resolution", "aspect_ratio")

# The guide's table of models: `generate:NAME` is the node of each. Its first resolution is what is used unless said.
KNOWN_MODELS: dict[str, tuple[str, ...]] = {
    "nano_banana": ("1K",),
    "nano_banana_2": ("1K",),
    "nano_banana_pro": ("1K", "2K", "4K"),
}
# "Both Nano Banana Pro and Nano Banana 2 accept an optional input image" (the guide). Of others that is not known.
TAKES_IMAGE = ("nano_banana_2", "nano_banana_pro")
ASPECT_RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")


class Mode(StrEnum):
    """How Wireflow is asked."""

    WEBHOOK = "webhook"  # POST /workflow/{id}/trigger: fields as they came
    RUN = "run"  # POST /workflows/{id}/run: by the workflow's own inputs
    EXECUTE = "execute"  # POST /workflows/{id}/execute: the guide's graph


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """One entry of WIREFLOW_WORKFLOWS. `prices`: dollars an image by resolution, (None, price) for all.

    `resolution` and `aspect_ratio` are None where the setting does not say: the model's first and 1:1 are used then,
    whichever model it comes to be.
    """

    name: str
    mode: Mode
    id: str = field(repr=False)
    model: str | None = None
    resolution: str | None = None
    aspect_ratio: str | None = None
    prices: tuple[tuple[str | None, float], ...] = ()
    overridable: tuple[str, ...] = ()
    models: tuple[tuple[str, tuple[str, ...]], ...] = ()  # every known model with its resolutions


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeInput:
    """One input of a saved workflow, as Wireflow describes it. `kind`: text, image, url, number, boolean, select."""

    node_id: str
    label: str
    kind: str
    required: bool = False


class FieldRefused(Exception):
    """A field does not fit the workflow; `field` is its name, the text says what to change."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field
